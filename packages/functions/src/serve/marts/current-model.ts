import type { ModelCard } from "@ebb/core/churn/model-card";
import type { Ports } from "@ebb/ports";
import { readJson } from "@ebb/ports/json-objects";
import { z } from "zod";
import { modelKeys } from "../../model/steps/fit.ts";
import { CURRENT_MODEL_KEY } from "../../model/steps/promote.ts";

/** As much of `models/current.json` as an answer needs. */
const Current = z.object({ runId: z.string(), asOf: z.string() });

/** The card of the model that scores, and of which run it is; `undefined` before there is one. */
export const currentCard = async (
  objects: Pick<Ports["objects"], "get">,
): Promise<{ readonly runId: string; readonly asOf: string; readonly card: ModelCard } | undefined> => {
  const current = Current.safeParse(await readJson(objects, CURRENT_MODEL_KEY));
  if (!current.success) return undefined;
  // Our own document: its form is that of the type, which a run wrote.
  const card = await readJson<ModelCard>(objects, modelKeys(current.data.runId).card);
  return card === undefined ? undefined : { ...current.data, card };
};
