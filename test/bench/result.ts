/** What a benchmark finds. */
export interface Finding {
  readonly name: string;
  readonly title: string;
  /** What is measured and against what, in a sentence or two: it goes into the docs. */
  readonly method: string;
  readonly figures: readonly { readonly what: string; readonly value: string }[];
  /** The ratio, or the bound, that the benchmark is about. */
  readonly target?: { readonly what: string; readonly met: boolean };
}

/** A benchmark that could not run here. */
export interface Skipped {
  readonly name: string;
  readonly skipped: string;
}

export interface Scale {
  /** A small run for CI: it shows that the benchmark works, its figures are not to be quoted. */
  readonly quick: boolean;
}

export type Bench = (scale: Scale) => Promise<Finding | Skipped>;

export const perSecond = (count: number, ms: number): string =>
  `${Math.round((count / ms) * 1_000).toLocaleString("en")} a second`;
export const seconds = (ms: number): string => `${(ms / 1_000).toFixed(2)} s`;
export const megabytes = (bytes: number): string => `${Math.round(bytes / 1e6).toLocaleString("en")} MB`;
