/**
 * A team's own segments, as one document: cut points, map, gross or net money, window. Parsed once, with all its faults
 * at a time; what it means travels with the published cut points (`rfm.ts`), so that every reader scores alike.
 */
import { z } from "zod";
import {
  type CutPoints,
  type FourCuts,
  NO_PURCHASE,
  SEGMENT_CELLS,
  type Score,
  cellOf,
  defaultCutPoints,
  defaultSegmentGrid,
  scores,
} from "./rfm.ts";
import { DAY_MS } from "./time.ts";

const SegmentName = z
  .string()
  .trim()
  .min(1)
  .max(60)
  .refine((name) => name !== NO_PURCHASE, `"${NO_PURCHASE}" is the segment of customers without a counted order`);

const ScoreNumber = z.int().min(1).max(5);
/** One score, or the first and last of a range, both included. Default: every score. */
const ScoreRange = z
  .union([
    ScoreNumber,
    z.tuple([ScoreNumber, ScoreNumber]).refine(([first, last]) => first <= last, "first is above last"),
  ])
  .default([1, 5]);

/** A segment as a box of scores. The boxes of a document must cover all 125 cells, each once. */
const SegmentRule = z.strictObject({
  segment: SegmentName,
  recency: ScoreRange,
  frequency: ScoreRange,
  monetary: ScoreRange,
});

const FiveNames = z.tuple([SegmentName, SegmentName, SegmentName, SegmentName, SegmentName]);
/** By recency score, then by the rounded mean of frequency and monetary score, 1 to 5: total and disjoint by its form. */
const SegmentGrid = z.strictObject({ 5: FiveNames, 4: FiveNames, 3: FiveNames, 2: FiveNames, 1: FiveNames });

const QUANTILES = z.literal("quantiles");
const four = (what: z.ZodNumber) =>
  z
    .tuple([what, what, what, what])
    .refine(
      (cuts) => cuts.every((cut, i) => i === 0 || cuts[i - 1]! < cut),
      "cut points must ascend, each above the last",
    );

/**
 * The document. `{}` is the default: recency and money by quantiles, 1, 2, 3, 4–5, 6+ orders (two thirds of the
 * customers of many shops bought once: quantiles of that would be one value), net money, the whole history, the widely
 * used names.
 *
 * @example
 * { "money": "gross", "windowMonths": 24, "cutPoints": { "recencyDays": [30, 60, 120, 365] },
 *   "segments": { "rules": [{ "segment": "VIP", "frequency": [4, 5] }, { "segment": "Everyone else", "frequency": [1, 3] }] } }
 */
export const SegmentConfiguration = z.strictObject({
  /** Net of refunds, or as ordered. */
  money: z.enum(["net", "gross"]).default("net"),
  /** Orders of the current UTC month and of so many before it. Absent: the whole history. */
  windowMonths: z.int().min(1).max(120).optional(),
  cutPoints: z
    .strictObject({
      /** Whole or part days before the run: a last order at least so long ago scores below 5, 4, 3, 2. */
      recencyDays: z.union([QUANTILES, four(z.number().positive())]).default("quantiles"),
      /** Most orders that still score 1, 2, 3, 4. */
      frequency: z.union([QUANTILES, four(z.int().positive())]).default([1, 2, 3, 5]),
      /** Most money, reporting minor units, that still scores 1, 2, 3, 4. */
      monetaryMinor: z.union([QUANTILES, four(z.int())]).default("quantiles"),
    })
    .prefault({}),
  segments: z
    .union([z.strictObject({ grid: SegmentGrid }), z.strictObject({ rules: z.array(SegmentRule).min(1).max(125) })])
    .default({ grid: defaultSegmentGrid }),
});
export type SegmentConfiguration = z.infer<typeof SegmentConfiguration>;

/** Every fault of a document, one sentence each. */
export class SegmentConfigurationError extends Error {
  override readonly name = "SegmentConfigurationError";
  readonly faults: readonly string[];

  constructor(faults: readonly string[]) {
    super(`The segment configuration has ${faults.length} fault${faults.length === 1 ? "" : "s"}: ${faults.join(" ")}`);
    this.faults = faults;
  }
}

/** @throws SegmentConfigurationError with all the faults, cells without or with two segments by name (R5 F1 M1) */
export const parseSegmentConfiguration = (document: unknown): SegmentConfiguration => {
  const parsed = SegmentConfiguration.safeParse(document);
  if (!parsed.success) throw new SegmentConfigurationError(sentencesOf(parsed.error.issues));
  const faults = faultsOfCells(segmentsByCell(parsed.data));
  if (faults.length > 0) throw new SegmentConfigurationError(faults);
  return parsed.data;
};

type Issue = z.core.$ZodIssue;

/** One sentence an issue. Of several allowed forms, the faults of the one that the document follows the furthest. */
const sentencesOf = (issues: readonly Issue[], parent: readonly PropertyKey[] = []): string[] =>
  issues.flatMap((issue) => {
    const path = [...parent, ...issue.path];
    if (issue.code !== "invalid_union" || issue.errors.length === 0)
      return [`${path.length === 0 ? "document" : path.join(".")}: ${issue.message}.`];
    const depth = (form: readonly Issue[]): number => Math.max(...form.map(({ path: below }) => below.length));
    return sentencesOf(
      issue.errors.reduce((best, form) => (depth(form) >= depth(best) ? form : best)),
      path,
    );
  });

