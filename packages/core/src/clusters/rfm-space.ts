/** Recency, frequency and money as points whose distances mean something: winsorised, log-scaled, standardised. */
import { quantile } from "../numeric/quantile.ts";
import { type Points, NotANumberError } from "./k-means.ts";

export const dimensionNames = ["recency", "frequency", "monetary"] as const;
export type Dimension = (typeof dimensionNames)[number];

/** Columns of equal length, one entry a customer with a counted order. Keep the order of rows: the clusters depend on it. */
export interface RfmColumns {
  /** Days since the last order. */
  readonly recency: Float64Array;
  /** Counted orders. */
  readonly frequency: Float64Array;
  /** Money, reporting minor units. Below zero counts as zero. */
  readonly monetary: Float64Array;
}

export interface Scale {
  /** Values beyond these are set to them: half a per cent at either end. */
  readonly low: number;
  readonly high: number;
  /** Of ln(1 + value), after that. */
  readonly mean: number;
  /** Population standard deviation; 0 for a column that does not vary, which then counts for nothing. */
  readonly deviation: number;
}
export type Scales = Readonly<Record<Dimension, Scale>>;

const TAIL = 0.005;

/** @throws NotANumberError for the first value that is not finite */
export const scalesOf = (columns: RfmColumns): Scales => {
  const scaleOf = (column: number): Scale => {
    const values = columns[dimensionNames[column]!];
    const bad = values.findIndex((value) => !Number.isFinite(value));
    if (bad >= 0) throw new NotANumberError(bad, column, values[bad]!);
    const ascending = values.map((value) => Math.max(0, value)).sort();
    const [low, high] = ascending.length === 0 ? [0, 0] : [quantile(ascending, TAIL), quantile(ascending, 1 - TAIL)];
    const logs = ascending.map((value) => Math.log1p(Math.min(high, Math.max(low, value))));
    const mean = logs.reduce((sum, log) => sum + log, 0) / Math.max(1, logs.length);
    const variance = logs.reduce((sum, log) => sum + (log - mean) ** 2, 0) / Math.max(1, logs.length);
    // What rounding leaves of a constant is not variation.
    return { low, high, mean, deviation: low === high || variance < 1e-20 ? 0 : Math.sqrt(variance) };
  };
  return { recency: scaleOf(0), frequency: scaleOf(1), monetary: scaleOf(2) };
};

export const rfmPoints = (columns: RfmColumns, scales: Scales): Points => {
  const rows = columns.recency.length;
  if (columns.frequency.length !== rows || columns.monetary.length !== rows)
    throw new RangeError(
      `columns of unequal length: recency ${rows}, frequency ${columns.frequency.length}, monetary ${columns.monetary.length}`,
    );
  const values = new Float64Array(rows * 3);
  dimensionNames.forEach((name, column) => {
    const { low, high, mean, deviation } = scales[name];
    if (deviation === 0) return;
    const from = columns[name];
    for (let row = 0; row < rows; row++)
      values[row * 3 + column] = (Math.log1p(Math.min(high, Math.max(low, from[row]!))) - mean) / deviation;
  });
  return { values, dimensions: 3 };
};

/** A coordinate back in days, orders or minor units. */
export const valueAt = (coordinate: number, { mean, deviation }: Scale): number =>
  Math.expm1(coordinate * deviation + mean);
