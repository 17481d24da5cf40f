/** What is asked of a run, and the days that follow from it. */
import type { Run, RunStore, Settings } from "@ebb/ports";
import { dayOf } from "@ebb/lake/batch/literals";
import { DAY_MS } from "@ebb/core/time";
import { z } from "zod";

const DEFAULT_HORIZON_DAYS = 90;

/** Days without an order that count as leaving, where a run is not asked for others. */
export const horizonOf = (settings: Pick<Settings, "model">): number =>
  settings.model?.horizonDays ?? DEFAULT_HORIZON_DAYS;

/** The event that starts a run. A schedule sends an empty one. */
export const RunRequest = z.object({
  /** Nothing from this day's midnight (UTC) on is known to the run; today where absent. */
  asOf: z.iso.date().optional(),
  /** Days without an order that count as leaving. */
  horizonDays: z.int().min(7).max(730).optional(),
  startedBy: z.enum(["schedule", "command", "api"]).default("schedule"),
  /** Everything is written anew, also what nothing that arrived since the last run has touched. */
  whole: z.boolean().optional(),
  /** Given where the run has begun already and goes on; otherwise the first free one of the day. */
  runId: z.string().optional(),
});
export type RunRequest = z.infer<typeof RunRequest>;

/** What a run is about, settled once at its begin. */
export interface RunPlan {
  readonly runId: string;
  readonly asOf: string;
  readonly horizonDays: number;
  readonly startedBy: Run["startedBy"];
  readonly startedAtMs: number;
  /** Nothing that an earlier run wrote is kept. */
  readonly whole?: boolean;
}

/** Another run is under way. */
export class RunInProgress extends Error {
  override readonly name = "RunInProgress";
}

/** The instant at which a day begins, RFC 3339. */
export const midnightOf = (day: string): string => `${day}T00:00:00.000Z`;

export const daysBefore = (day: string, days: number): string => dayOf(Date.parse(day) - days * DAY_MS);

/** The first id of the day that no run has. */
export const freeRunId = async (runs: Pick<RunStore, "get">, asOf: string): Promise<string> => {
  for (let count = 1; ; count++) {
    const runId = count === 1 ? asOf : `${asOf}-${count}`;
    if ((await runs.get(runId)) === undefined) return runId;
  }
};

/** Fits and tests are made again with the first run of a week; between them the cutoffs of the past stay the same. */
const ANCHOR_DAYS = 7;
/** 1970-01-05 was a Monday. */
const MONDAY_MS = 4 * DAY_MS;
/** Slices for training at most: with one for calibration and one for the test, and a quarter as the horizon, a year and a half. */
const TRAIN_CUTOFFS = 4;
/** History that the oldest cutoff must have before it. */
const LEAST_HISTORY_DAYS = 60;

/**
 * The cutoffs in the past whose labels are known at `asOf`, newest first: one horizon apart, so that no label window
 * reaches into the next, back to where the history begins.
 */
export const pastCutoffs = (asOf: string, horizonDays: number, historyFrom: string): string[] => {
  const newestMs = Date.parse(asOf) - horizonDays * DAY_MS;
  const anchoredMs =
    newestMs - (((((newestMs - MONDAY_MS) / DAY_MS) % ANCHOR_DAYS) + ANCHOR_DAYS) % ANCHOR_DAYS) * DAY_MS;
  const oldestMs = Date.parse(historyFrom) + LEAST_HISTORY_DAYS * DAY_MS;
  const cutoffs: string[] = [];
  for (let atMs = anchoredMs; atMs >= oldestMs && cutoffs.length < TRAIN_CUTOFFS + 2; atMs -= horizonDays * DAY_MS)
    cutoffs.push(dayOf(atMs));
  return cutoffs;
};
