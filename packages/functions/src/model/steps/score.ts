/** Scores every customer at the as-of date, in SQL, where the features are. */
import { ChurnModel } from "@ebb/core/churn/model";
import { churnScores } from "@ebb/lake/model/churn-scores";
import { readJson } from "@ebb/ports/json-objects";
import type { RunModelPorts } from "../run-model-ports.ts";
import { type RunPlan, midnightOf } from "../run-request.ts";
import type { RunSteps, StartedJob } from "../run-steps.ts";
import { modelKeys } from "./fit.ts";

export interface Scoring {
  readonly model: ChurnModel;
  readonly table: StartedJob;
}

/** @param scoresBy the run whose model scores */
export const beginScoring = async (
  steps: RunSteps,
  plan: RunPlan,
  ports: RunModelPorts,
  scoresBy: string,
): Promise<Scoring> => {
  const model = ChurnModel.parse(await readJson(ports.objects, modelKeys(scoresBy).model));
  const table = await steps.begin("score", {
    name: "score",
    writes: [{ table: churnScores, parameters: { cutoff: midnightOf(plan.asOf), documents: { model } } }],
  });
  return { model, table };
};
