/**
 * RFM: recency, frequency, monetary value (Hughes 1994; scores by published cut points, so that equal values always
 * get equal scores). Scores change only by an event or by a new version of the cut points, never by the clock alone.
 */
import type { CustomerAggregate } from "./customers.ts";
import { netMinor } from "./customers.ts";
import { DAY_MS } from "./time.ts";

export type Score = 1 | 2 | 3 | 4 | 5;
export const scores: readonly Score[] = [1, 2, 3, 4, 5];
export type FourCuts = readonly [number, number, number, number];

export interface CutPoints {
  readonly version: string;
  /** Instants of the last order, epoch milliseconds, ascending: a later last order scores higher. */
  readonly recencyAtMs: FourCuts;
  /** Counted orders. */
  readonly frequency: FourCuts;
  /** Money, reporting minor units: net, unless `money` says otherwise. */
  readonly monetaryMinor: FourCuts;
  /** Absent: net. */
  readonly money?: "net" | "gross";
  /** First UTC month, `YYYY-MM`, whose orders count. Absent: the whole history. */
  readonly windowFromMonth?: string;
  /** The segment of each of the 125 cells, by `cellOf`. Absent: the default map. */
  readonly segments?: readonly string[];
}

/**
 * Cut points before the model stage has computed any: last order within 30, 90, 180 and 365 days of `asOfMs`;
 * 1, 2, 3, 4–5, 6+ orders; 50, 150, 400 and 1,000 of a currency with two decimals.
 */
export const defaultCutPoints = (asOfMs: number): CutPoints => ({
  version: `default-${new Date(asOfMs).toISOString().slice(0, 10)}`,
  recencyAtMs: [asOfMs - 365 * DAY_MS, asOfMs - 180 * DAY_MS, asOfMs - 90 * DAY_MS, asOfMs - 30 * DAY_MS],
  frequency: [1, 2, 3, 5],
  monetaryMinor: [5_000, 15_000, 40_000, 100_000],
});

/** 1 + the number of cut points below the value. */
export const scoreOf = (value: number, cuts: FourCuts): Score => {
  let score = 1;
  for (const cut of cuts) if (cut < value) score++;
  return score as Score;
};

export const segmentNames = [
  "Champions",
  "Loyal",
  "Potential Loyalists",
  "New",
  "Promising",
  "Need Attention",
  "About To Sleep",
  "At Risk",
  "Can't Lose",
  "Hibernating",
  "Lost",
] as const;
export const NO_PURCHASE = "No purchase";
export type Segment = (typeof segmentNames)[number];

type FiveSegments = [Segment, Segment, Segment, Segment, Segment];

/**
 * Segment by recency score (rows, 1 to 5) and by the rounded mean of frequency and monetary score (columns, 1 to 5).
 * Every one of the 125 cells falls on exactly one of these 25 fields: the map is total and disjoint by its form.
 * The names are those in wide use (Putler, Optimove, CleverTap); where their areas overlap or leave gaps, this is the map.
 */
export const defaultSegmentGrid: Record<Score, FiveSegments> = {
  5: ["New", "Potential Loyalists", "Potential Loyalists", "Loyal", "Champions"],
  4: ["Promising", "Potential Loyalists", "Potential Loyalists", "Loyal", "Champions"],
  3: ["About To Sleep", "About To Sleep", "Need Attention", "Loyal", "Loyal"],
  2: ["Hibernating", "Hibernating", "At Risk", "At Risk", "Can't Lose"],
  1: ["Lost", "Lost", "Hibernating", "At Risk", "Can't Lose"],
};

/** By the default map. */
export const segmentOf = (recency: Score, frequency: Score, monetary: Score): Segment =>
  defaultSegmentGrid[recency][Math.round((frequency + monetary) / 2) - 1]!;

export const SEGMENT_CELLS = 125;
/** Number of a cell, 0 to 124. */
export const cellOf = (recency: Score, frequency: Score, monetary: Score): number =>
  (recency - 1) * 25 + (frequency - 1) * 5 + (monetary - 1);

export interface RfmScores {
  readonly recency: Score;
  readonly frequency: Score;
  readonly monetary: Score;
  /** One of `segmentNames`, or of the team's own. */
  readonly segment: string;
  readonly cutPointsVersion: string;
}

type Sums = Pick<CustomerAggregate, "orders" | "grossMinor" | "refundMinor">;

/** The sums of the months that count. A refund counts in the month of its order, so the parts are whole orders. */
const sumsWithin = (
  customer: Sums & Partial<Pick<CustomerAggregate, "months">>,
  fromMonth: string | undefined,
): Sums => {
  if (fromMonth === undefined) return customer;
  if (customer.months === undefined) throw new RangeError("cut points with a window need the customer's months");
  const sums = { orders: 0, grossMinor: 0, refundMinor: 0 };
  for (const [month, bucket] of Object.entries(customer.months)) {
    if (month < fromMonth) continue;
    sums.orders += bucket.orders;
    sums.grossMinor += bucket.grossMinor;
    sums.refundMinor += bucket.refundMinor;
  }
  return sums;
};

/**
 * Scores of a customer; `undefined` where no order counts (segment `No purchase`). `months` are needed where the cut
 * points have a window. The last order needs no window: with an order inside, the last one is inside.
 */
export const scoresOf = (
  customer: Sums & Pick<CustomerAggregate, "lastOrderAtMs"> & Partial<Pick<CustomerAggregate, "months">>,
  cuts: CutPoints,
): RfmScores | undefined => {
  const sums = sumsWithin(customer, cuts.windowFromMonth);
  if (sums.orders === 0 || customer.lastOrderAtMs === undefined) return undefined;
  const recency = scoreOf(customer.lastOrderAtMs, cuts.recencyAtMs);
  const frequency = scoreOf(sums.orders, cuts.frequency);
  const monetary = scoreOf(cuts.money === "gross" ? sums.grossMinor : netMinor(sums), cuts.monetaryMinor);
  return {
    recency,
    frequency,
    monetary,
    segment: cuts.segments?.[cellOf(recency, frequency, monetary)] ?? segmentOf(recency, frequency, monetary),
    cutPointsVersion: cuts.version,
  };
};

/** Whole days from the last purchase to `asOfMs`, rounded down. A last order after `asOfMs` (clock skew) is 0 days. */
export const recencyDays = (lastOrderAtMs: number, asOfMs: number): number =>
  Math.max(0, Math.floor((asOfMs - lastOrderAtMs) / DAY_MS));
