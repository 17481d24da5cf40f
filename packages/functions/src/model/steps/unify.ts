/** One customer of all sources: whose each key is, what happened under it, and what is known of products. */
import { dayOf } from "@ebb/lake/batch/literals";
import { toldTables } from "@ebb/lake/batch/told-tables";
import { unifiedTables } from "@ebb/lake/batch/unified-tables";
import type { RunModelPorts } from "../run-model-ports.ts";
import { type RunPlan, midnightOf } from "../run-request.ts";
import type { RunSteps } from "../run-steps.ts";
import { qualityExports } from "./quality-limits.ts";

/**
 * Tables of sources are as they are now, whatever day a run is of: what it finds there is of the day it began.
 * @returns the exports of `qualityExports`
 */
export const unify = async (
  steps: RunSteps,
  { startedAtMs }: Pick<RunPlan, "startedAtMs">,
  { settings, toldTables: find }: Pick<RunModelPorts, "settings" | "toldTables">,
): Promise<Readonly<Record<string, string>>> => {
  const told = await steps.step(
    "declared sources",
    async () => (await find?.()) ?? null,
    (found) => ({ "tables of products and profiles": found?.length ?? "unknown" }),
  );
  const cutoff = midnightOf(dayOf(startedAtMs));
  const known = { cutoff, documents: told === null ? {} : { told } };
  const parameters = { documents: { traits: settings.allowedTraits } };
  const { exports } = await steps.job("unify", {
    name: "unify",
    writes: unifiedTables.map((table) => ({ table, parameters: toldTables.includes(table) ? known : parameters })),
    exports: qualityExports,
  });
  return exports;
};
