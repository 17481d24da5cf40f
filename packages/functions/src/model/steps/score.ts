/** Scores every customer at the as-of date, in SQL, where the features are. */
import { ChurnModel } from "@ebb/core/churn/model";
import { churnScores } from "@ebb/lake/model/churn-scores";
import { readJson } from "@ebb/ports/json-objects";
import type { RunModelPorts } from "../run-model-ports.ts";
import { type RunPlan, midnightOf } from "../run-request.ts";
import type { RunSteps } from "../run-steps.ts";
import { modelKeys } from "./fit.ts";

/** @param scoresBy the run whose model scores */
export const scoreCustomers = async (
  steps: RunSteps,
  plan: RunPlan,
  ports: RunModelPorts,
  scoresBy: string,
): Promise<ChurnModel> => {
  const model = ChurnModel.parse(await readJson(ports.objects, modelKeys(scoresBy).model));
  await steps.job("score", {
    name: "score",
    writes: [{ table: churnScores, parameters: { cutoff: midnightOf(plan.asOf), documents: { model } } }],
  });
  return model;
};
