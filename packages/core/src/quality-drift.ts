/** How what a column or a table holds now differs from what it held before. */
import type { Finding } from "./quality.ts";
import type { Limits, Measure, Place } from "./quality-limits.ts";

/** A column at one time. */
export interface Held {
  /** Of all rows, 0 to 1. */
  readonly missing: number;
  /** Of numbers. */
  readonly mean?: number | undefined;
  /** Of what it held before: how far its values lie from their mean. */
  readonly sd?: number | undefined;
}

type LimitsAt = (measure: Measure, place: Place) => Limits;

export const percent = (share: number): string => `${(100 * share).toFixed(share < 0.01 ? 2 : 1)} %`;

/** `undefined` below the limits. */
export const severityOf = (
  value: number,
  { warn, stop, stops }: Limits,
): { readonly severity: "warn" } | { readonly severity: "stop"; readonly stops: "run" | "model" } | undefined => {
  if (stop !== undefined && value >= stop) return { severity: "stop", stops };
  return warn !== undefined && value >= warn ? { severity: "warn" } : undefined;
};

const told = (limits: LimitsAt, measure: Measure, place: Place, value: number, sentence: string): Finding[] => {
  const { column, ...where } = place;
  const found = severityOf(value, limits(measure, place));
  const name = `${place.source}, ${place.table}${column === undefined ? "" : `.${column}`}`;
  return found === undefined
    ? []
    : [
        {
          ...found,
          code: "drift",
          ...where,
          ...(column === undefined ? {} : { column }),
          sentence: `${name}: ${sentence}.`,
        },
      ];
};

/** @param when begins what is told: `in 2026-05` */
export const columnDrift = (limits: LimitsAt, place: Place, when: string, now: Held, before: Held): Finding[] => {
  const points = Math.abs(now.missing - before.missing);
  const found =
    points === 0
      ? []
      : told(
          limits,
          "drift_missing",
          place,
          points,
          `${when} ${percent(now.missing)} are missing, ${percent(before.missing)} before`,
        );
  const { mean } = now;
  const { mean: meanBefore, sd } = before;
  if (mean === undefined || meanBefore === undefined || sd === undefined || sd <= 0 || mean === meanBefore)
    return found;
  return [
    ...found,
    ...told(
      limits,
      "drift_mean",
      place,
      Math.abs(mean - meanBefore) / sd,
      `${when} the mean is ${mean.toPrecision(4)}, ${meanBefore.toPrecision(4)} before`,
    ),
  ];
};

/** @param unit of the rows that are compared: `rows a day` */
export const rowsDrift = (
  limits: LimitsAt,
  place: Place,
  when: string,
  [now, before]: readonly [number, number],
  unit: string,
): Finding[] => {
  if (now === before) return [];
  const times = Math.max(now, before) / Math.max(Math.min(now, before), Number.MIN_VALUE);
  return told(limits, "drift_rows", place, times, `${when} ${now.toFixed(0)} ${unit}, ${before.toFixed(0)} before`);
};

/** A table of a declared source as its last load left it, beside how it was before. */
export interface LoadComparison {
  /** The name of the declared source. */
  readonly source: string;
  readonly table: string;
  /** When the load ended, RFC 3339. */
  readonly at: string;
  /** Now and before. */
  readonly rows: readonly [number, number];
  readonly columns: readonly { readonly column: string; readonly now: Held; readonly before: Held }[];
}

/** Fewer rows than these are no sample. */
const LEAST_ROWS = 100;

export const loadDrift = (limits: LimitsAt, { source, table, at, rows, columns }: LoadComparison): Finding[] => {
  if (Math.max(...rows) < LEAST_ROWS) return [];
  const when = `after the load of ${at.slice(0, 16).replace("T", " ")}`;
  return [
    ...rowsDrift(limits, { source, table }, when, rows, "rows"),
    ...(Math.min(...rows) < LEAST_ROWS
      ? []
      : columns.flatMap(({ column, now, before }) =>
          columnDrift(limits, { source, table, column }, when, now, before),
        )),
  ];
};
