/** Whether today's customers look like those that the model was fitted on. */
import type { FeatureColumn } from "./features.ts";
import { quantile, sortedFinite } from "../numeric/quantile.ts";
import { uniform } from "../numeric/random.ts";

export interface Drift {
  /** Population stability index: Σ (a − e)·ln(a / e) over the bins. */
  readonly psi: number;
  /** What the index exceeds in one of twenty reshuffles of the same customers: below it, nothing is shown to have moved. */
  readonly band: number;
  readonly expectedRows: number;
  readonly actualRows: number;
  readonly expectedMissing: number;
  readonly actualMissing: number;
}

export interface DriftOptions {
  readonly seed: number;
  readonly permutations?: number;
}

const BINS = 10;
/** Rows of each side that are reshuffled at most; the band of more follows from these. */
const SHUFFLED_ROWS = 10_000;
/** Added to each bin's count, so that an empty one does not make the index infinite. */
const SMOOTHING = 0.5;

/**
 * The index over tenths of the expected values (or over categories), with missing values in a bin of their own. Its size
 * without any drift falls with the number of rows (Yurdakul & Naranjo 2020: about χ²·(1/n + 1/m)), which is why it comes
 * with a band rather than with the conventional 0.1 and 0.25.
 */
export const driftOf = (
  expected: FeatureColumn,
  actual: FeatureColumn,
  { seed, permutations = 200 }: DriftOptions,
): Drift => {
  const { left, right, bins } = binned(expected, actual);
  const missing = (codes: Uint8Array): number => codes.reduce((sum, code) => sum + (code === 0 ? 1 : 0), 0);
  return {
    psi: psiOf(counted(left, bins), counted(right, bins)),
    band: bandOf(left, right, bins, seed, permutations),
    expectedRows: left.length,
    actualRows: right.length,
    expectedMissing: missing(left) / left.length,
    actualMissing: missing(right) / right.length,
  };
};

/** Bin 0 is "missing". */
const binned = (
  expected: FeatureColumn,
  actual: FeatureColumn,
): { left: Uint8Array; right: Uint8Array; bins: number } => {
  if (expected instanceof Float64Array && actual instanceof Float64Array) {
    const ascending = sortedFinite(expected);
    const edges = [...new Set(Array.from({ length: BINS - 1 }, (_, i) => quantile(ascending, (i + 1) / BINS)))];
    const code = (value: number): number => {
      if (!Number.isFinite(value)) return 0;
      let bin = 0;
      while (bin < edges.length && value > edges[bin]!) bin++;
      return bin + 1;
    };
    return { left: Uint8Array.from(expected, code), right: Uint8Array.from(actual, code), bins: edges.length + 2 };
  }
  if (expected instanceof Float64Array || actual instanceof Float64Array)
    throw new TypeError("a column of numbers cannot drift from a column of names");
  // The most frequent of the expected levels have a bin each; all others share the last.
  const counts = counted(
    Uint16Array.from(expected.codes, (code) => code + 1),
    expected.levels.length + 1,
  );
  const frequent = expected.levels
    .map((level, code) => ({ level, count: counts[code + 1]! }))
    .sort((a, b) => b.count - a.count)
    .slice(0, 20);
  const binOf = new Map(frequent.map(({ level }, i) => [level, i + 1]));
  const bins = binOf.size + 2;
  const codes = ({ codes, levels }: Exclude<FeatureColumn, Float64Array>): Uint8Array =>
    Uint8Array.from(codes, (code) => (code < 0 ? 0 : (binOf.get(levels[code]!) ?? bins - 1)));
  return { left: codes(expected), right: codes(actual), bins };
};

const counted = (codes: Uint8Array | Uint16Array, bins: number): Float64Array => {
  const counts = new Float64Array(bins);
  for (let i = 0; i < codes.length; i++) counts[codes[i]!]!++;
  return counts;
};

const psiOf = (expected: Float64Array, actual: Float64Array): number => {
  const used = expected.map((count, bin) => (count + actual[bin]! > 0 ? 1 : 0));
  const share = (counts: Float64Array): Float64Array => {
    const total = counts.reduce((sum, count, bin) => sum + used[bin]! * (count + SMOOTHING), 0);
    return counts.map((count) => (count + SMOOTHING) / total);
  };
  const [e, a] = [share(expected), share(actual)];
  return used.reduce((sum, isUsed, bin) => sum + isUsed * (a[bin]! - e[bin]!) * Math.log(a[bin]! / e[bin]!), 0);
};

const bandOf = (left: Uint8Array, right: Uint8Array, bins: number, seed: number, permutations: number): number => {
  const [some, others] = [thinnedTo(left, SHUFFLED_ROWS), thinnedTo(right, SHUFFLED_ROWS)];
  const pool = new Uint8Array(some.length + others.length);
  pool.set(some);
  pool.set(others, some.length);
  const total = counted(pool, bins);
  const random = uniform(seed);
  const values = new Float64Array(permutations);
  for (let permutation = 0; permutation < permutations; permutation++) {
    for (let i = 0; i < some.length; i++) {
      const j = i + Math.floor(random() * (pool.length - i));
      const kept = pool[i]!;
      pool[i] = pool[j]!;
      pool[j] = kept;
    }
    const drawn = counted(pool.subarray(0, some.length), bins);
    values[permutation] = psiOf(
      drawn,
      total.map((count, bin) => count - drawn[bin]!),
    );
  }
  const scale = (1 / left.length + 1 / right.length) / (1 / some.length + 1 / others.length);
  return quantile(values.sort(), 0.95) * scale;
};

/** Every k-th row, so that at most `limit` stay. */
const thinnedTo = (codes: Uint8Array, limit: number): Uint8Array => {
  const stride = Math.ceil(codes.length / limit);
  return stride <= 1 ? codes : codes.filter((_, i) => i % stride === 0);
};
