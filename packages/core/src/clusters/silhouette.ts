import type { Points } from "./k-means.ts";

/** Rows in clusters, numbered from 0 to k − 1. */
export interface Partition {
  readonly assignment: Uint8Array;
  readonly k: number;
}

/**
 * Mean silhouette (Rousseeuw 1987) of partitions of the same rows: how much nearer a row is to its own cluster than to the
 * next, −1 to 1. A row alone in its cluster counts 0. Takes time in the square of the rows: give it a sample. Distances
 * are taken once for all partitions.
 *
 * @returns `undefined` for a partition where fewer than two clusters have a row, or every row is a cluster of its own
 */
export const silhouettes = (points: Points, partitions: readonly Partition[]): (number | undefined)[] => {
  const rows = points.values.length / points.dimensions;
  const judged = partitions.map(({ assignment, k }) => {
    const sizes = new Uint32Array(k);
    for (const cluster of assignment) sizes[cluster]!++;
    return { assignment, sizes, sums: new Float64Array(k), total: 0 };
  });
  const distances = new Float64Array(rows);
  for (let row = 0; row < rows; row++) {
    distancesFrom(points, row, distances);
    for (const one of judged) one.total += silhouetteOf(one, row, distances);
  }
  return judged.map(({ sizes, total }) => {
    const inUse = sizes.filter((size) => size > 0).length;
    return inUse < 2 || inUse === rows ? undefined : total / rows;
  });
};

const distancesFrom = ({ values, dimensions }: Points, row: number, distances: Float64Array): void => {
  for (let other = 0; other < distances.length; other++) {
    let squared = 0;
    for (let d = 0; d < dimensions; d++)
      squared += (values[row * dimensions + d]! - values[other * dimensions + d]!) ** 2;
    distances[other] = Math.sqrt(squared);
  }
};

interface Judged {
  readonly assignment: Uint8Array;
  readonly sizes: Uint32Array;
  /** Room for the sums of the distances to the rows of each cluster. */
  readonly sums: Float64Array;
}

const silhouetteOf = ({ assignment, sizes, sums }: Judged, row: number, distances: Float64Array): number => {
  const own = assignment[row]!;
  if (sizes[own] === 1) return 0;
  sums.fill(0);
  for (let other = 0; other < distances.length; other++) sums[assignment[other]!]! += distances[other]!;
  const within = sums[own]! / (sizes[own]! - 1);
  let next = Infinity;
  for (let c = 0; c < sizes.length; c++) if (c !== own && sizes[c]! > 0) next = Math.min(next, sums[c]! / sizes[c]!);
  const larger = Math.max(within, next);
  return larger > 0 ? (next - within) / larger : 0;
};
