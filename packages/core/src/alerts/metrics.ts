/** The three series that are watched, from the daily sales and social marts, and their alerts in words. */
import { type Bucket, type Grain, type Judgement, judgeSeries } from "./seasonal.ts";

export const watchedMetrics = ["revenue", "orders", "social volume"] as const;
export type WatchedMetric = (typeof watchedMetrics)[number];

export interface Alert {
  readonly metric: WatchedMetric;
  readonly startMs: number;
  readonly side: "high" | "low";
  readonly value: number;
  readonly expected: number;
  readonly low: number;
  readonly high: number;
  readonly z: number;
}

/** A series as the marts have it: buckets without an event are left out. */
export interface SparseSeries {
  readonly metric: WatchedMetric;
  readonly buckets: readonly Bucket[];
}

const HOUR_MS = 3_600_000;

export interface Watch {
  readonly grain: Grain;
  /** First and last bucket that are complete, starts in epoch milliseconds: all between are there, empty ones as 0. */
  readonly firstMs: number;
  readonly lastMs: number;
  /** Starts of buckets not to judge or learn from: holidays, sales, known outages. */
  readonly holidays?: ReadonlySet<number>;
}

/** The series from the first to the last bucket, gaps filled with 0, holidays masked, what comes later left out. */
export const filledSeries = (buckets: readonly Bucket[], { grain, firstMs, lastMs, holidays }: Watch): Bucket[] => {
  const length = grain === "hour" ? HOUR_MS : 24 * HOUR_MS;
  const known = new Map(buckets.map((bucket) => [bucket.startMs, bucket]));
  const filled: Bucket[] = [];
  for (let startMs = firstMs; startMs <= lastMs; startMs += length) {
    const bucket = known.get(startMs) ?? { startMs, value: 0, events: 0 };
    filled.push(holidays?.has(startMs) === true ? { ...bucket, masked: true } : bucket);
  }
  return filled;
};

/** The confirmed alerts of each metric, oldest first. */
export const alertsOf = (series: readonly SparseSeries[], watch: Watch): Alert[] =>
  series
    .flatMap(({ metric, buckets }) =>
      judgeSeries(filledSeries(buckets, watch), { grain: watch.grain }).flatMap((judgement) =>
        isAlert(judgement) ? [{ metric, ...judgement, side: judgement.verdict }] : [],
      ),
    )
    .map(({ metric, startMs, side, value, expected, low, high, z }) => ({
      metric,
      startMs,
      side,
      value,
      expected,
      low,
      high,
      z,
    }))
    .sort((one, other) => one.startMs - other.startMs);

type JudgedAlert = Required<Judgement> & { readonly verdict: "high" | "low" };
const isAlert = (judgement: Judgement): judgement is JudgedAlert =>
  judgement.verdict === "high" || judgement.verdict === "low";
