/**
 * Which model scores: the new one, unless it is worse than the one in use on the newest window whose labels are known.
 * Both are judged there as tested, before they have seen it.
 */
import { evaluated } from "@ebb/core/churn/evaluation";
import { probabilitiesOf } from "@ebb/core/churn/fit-model";
import { ChurnModel } from "@ebb/core/churn/model";
import { readJson, writeJson } from "@ebb/ports/json-objects";
import { z } from "zod";
import type { RunModelPorts } from "../run-model-ports.ts";
import type { RunPlan } from "../run-request.ts";
import type { Figures, RunSteps } from "../run-steps.ts";
import { type Fit, modelKeys, readSlice } from "./fit.ts";

export const CURRENT_MODEL_KEY = "models/current.json";

export const CurrentModel = z.object({
  runId: z.string(),
  asOf: z.string(),
  horizonDays: z.int(),
  schemaHash: z.string(),
  key: z.string(),
});
/** `models/current.json`: which run's model scores. */
export type CurrentModel = z.infer<typeof CurrentModel>;

const Promotion = z.object({
  promoted: z.boolean(),
  because: z.string(),
  /** The run whose model scores. */
  scoresBy: z.string(),
  /** AUC of the new model minus that of the one in use, on the same customers; absent where they were not compared. */
  aucGain: z.number().exactOptional(),
});
export type Promotion = z.infer<typeof Promotion>;

export const promotionKey = (runId: string): string => `models/${runId}/promotion.json`;

const REPLICATES = 200;
const SEED = 7;

export const promote = async (
  steps: RunSteps,
  plan: RunPlan,
  ports: RunModelPorts,
  fit: Extract<Fit, { kind: "trained" }>,
  exports: Readonly<Record<string, string>>,
): Promise<Promotion> =>
  await steps.step(
    "promote",
    async () => {
      // Decided once: made again after a crash, the step would compare the model in use with itself.
      const kept = Promotion.safeParse(await readJson(ports.objects, promotionKey(plan.runId)));
      const promotion = kept.success ? kept.data : await decided(plan, ports, fit, exports);
      await writeJson(ports.objects, promotionKey(plan.runId), promotion);
      if (promotion.promoted)
        await writeJson(ports.objects, CURRENT_MODEL_KEY, {
          runId: plan.runId,
          asOf: plan.asOf,
          horizonDays: plan.horizonDays,
          schemaHash: fit.schemaHash,
          key: modelKeys(plan.runId).model,
        } satisfies CurrentModel);
      return promotion;
    },
    promotionFigures,
  );

export const promotionFigures = ({ promoted, because, scoresBy, aucGain }: Promotion): Figures => ({
  promoted: promoted ? "yes" : "no",
  because,
  "scored by the model of": scoresBy,
  ...(aucGain === undefined ? {} : { "AUC gained": aucGain }),
});

const decided = async (
  plan: RunPlan,
  ports: RunModelPorts,
  fit: Extract<Fit, { kind: "trained" }>,
  exports: Readonly<Record<string, string>>,
): Promise<Promotion> => {
  const own = (promoted: boolean, because: string): Promotion => ({ promoted, because, scoresBy: plan.runId });
  const stored = CurrentModel.safeParse(await readJson(ports.objects, CURRENT_MODEL_KEY));
  if (!stored.success) return own(true, "it is the first model");
  const inUse = stored.data;
  if (inUse.asOf > plan.asOf) return own(false, `the model in use is of a later day, ${inUse.asOf}`);
  if (inUse.horizonDays !== plan.horizonDays) return own(true, `the horizon was ${inUse.horizonDays} days`);
  if (inUse.schemaHash !== fit.schemaHash) return own(true, "the features have changed");
  const [before, now] = await Promise.all([testedModel(ports, inUse.runId), testedModel(ports, plan.runId)]);
  if (before === undefined || now === undefined) return own(true, "what was tested of the model in use is gone");

  const slice = await readSlice(ports, exports[`rows-${fit.testCutoff}`]!, fit.testCutoff, plan.horizonDays);
  const probabilities = [now, before].map((model) => probabilitiesOf(model, slice.columns, slice.labels.length));
  const [, incumbent] = evaluated(probabilities, slice.labels, slice.customers, {
    replicates: REPLICATES,
    seed: SEED,
  });
  const gain = incumbent!.aucBehindFirst;
  // Worse is what chance does not explain: the whole interval of the difference lies below zero.
  const worse = gain.high < 0;
  return {
    promoted: !worse,
    because: worse
      ? `it is worse than the model of ${inUse.runId} on the window from ${fit.testCutoff}`
      : `it is not worse than the model of ${inUse.runId}`,
    scoresBy: worse ? inUse.runId : plan.runId,
    aucGain: gain.value,
  };
};

const testedModel = async (ports: Pick<RunModelPorts, "objects">, runId: string): Promise<ChurnModel | undefined> => {
  const parsed = ChurnModel.safeParse(await readJson(ports.objects, modelKeys(runId).tested));
  return parsed.success ? parsed.data : undefined;
};
