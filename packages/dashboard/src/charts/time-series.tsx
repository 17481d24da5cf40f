import { useEffect, useRef } from "preact/hooks";
import uPlot from "uplot";

export interface Series {
  readonly name: string;
  /** One value a point of time; null = none. */
  readonly values: readonly (number | null)[];
  /** A CSS colour, e.g. `var(--one)`. */
  readonly colour: string;
  readonly dashed?: boolean;
}

export interface TimeSeriesProps {
  /** What a screen reader says of the chart; the figures themselves are in the table beside it. */
  readonly label: string;
  /** UTC epoch seconds, ascending. */
  readonly times: readonly number[];
  readonly series: readonly Series[];
  readonly format: (value: number) => string;
  readonly height?: number;
  /** Called with the first and last time of a dragged period, and with nothing when it is cleared by a double click. */
  readonly onPeriod?: ((period: readonly [number, number] | undefined) => void) | undefined;
  /** The chosen period, shaded. */
  readonly period?: readonly [number, number] | undefined;
}

/** A custom property cannot be drawn on a canvas: what the element would be coloured by it, in the theme of now. */
const colourOn = (element: HTMLElement, colour: string): string => {
  element.style.color = colour;
  const now = getComputedStyle(element).color;
  element.style.color = "";
  return now;
};

const DAY_SECONDS = 86_400;
/** In the reader's locale; days and longer in UTC, as the figures are. */
const timeFormat = (stepSeconds: number): Intl.DateTimeFormat =>
  new Intl.DateTimeFormat(
    navigator.language,
    stepSeconds >= 28 * DAY_SECONDS
      ? { month: "short", year: "2-digit", timeZone: "UTC" }
      : stepSeconds >= DAY_SECONDS
        ? { day: "numeric", month: "short", timeZone: "UTC" }
        : { hour: "2-digit", minute: "2-digit" },
  );

/** Lines over time (uPlot). A drag chooses a period. Drawn again on a change of data, width or theme. */
export const TimeSeries = ({ label, times, series, format, height = 240, onPeriod, period }: TimeSeriesProps) => {
  const holder = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | undefined>(undefined);
  const latest = useRef({ onPeriod, period });
  latest.current = { onPeriod, period };
  const names = series.map((one) => `${one.name} ${one.colour} ${one.dashed ?? false}`).join("|");

  useEffect(() => {
    const element = holder.current!;
    const draw = (): void => {
      plot.current?.destroy();
      const colourNow = (colour: string): string => colourOn(element, colour);
      const ink = colourNow("var(--ink-soft)");
      const grid = { stroke: colourNow("var(--line)"), width: 1 };
      const step = times.length > 1 ? times[1]! - times[0]! : DAY_SECONDS;
      const exact = new Intl.DateTimeFormat(
        navigator.language,
        step >= DAY_SECONDS ? { dateStyle: "medium", timeZone: "UTC" } : { timeStyle: "short" },
      );
      plot.current = new uPlot(
        {
          width: element.clientWidth,
          height,
          tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1000), "Etc/UTC"),
          cursor: {
            drag: { x: latest.current.onPeriod !== undefined, y: false, setScale: false },
            points: { size: 6 },
          },
          legend: { live: true },
          scales: { y: { range: (_plot, low, high) => [Math.min(0, low), high <= 0 ? 1 : high * 1.05] } },
          axes: [
            {
              stroke: ink,
              grid,
              ticks: grid,
              size: 34,
              values: (_plot, splits, _axis, _space, increment) => {
                const format = timeFormat(increment);
                return splits.map((seconds) => format.format(seconds * 1000));
              },
            },
            {
              stroke: ink,
              grid,
              ticks: grid,
              size: 70,
              // A step smaller than what is told would tell one value twice.
              values: (_plot, values) =>
                values.map(format).map((text, index, all) => (text === all[index - 1] ? "" : text)),
            },
          ],
          series: [
            { label: "at", value: (_plot, seconds) => (seconds === null ? "" : exact.format(seconds * 1000)) },
            ...series.map((one) => ({
              label: one.name,
              stroke: colourNow(one.colour),
              width: 1.5,
              ...(one.dashed === true && { dash: [4, 4] }),
              points: { show: false },
              value: (_plot: uPlot, value: number | null) => (value === null ? "" : format(value)),
            })),
          ],
          hooks: {
            setSelect: [
              (chart) => {
                if (chart.select.width < 2) return;
                const from = chart.posToVal(chart.select.left, "x");
                const to = chart.posToVal(chart.select.left + chart.select.width, "x");
                chart.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
                latest.current.onPeriod?.([from, to]);
              },
            ],
            drawClear: [
              (chart) => {
                const chosen = latest.current.period;
                if (chosen === undefined) return;
                const left = chart.valToPos(chosen[0], "x", true);
                const right = chart.valToPos(chosen[1], "x", true);
                chart.ctx.fillStyle = colourNow("var(--chosen)");
                chart.ctx.fillRect(left, chart.bbox.top, Math.max(2, right - left), chart.bbox.height);
              },
            ],
          },
        },
        [[...times], ...series.map((one) => [...one.values])] as uPlot.AlignedData,
        element,
      );
    };
    draw();
    const resized = new ResizeObserver(() => plot.current?.setSize({ width: element.clientWidth, height }));
    resized.observe(element);
    const themed = new MutationObserver(draw);
    themed.observe(document.documentElement, { attributes: true, attributeFilter: ["data-theme"] });
    const system = matchMedia("(prefers-color-scheme: dark)");
    system.addEventListener("change", draw);
    const clear = (): void => latest.current.onPeriod?.(undefined);
    element.addEventListener("dblclick", clear);
    return () => {
      resized.disconnect();
      themed.disconnect();
      system.removeEventListener("change", draw);
      element.removeEventListener("dblclick", clear);
      plot.current?.destroy();
      plot.current = undefined;
    };
  }, [names, height, onPeriod === undefined]);

  useEffect(() => {
    plot.current?.setData([[...times], ...series.map((one) => [...one.values])] as uPlot.AlignedData);
  }, [times, series]);
  // Without new paths: those would be made for the scales of before the first drawing, which are not set yet.
  useEffect(() => plot.current?.redraw(false), [period?.[0], period?.[1]]);

  return <div class="chart" ref={holder} role="img" aria-label={label} />;
};
