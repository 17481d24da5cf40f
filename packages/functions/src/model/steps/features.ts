/** Features of every customer at the as-of date and at the cutoffs of the past, and what became of them after those. */
import { customerFeatures } from "@ebb/lake/batch/customer-features";
import { customerLabels } from "@ebb/lake/batch/customer-labels";
import { type RunPlan, midnightOf, pastCutoffs } from "../run-request.ts";
import type { RunSteps } from "../run-steps.ts";
import type { History } from "./curate.ts";

export interface Cutoffs {
  /** UTC days, newest first; the first is the as-of date itself. */
  readonly asOf: string;
  readonly past: readonly string[];
}

export const makeFeatures = async (steps: RunSteps, plan: RunPlan, history: History): Promise<Cutoffs> => {
  const { horizonDays } = plan;
  const past = pastCutoffs(plan.asOf, horizonDays, history.firstDay);
  const at = (day: string) => ({ cutoff: midnightOf(day), horizonDays });
  await steps.job("features", {
    name: "features",
    writes: [plan.asOf, ...past].map((day) => ({ table: customerFeatures, parameters: at(day) })),
  });
  await steps.job("labels", {
    name: "labels",
    writes: past.map((day) => ({ table: customerLabels, parameters: at(day) })),
  });
  return { asOf: plan.asOf, past };
};
