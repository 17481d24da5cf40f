import type { Points } from "./k-means.ts";

/** `size` rows drawn without replacement, in their order; the points themselves where there are no more than that. */
export const sampleRows = (points: Points, size: number, random: () => number): Points => {
  const rows = points.values.length / points.dimensions;
  return rows <= size ? points : takeRows(points, sampleIndexes(rows, size, random));
};

/** `size` of the numbers 0 to `rows` − 1, ascending, each set equally likely (Knuth, algorithm S). */
export const sampleIndexes = (rows: number, size: number, random: () => number): Uint32Array => {
  const chosen = new Uint32Array(Math.min(size, rows));
  let count = 0;
  for (let row = 0; count < chosen.length; row++)
    if (random() * (rows - row) < chosen.length - count) chosen[count++] = row;
  return chosen;
};

/** The named rows, in that order; a row may come more than once. */
export const takeRows = ({ values, dimensions }: Points, rows: ArrayLike<number>): Points => {
  const taken = new Float64Array(rows.length * dimensions);
  for (let i = 0; i < rows.length; i++)
    taken.set(values.subarray(rows[i]! * dimensions, (rows[i]! + 1) * dimensions), i * dimensions);
  return { values: taken, dimensions };
};
