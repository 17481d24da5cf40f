import { cholesky, inverse } from "../numeric/cholesky.ts";

/** Pearson correlations of standardised columns (mean 0, standard deviation 1), row-major. */
export const correlationsOf = (columns: readonly Float64Array[]): Float64Array => {
  const size = columns.length;
  const rows = columns[0]?.length ?? 0;
  const result = new Float64Array(size * size);
  for (let a = 0; a < size; a++)
    for (let b = 0; b <= a; b++) {
      const [left, right] = [columns[a]!, columns[b]!];
      let sum = 0;
      for (let i = 0; i < rows; i++) sum += left[i]! * right[i]!;
      result[a * size + b] = result[b * size + a] = a === b ? 1 : sum / rows;
    }
  return result;
};

/**
 * Variance inflation of each column: the diagonal of the inverse of the correlations (Belsley, Kuh & Welsch 1980). 1: it
 * stands alone; 10: nine tenths of it follow from the others. Infinity where a column is a combination of others.
 */
export const varianceInflation = (correlations: Float64Array, size: number): number[] => {
  const factored = cholesky(correlations, size, 1e-12);
  if ("dependent" in factored) return new Array<number>(size).fill(Infinity);
  const inverted = inverse(factored);
  return Array.from({ length: size }, (_, j) => inverted[j * size + j]!);
};
