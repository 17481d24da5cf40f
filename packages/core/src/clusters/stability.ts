/** Whether the same customers fall together again when other customers are drawn (Hennig 2007, by adjusted Rand). */
import { uniform } from "../numeric/random.ts";
import { type Points, assign, kMeans, rowsOf } from "./k-means.ts";
import { sampleRows, takeRows } from "./sample.ts";

/**
 * Adjusted Rand index of two partitions of the same rows (Hubert & Arabie 1985): 1 for the same partition under any
 * names, 0 on average for unrelated ones. Two partitions that both hold everything in one cluster agree: 1.
 */
export const adjustedRand = (one: Uint8Array, other: Uint8Array): number => {
  if (one.length !== other.length) throw new RangeError(`partitions of ${one.length} and of ${other.length} rows`);
  const both = new Map<number, number>();
  const ones = new Map<number, number>();
  const others = new Map<number, number>();
  const count = (counts: Map<number, number>, key: number): unknown => counts.set(key, (counts.get(key) ?? 0) + 1);
  for (let i = 0; i < one.length; i++) {
    count(both, one[i]! * 256 + other[i]!);
    count(ones, one[i]!);
    count(others, other[i]!);
  }
  const pairs = (counts: Map<number, number>): number =>
    [...counts.values()].reduce((sum, size) => sum + (size * (size - 1)) / 2, 0);
  const all = (one.length * (one.length - 1)) / 2;
  const expected = (pairs(ones) * pairs(others)) / all;
  const most = (pairs(ones) + pairs(others)) / 2;
  return all === 0 || most === expected ? 1 : (pairs(both) - expected) / (most - expected);
};

export interface Stability {
  /** Adjusted Rand index between the clusters and those of each bootstrap, on the same rows. */
  readonly mean: number;
  readonly lowest: number;
  readonly replicates: number;
  /** Rows that each replicate was drawn from and compared on: all, or a seeded sample. */
  readonly rows: number;
}

/** Rows drawn and compared: enough for two digits, and 20 replicates take a second. */
const MOST_ROWS = 10_000;

/** Clusters again on rows drawn with replacement, and compares on the rows drawn from. */
export const stabilityOf = (
  points: Points,
  centroids: Float64Array,
  { k, seed, replicates = 20 }: { readonly k: number; readonly seed: number; readonly replicates?: number },
): Stability => {
  const random = uniform(seed);
  const rows = sampleRows(points, MOST_ROWS, random);
  const size = rowsOf(rows);
  const reference = assign(rows, centroids);
  const agreements = Array.from({ length: replicates }, (_replicate, replicate) => {
    const drawn = Uint32Array.from({ length: size }, () => Math.floor(random() * size));
    const again = kMeans(takeRows(rows, drawn), { k, seed: seed + replicate + 1, starts: 3 });
    return adjustedRand(reference, assign(rows, again.centroids));
  });
  return {
    mean: agreements.reduce((sum, value) => sum + value, 0) / replicates,
    lowest: Math.min(...agreements),
    replicates,
    rows: size,
  };
};
