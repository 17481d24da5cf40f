/** Which cutoffs are for fitting, for recalibrating, for testing: always in the order of time. */
import type { FeatureColumn } from "./features.ts";
import { concatenated } from "./features.ts";
import type { LabelledRows } from "./fit-model.ts";
import type { SliceRole } from "./model-card.ts";
import { DAY_MS } from "../time.ts";

/** All customers at one cutoff. */
export interface Slice extends LabelledRows {
  /** ISO date or instant, UTC: features know what came before, labels what came in the horizon after. */
  readonly cutoff: string;
  /** Probabilities that another model gives these customers, by its name; a baseline. */
  readonly given?: Readonly<Record<string, Float64Array>>;
}

/** When the labels of a cutoff are known, as an ISO date. */
export const maturesAt = (cutoff: string, horizonDays: number): string =>
  new Date(Date.parse(cutoff) + horizonDays * DAY_MS).toISOString().slice(0, 10);

/**
 * The newest cutoff tests. The newest before it whose labels were known at the test's cutoff recalibrates, and all whose
 * labels were known at that one's cutoff train. So nothing that is fitted has seen a day on which it is judged. Where
 * only two cutoffs are that far apart, the older one trains and nothing recalibrates.
 */
export const rolesOf = (cutoffs: readonly string[], horizonDays: number): SliceRole[] => {
  const times = cutoffs.map((cutoff) => Date.parse(cutoff));
  const knownAt = (at: number): number[] => times.filter((time) => time + horizonDays * DAY_MS <= at);
  const test = Math.max(...times);
  const calibrate = Math.max(...knownAt(test));
  const train = knownAt(calibrate);
  return times.map((time) => {
    if (time === test) return "test";
    if (train.length === 0) return time + horizonDays * DAY_MS <= test ? "train" : "unused";
    if (time === calibrate) return "calibrate";
    return train.includes(time) ? "train" : "unused";
  });
};

/** The rows of several slices, one after the other. @throws RangeError where a slice lacks a column of the first */
export const pooled = (slices: readonly Slice[]): LabelledRows & { readonly cutoffs: readonly string[] } => {
  const rows = slices.reduce((sum, { labels }) => sum + labels.length, 0);
  const labels = new Uint8Array(rows);
  let start = 0;
  for (const slice of slices) {
    labels.set(slice.labels, start);
    start += slice.labels.length;
  }
  const names = Object.keys(slices[0]?.columns ?? {});
  const columnOf = (slice: Slice, name: string): FeatureColumn => {
    const column = slice.columns[name];
    if (column === undefined) throw new RangeError(`slice ${slice.cutoff} has no column ${name}`);
    return column;
  };
  return {
    cutoffs: slices.map(({ cutoff }) => cutoff),
    labels,
    customers: slices.flatMap(({ customers }) => customers),
    columns: Object.fromEntries(
      names.map((name) => [name, concatenated(slices.map((slice) => columnOf(slice, name)))]),
    ),
  };
};
