import type { Points } from "./k-means.ts";

/**
 * Mean silhouette (Rousseeuw 1987): how much nearer a row is to its own cluster than to the next, −1 to 1. A row alone in
 * its cluster counts 0. Takes time and no memory in the square of the rows: give it a sample.
 *
 * @returns `undefined` where fewer than two clusters have a row, or every row is a cluster of its own
 */
export const silhouette = ({ values, dimensions }: Points, assignment: Uint8Array, k: number): number | undefined => {
  const rows = assignment.length;
  const sizes = new Uint32Array(k);
  for (const cluster of assignment) sizes[cluster]!++;
  const inUse = sizes.filter((size) => size > 0).length;
  if (inUse < 2 || inUse === rows) return undefined;

  let total = 0;
  const distances = new Float64Array(k);
  for (let i = 0; i < rows; i++) {
    const own = assignment[i]!;
    if (sizes[own] === 1) continue;
    distances.fill(0);
    for (let j = 0; j < rows; j++) {
      let squared = 0;
      for (let d = 0; d < dimensions; d++) squared += (values[i * dimensions + d]! - values[j * dimensions + d]!) ** 2;
      distances[assignment[j]!]! += Math.sqrt(squared);
    }
    const within = distances[own]! / (sizes[own]! - 1);
    let next = Infinity;
    for (let c = 0; c < k; c++) if (c !== own && sizes[c]! > 0) next = Math.min(next, distances[c]! / sizes[c]!);
    const larger = Math.max(within, next);
    if (larger > 0) total += (next - within) / larger;
  }
  return total / rows;
};
