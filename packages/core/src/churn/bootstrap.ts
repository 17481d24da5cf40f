/** Intervals by resampling customers with all their rows (cluster bootstrap; Efron & Tibshirani 1993, ch. 6 and 13). */
import { quantile } from "../numeric/quantile.ts";
import { uniform } from "../numeric/random.ts";

export interface Interval {
  readonly value: number;
  /** 2.5th and 97.5th percentile of the resampled values. */
  readonly low: number;
  readonly high: number;
}

/** A dense number for each distinct key, in order of first appearance. */
export const clustersOf = (keys: readonly string[]): { readonly clusterOf: Int32Array; readonly count: number } => {
  const numbers = new Map<string, number>();
  const clusterOf = new Int32Array(keys.length);
  for (let row = 0; row < keys.length; row++) {
    const number = numbers.get(keys[row]!) ?? numbers.size;
    numbers.set(keys[row]!, number);
    clusterOf[row] = number;
  }
  return { clusterOf, count: numbers.size };
};

/**
 * Calls `visit` with the weights of the rows in each replicate: how often the row's customer was drawn. The array is
 * reused. Statistics computed in one `visit` are paired.
 */
export const resample = (
  keys: readonly string[],
  { replicates, seed }: { readonly replicates: number; readonly seed: number },
  visit: (weights: Uint16Array) => void,
): void => {
  const { clusterOf, count } = clustersOf(keys);
  const random = uniform(seed);
  const drawn = new Uint16Array(count);
  const weights = new Uint16Array(keys.length);
  for (let replicate = 0; replicate < replicates; replicate++) {
    drawn.fill(0);
    for (let i = 0; i < count; i++) drawn[Math.floor(random() * count)]!++;
    for (let row = 0; row < weights.length; row++) weights[row] = drawn[clusterOf[row]!]!;
    visit(weights);
  }
};

/** The percentile interval around a value; replicates without a value (one class drawn) are left out. */
export const intervalOf = (value: number, replicates: readonly number[]): Interval => {
  const ascending = Float64Array.from(replicates.filter(Number.isFinite)).sort();
  return { value, low: quantile(ascending, 0.025), high: quantile(ascending, 0.975) };
};
