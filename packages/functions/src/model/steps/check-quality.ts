/** Gates: what must be right before anybody is told who is leaving. */
import { DAY_MS } from "@ebb/core/time";
import { type RunPlan, midnightOf } from "../run-request.ts";
import { featureQuality, sourceFreshness } from "@ebb/lake/batch/quality";
import type { RunSteps, StartedJob } from "../run-steps.ts";
import type { History } from "./curate.ts";

export interface Quality {
  /** Set: RFM, segments and marts come out, churn does not. */
  readonly noModelBecause?: string;
}

/** A pause in a source that has been longer than any before it by this factor, and than the days below, is no pause. */
const SILENCE_FACTOR = 2;
const SILENCE_DAYS = 7;

/** Starts the tables that tell of the quality of features and of sources; no other table is made of them. */
export const beginQualityTables = async (steps: RunSteps, plan: Pick<RunPlan, "asOf">): Promise<StartedJob> => {
  const parameters = { cutoff: midnightOf(plan.asOf) };
  return await steps.begin("data quality", {
    name: "data-quality",
    writes: [
      { table: featureQuality, parameters },
      { table: sourceFreshness, parameters },
    ],
  });
};

/** @param unfit what a limit of quality says against a model, a sentence each */
export const checkQuality = async (
  steps: RunSteps,
  plan: Pick<RunPlan, "asOf">,
  history: History,
  unfit: readonly string[] = [],
): Promise<Quality> =>
  await steps.step(
    "gates",
    async () => {
      const reasons = [...silentSources(history, plan.asOf), ...unfit];
      return reasons.length === 0 ? {} : { noModelBecause: reasons.join(" ") };
    },
    ({ noModelBecause }) => (noModelBecause === undefined ? {} : { "no model": noModelBecause }),
  );

/** Sources of orders that have stopped, a sentence each: to a model all their customers would have left. */
export const silentSources = ({ sources }: Pick<History, "sources">, asOf: string): string[] =>
  sources.flatMap(({ source, lastDay, longestGapDays }) => {
    const silentDays = Math.round((Date.parse(asOf) - Date.parse(lastDay)) / DAY_MS) - 1;
    return silentDays > Math.max(SILENCE_DAYS, SILENCE_FACTOR * longestGapDays)
      ? [
          `The source ${source} went silent: its last order is of ${lastDay}, ${silentDays} days before ${asOf}; ` +
            `its longest pause until then was ${longestGapDays} days. An earlier as-of date (ebb run --as-of) would fit it.`,
        ]
      : [];
  });
