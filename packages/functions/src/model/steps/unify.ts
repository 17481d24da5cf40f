/** One customer of all sources: whose each key is, what happened under it, and what is known of products. */
import { unifiedTables } from "@ebb/lake/batch/unified-tables";
import type { RunModelPorts } from "../run-model-ports.ts";
import type { RunSteps } from "../run-steps.ts";

export const unify = async (steps: RunSteps, { settings }: Pick<RunModelPorts, "settings">): Promise<void> => {
  const parameters = { documents: { traits: settings.allowedTraits } };
  await steps.job("unify", { name: "unify", writes: unifiedTables.map((table) => ({ table, parameters })) });
};
