/**
 * A model stays while nothing that it was fitted on has changed: the cutoffs of the past are the same from Monday to
 * Sunday, and the same rows give the same coefficients.
 */
import { schemaHashOf } from "@ebb/core/churn/model";
import { digest } from "@ebb/core/ids";
import { customerFeatures } from "@ebb/lake/batch/customer-features";
import { customerLabels } from "@ebb/lake/batch/customer-labels";
import { readJson, writeJson } from "@ebb/ports/json-objects";
import { z } from "zod";
import { modelFeatures } from "../model-features.ts";
import type { RunModelPorts } from "../run-model-ports.ts";
import type { RunPlan } from "../run-request.ts";
import type { RunSteps } from "../run-steps.ts";
import { cutoffKey, readWritten } from "../written-tables.ts";
import type { Cutoffs } from "./features.ts";
import { type Fit, modelKeys } from "./fit.ts";
import { CURRENT_MODEL_KEY, CurrentModel, type Promotion } from "./promote.ts";

const NEWEST_FIT_KEY = "models/newest-fit.json";

const NewestFit = z.object({
  runId: z.string(),
  /** Names what the model was fitted on. */
  fittedOn: z.string(),
  /** The run whose model scores since then. */
  scoresBy: z.string(),
  fit: z.custom<Extract<Fit, { kind: "trained" }>>((fit) => (fit as Partial<Fit> | undefined)?.kind === "trained"),
});

/** The partitions that a model is fitted on, as they were written, and how it is fitted. */
const fittedOn = async (
  { horizonDays }: Pick<RunPlan, "horizonDays">,
  { objects, settings }: Pick<RunModelPorts, "objects" | "settings">,
  { past }: Pick<Cutoffs, "past">,
): Promise<string> => {
  const { cutoffs, shrunkAt } = await readWritten({ objects });
  const partitions = past.map((day) =>
    [customerFeatures, customerLabels].map((table) => cutoffs[cutoffKey(table, day)] ?? null),
  );
  const how = { horizonDays, schema: schemaHashOf(modelFeatures), settings: settings.model ?? {} };
  return digest(JSON.stringify({ past, partitions, shrunkAt, how }));
};

export interface Kept {
  readonly fit: Extract<Fit, { kind: "trained" }>;
  readonly promotion: Promotion;
}

/** The newest model and who scores, where both stay; undefined where a model is to be fitted. */
export const fitToKeep = async (
  plan: Pick<RunPlan, "runId" | "asOf" | "horizonDays" | "whole">,
  ports: Pick<RunModelPorts, "objects" | "settings">,
  cutoffs: Pick<Cutoffs, "past">,
): Promise<Kept | undefined> => {
  const newest = NewestFit.safeParse(await readJson(ports.objects, NEWEST_FIT_KEY));
  const current = CurrentModel.safeParse(await readJson(ports.objects, CURRENT_MODEL_KEY));
  if (!newest.success || !current.success || plan.whole === true) return undefined;
  const { runId, scoresBy, fit } = newest.data;
  // Another run may have promoted another model since, as of another day.
  if (runId === plan.runId || current.data.runId !== scoresBy || current.data.asOf > plan.asOf) return undefined;
  if (newest.data.fittedOn !== (await fittedOn(plan, ports, cutoffs))) return undefined;
  for (const key of [modelKeys(runId).card, modelKeys(scoresBy).model])
    if ((await readJson(ports.objects, key)) === undefined) return undefined;
  const because = `nothing that the model of ${runId} was fitted on has changed`;
  return { fit: { ...fit, fittedBy: runId }, promotion: { promoted: false, because, scoresBy } };
};

/** Notes down what the run's own model was fitted on, so that later runs keep it. */
export const rememberFit = async (
  steps: RunSteps,
  plan: RunPlan,
  ports: RunModelPorts,
  cutoffs: Pick<Cutoffs, "past">,
  { fit, promotion }: Kept,
): Promise<void> => {
  if (fit.fittedBy !== undefined) return;
  await steps.step("model to keep", async () => {
    await writeJson(ports.objects, NEWEST_FIT_KEY, {
      runId: plan.runId,
      fittedOn: await fittedOn(plan, ports, cutoffs),
      scoresBy: promotion.scoresBy,
      fit,
    });
    return true;
  });
};
