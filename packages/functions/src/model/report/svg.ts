/** Plots as inline SVG: no script, no font, no colour of their own, so that light and dark are the page's affair. */
import { type Html, html } from "./html.ts";

export interface Point {
  readonly x: number;
  readonly y: number;
}

export interface Axis {
  readonly label: string;
  readonly from: number;
  readonly to: number;
  readonly format: (value: number) => string;
  readonly ticks?: readonly number[];
}

const WIDTH = 480;
const HEIGHT = 320;
const LEFT = 62;
const RIGHT = 26;
const TOP = 12;
const BOTTOM = 46;

/** A number of a coordinate: a tenth of a pixel is enough. */
const at = (value: number): string => (Math.round(value * 10) / 10).toString();

/** Maps data to the plot, and draws its frame. */
export class Plot {
  readonly #x: Axis;
  readonly #y: Axis;
  readonly #height: number;
  readonly #left: number;
  readonly #marks: Html[] = [];

  constructor(x: Axis, y: Axis, size: { readonly height?: number; readonly left?: number } = {}) {
    this.#x = x;
    this.#y = y;
    this.#height = size.height ?? HEIGHT;
    this.#left = size.left ?? LEFT;
  }

  x(value: number): number {
    const { from, to } = this.#x;
    const share = Math.min(1, Math.max(0, (value - from) / (to - from)));
    return this.#left + share * (WIDTH - this.#left - RIGHT);
  }

  y(value: number): number {
    const { from, to } = this.#y;
    const share = Math.min(1, Math.max(0, (value - from) / (to - from)));
    return this.#height - BOTTOM - share * (this.#height - TOP - BOTTOM);
  }

  line(points: readonly Point[], style: "data" | "other" | "reference"): this {
    const path = points.map(({ x, y }, i) => `${i === 0 ? "M" : "L"}${at(this.x(x))} ${at(this.y(y))}`).join("");
    this.#marks.push(html`<path class="${style}" d="${path}" />`);
    return this;
  }

  dot({ x, y }: Point): this {
    this.#marks.push(html`<circle class="dot" cx="${at(this.x(x))}" cy="${at(this.y(y))}" r="3.5" />`);
    return this;
  }

  bar(from: Point, to: Point, style: "bar" | "bar-other"): this {
    const [left, right] = [this.x(from.x), this.x(to.x)].sort((a, b) => a - b) as [number, number];
    const [top, bottom] = [this.y(from.y), this.y(to.y)].sort((a, b) => a - b) as [number, number];
    this.#marks.push(
      html`<rect
        class="${style}"
        x="${at(left)}"
        y="${at(top)}"
        width="${at(right - left)}"
        height="${at(bottom - top)}"
      />`,
    );
    return this;
  }

  /** A name at the left of a horizontal row, instead of ticks. */
  rowName(name: string, y: number): this {
    const shown = name.length > 34 ? `${name.slice(0, 33)}…` : name;
    this.#marks.push(html`<text x="${at(this.#left - 8)}" y="${at(this.y(y) + 4)}" text-anchor="end">${shown}</text>`);
    return this;
  }

  /** @param title what the plot shows, for those who do not see it */
  svg(title: string): Html {
    const bottom = this.#height - BOTTOM;
    const xTicks = this.#x.ticks ?? ticksOf(this.#x);
    const yTicks = this.#y.ticks ?? ticksOf(this.#y);
    return html`<svg viewBox="0 0 ${WIDTH} ${this.#height}" role="img" aria-label="${title}">
      <title>${title}</title>
      ${yTicks.map(
        (value) =>
          html`<path class="grid" d="M${at(this.#left)} ${at(this.y(value))}H${at(WIDTH - RIGHT)}" />
            <text x="${at(this.#left - 8)}" y="${at(this.y(value) + 4)}" text-anchor="end"
              >${this.#y.format(value)}</text
            >`,
      )}
      ${xTicks.map(
        (value) =>
          html`<path class="grid" d="M${at(this.x(value))} ${at(TOP)}V${at(bottom)}" />
            <text x="${at(this.x(value))}" y="${at(bottom + 18)}" text-anchor="middle">${this.#x.format(value)}</text>`,
      )}
      <path class="axis" d="M${at(this.#left)} ${at(TOP)}V${at(bottom)}H${at(WIDTH - RIGHT)}" />
      ${this.#marks}
      <text x="${at((this.#left + WIDTH - RIGHT) / 2)}" y="${at(this.#height - 8)}" text-anchor="middle">
        ${this.#x.label}
      </text>
      <text
        x="14"
        y="${at((TOP + bottom) / 2)}"
        text-anchor="middle"
        transform="rotate(-90 14 ${at((TOP + bottom) / 2)})"
      >
        ${this.#y.label}
      </text>
    </svg>`;
  }
}

/** About five round values between the ends. */
export const ticksOf = ({ from, to }: Pick<Axis, "from" | "to">): number[] => {
  const rough = (to - from) / 5;
  const magnitude = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((factor) => factor * magnitude).find((size) => size >= rough * 0.999)!;
  const ticks: number[] = [];
  for (let k = Math.ceil(from / step - 1e-9); k * step <= to + step * 1e-9; k++)
    ticks.push(Number((k * step).toPrecision(12)));
  return ticks;
};
