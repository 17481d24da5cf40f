/** Finite values in ascending order. */
export const sortedFinite = (values: Float64Array): Float64Array => values.filter(Number.isFinite).sort();

/** Quantile of ascending values, linear between neighbours (type 7 of Hyndman & Fan 1996, NumPy's default). NaN of none. */
export const quantile = (ascending: ArrayLike<number>, q: number): number => {
  const position = (ascending.length - 1) * q;
  const below = Math.floor(position);
  const low = ascending[below];
  if (low === undefined) return NaN;
  const high = ascending[below + 1] ?? low;
  return low + (high - low) * (position - below);
};
