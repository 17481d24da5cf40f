/** Figures as a reader wants them. */
import type { Interval } from "@ebb/core/churn/bootstrap";

const integer = new Intl.NumberFormat("en");

export const count = (value: number): string => integer.format(value);
export const percent = (value: number | null, digits = 1): string =>
  value === null ? "–" : `${(100 * value).toFixed(digits)} %`;
export const fixed = (value: number | null, digits = 3): string =>
  value === null || !Number.isFinite(value) ? "–" : value.toFixed(digits).replace("-", "−");
/** Few digits whatever the size. */
export const short = (value: number): string =>
  value === 0
    ? "0"
    : Math.abs(value) >= 1e5 || Math.abs(value) < 1e-3
      ? value.toExponential(2)
      : String(Number(value.toPrecision(4)));

/** `0.778 (0.767 to 0.789)`. */
export const withInterval = ({ value, low, high }: Interval, digits = 3): string =>
  low === high ? fixed(value, digits) : `${fixed(value, digits)} (${fixed(low, digits)} to ${fixed(high, digits)})`;

export const range = ([low, high]: readonly [number, number], digits = 2): string =>
  `${fixed(low, digits)} to ${fixed(high, digits)}`;
