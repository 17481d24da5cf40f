/**
 * RFM: recency, frequency, monetary value (Hughes 1994; scores by published cut points, so that equal values always
 * get equal scores). Scores change only by an event or by a new version of the cut points, never by the clock alone.
 */
import type { CustomerAggregate } from "./customers.ts";
import { netMinor } from "./customers.ts";

export type Score = 1 | 2 | 3 | 4 | 5;
type FourCuts = readonly [number, number, number, number];

export interface CutPoints {
  readonly version: string;
  /** Instants of the last order, epoch milliseconds, ascending: a later last order scores higher. */
  readonly recencyAtMs: FourCuts;
  /** Counted orders. */
  readonly frequency: FourCuts;
  /** Net money, reporting minor units. */
  readonly monetaryMinor: FourCuts;
}

const DAY_MS = 86_400_000;

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
export type Segment = (typeof segmentNames)[number] | typeof NO_PURCHASE;

/**
 * Segment by recency score (rows, 1 to 5) and by the rounded mean of frequency and monetary score (columns, 1 to 5).
 * Every one of the 125 cells falls on exactly one of these 25 fields: the map is total and disjoint by its form.
 * The names are those in wide use (Putler, Optimove, CleverTap); where their areas overlap or leave gaps, this is the map.
 */
const segmentGrid: Record<Score, readonly [Segment, Segment, Segment, Segment, Segment]> = {
  5: ["New", "Potential Loyalists", "Potential Loyalists", "Loyal", "Champions"],
  4: ["Promising", "Potential Loyalists", "Potential Loyalists", "Loyal", "Champions"],
  3: ["About To Sleep", "About To Sleep", "Need Attention", "Loyal", "Loyal"],
  2: ["Hibernating", "Hibernating", "At Risk", "At Risk", "Can't Lose"],
  1: ["Lost", "Lost", "Hibernating", "At Risk", "Can't Lose"],
};

export const segmentOf = (recency: Score, frequency: Score, monetary: Score): Segment =>
  segmentGrid[recency][Math.round((frequency + monetary) / 2) - 1]!;

export interface RfmScores {
  readonly recency: Score;
  readonly frequency: Score;
  readonly monetary: Score;
  readonly segment: Segment;
  readonly cutPointsVersion: string;
}

/** Scores of a customer; `undefined` where no order counts (segment `No purchase`). */
export const scoresOf = (
  customer: Pick<CustomerAggregate, "orders" | "lastOrderAtMs" | "grossMinor" | "refundMinor">,
  cuts: CutPoints,
): RfmScores | undefined => {
  if (customer.orders === 0 || customer.lastOrderAtMs === undefined) return undefined;
  const recency = scoreOf(customer.lastOrderAtMs, cuts.recencyAtMs);
  const frequency = scoreOf(customer.orders, cuts.frequency);
  const monetary = scoreOf(netMinor(customer), cuts.monetaryMinor);
  return {
    recency,
    frequency,
    monetary,
    segment: segmentOf(recency, frequency, monetary),
    cutPointsVersion: cuts.version,
  };
};

/** Whole days from the last purchase to `asOfMs`, rounded down. A last order after `asOfMs` (clock skew) is 0 days. */
export const recencyDays = (lastOrderAtMs: number, asOfMs: number): number =>
  Math.max(0, Math.floor((asOfMs - lastOrderAtMs) / DAY_MS));
