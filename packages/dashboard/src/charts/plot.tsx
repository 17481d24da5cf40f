import type { ComponentChildren } from "preact";

export interface Point {
  readonly x: number;
  readonly y: number;
}

const SIZE = 200;
const MARGIN = 34;

/** A square plot from 0 to 1 on both axes, as SVG: curves of a model. */
export const UnitPlot = ({
  label,
  xName,
  yName,
  yMax = 1,
  children,
}: {
  label: string;
  xName: string;
  yName: string;
  yMax?: number;
  children: ComponentChildren;
}) => (
  <svg
    class="plot"
    viewBox={`${-MARGIN} -10 ${SIZE + MARGIN + 12} ${SIZE + MARGIN + 10}`}
    role="img"
    aria-label={`${label}; the table has the figures`}
  >
    <rect width={SIZE} height={SIZE} class="frame" />
    {[0, 0.5, 1].map((at) => (
      <g key={at}>
        <text x={at * SIZE} y={SIZE + 13} text-anchor="middle">
          {at}
        </text>
        <text x={-6} y={SIZE - at * SIZE + 3} text-anchor="end">
          {Number((at * yMax).toPrecision(2))}
        </text>
      </g>
    ))}
    <text x={SIZE / 2} y={SIZE + 28} text-anchor="middle">
      {xName}
    </text>
    <text transform={`translate(-26 ${SIZE / 2}) rotate(-90)`} text-anchor="middle">
      {yName}
    </text>
    {children}
  </svg>
);

const at = ({ x, y }: Point, yMax: number): string =>
  `${(x * SIZE).toFixed(1)},${(SIZE - (y / yMax) * SIZE).toFixed(1)}`;

export const Curve = ({
  points,
  yMax = 1,
  dotted = false,
}: {
  points: readonly Point[];
  yMax?: number;
  dotted?: boolean;
}) => <polyline class={dotted ? "curve dotted" : "curve"} points={points.map((point) => at(point, yMax)).join(" ")} />;

export const Dots = ({ points, yMax = 1 }: { points: readonly Point[]; yMax?: number }) => (
  <>
    {points.map((point, index) => (
      <circle key={index} class="dot" cx={point.x * SIZE} cy={SIZE - (point.y / yMax) * SIZE} r="3" />
    ))}
  </>
);