const boundsOf = (range: number | readonly [number, number]): readonly [number, number] =>
  typeof range === "number" ? [range, range] : range;

/** The segments that claim each of the 125 cells, by `cellOf`. */
const segmentsByCell = ({ segments }: SegmentConfiguration): string[][] => {
  const cells: string[][] = Array.from({ length: SEGMENT_CELLS }, () => []);
  for (const recency of scores)
    for (const frequency of scores)
      for (const monetary of scores) {
        const claimed = cells[cellOf(recency, frequency, monetary)]!;
        if ("grid" in segments) claimed.push(segments.grid[recency][Math.round((frequency + monetary) / 2) - 1]!);
        else
          for (const rule of segments.rules) {
            const within = (score: Score, range: number | readonly [number, number]): boolean =>
              score >= boundsOf(range)[0] && score <= boundsOf(range)[1];
            if (within(recency, rule.recency) && within(frequency, rule.frequency) && within(monetary, rule.monetary))
              claimed.push(rule.segment);
          }
      }
  return cells;
};

const faultsOfCells = (cells: readonly (readonly string[])[]): string[] => {
  const without: string[] = [];
  const twice: string[] = [];
  for (const recency of scores)
    for (const frequency of scores)
      for (const monetary of scores) {
        const claimed = cells[cellOf(recency, frequency, monetary)]!;
        const cell = `R${recency} F${frequency} M${monetary}`;
        if (claimed.length === 0) without.push(cell);
        if (claimed.length > 1) twice.push(`${cell} (${claimed.join(", ")})`);
      }
  return [
    ...(without.length === 0 ? [] : [`segments: cells without a segment: ${without.join(", ")}.`]),
    ...(twice.length === 0 ? [] : [`segments: cells with several segments: ${twice.join(", ")}.`]),
  ];
};

/** One entry a customer with a counted order in the window. */
export interface RfmValues {
  /** Instants of the last order, epoch milliseconds. */
  readonly lastOrderAtMs: ArrayLike<number>;
  readonly orders: ArrayLike<number>;
  /** Gross or net as the configuration says, reporting minor units. */
  readonly monetaryMinor: ArrayLike<number>;
}

/**
 * The cut points of a run: fixed ones as configured, the others from the values. Without a customer, those of
 * `defaultCutPoints` stand in for quantiles. Carries what else of the configuration a score depends on.
 */
export const cutPointsOf = (
  values: RfmValues,
  configuration: SegmentConfiguration,
  { asOfMs, version }: { readonly asOfMs: number; readonly version: string },
): CutPoints => {
  const { recencyDays, frequency, monetaryMinor } = configuration.cutPoints;
  const defaults = defaultCutPoints(asOfMs);
  const quantilesOr = (column: ArrayLike<number>, fallback: FourCuts): FourCuts =>
    column.length === 0 ? fallback : fifths(column);
  return {
    version,
    recencyAtMs:
      recencyDays === "quantiles"
        ? quantilesOr(values.lastOrderAtMs, defaults.recencyAtMs)
        : (recencyDays.map((days) => asOfMs - Math.round(days * DAY_MS)).reverse() as unknown as FourCuts),
    frequency: frequency === "quantiles" ? quantilesOr(values.orders, defaults.frequency) : frequency,
    monetaryMinor:
      monetaryMinor === "quantiles" ? quantilesOr(values.monetaryMinor, defaults.monetaryMinor) : monetaryMinor,
    money: configuration.money,
    ...(configuration.windowMonths === undefined
      ? {}
      : { windowFromMonth: windowFromMonth(asOfMs, configuration.windowMonths) }),
    segments: segmentsByCell(configuration).map((claimed) => claimed[0]!),
  };
};

/**
 * The four cut points that part values into fifths: the smallest value that at least i/5 of all are not above, i = 1 to 4
 * (Hyndman & Fan 1996, definition 1: the value at rank ⌈i·n/5⌉). Always values that occur, so exact on every engine.
 * A score counts the cut points below a value, so ties are never split: with many equal values cut points repeat and
 * scores between are not given.
 *
 * @throws RangeError for no values, or one that is not a number
 */
export const fifths = (values: ArrayLike<number>): FourCuts => {
  const ascending = Float64Array.from(values).sort();
  const count = ascending.length;
  // NaN sorts last.
  if (count === 0 || Number.isNaN(ascending[count - 1]!)) throw new RangeError("cut points need numbers");
  const atRank = (i: number): number => ascending[Math.ceil((i * count) / 5) - 1]!;
  return [atRank(1), atRank(2), atRank(3), atRank(4)];
};

/** The first UTC month, `YYYY-MM`, of a window of the current month and `months` before it. */
export const windowFromMonth = (asOfMs: number, months: number): string => {
  const asOf = new Date(asOfMs);
  return new Date(Date.UTC(asOf.getUTCFullYear(), asOf.getUTCMonth() - months, 1)).toISOString().slice(0, 7);
};
