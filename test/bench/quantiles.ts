/** The value below which a share of all lies: the nearest rank. */
export const quantile = (values: readonly number[], share: number): number => {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)]!;
};

/** p50 / p95 / p99 of milliseconds. */
export const quantiles = (values: readonly number[]): string =>
  `${[0.5, 0.95, 0.99].map((share) => quantile(values, share).toFixed(1)).join(" / ")} ms`;
