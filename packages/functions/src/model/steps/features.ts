/** Features of every customer at the as-of date and at the cutoffs of the past, and what became of them after those. */
import type { BatchTable } from "@ebb/lake/batch-table";
import { customerFeatures } from "@ebb/lake/batch/customer-features";
import { customerLabels } from "@ebb/lake/batch/customer-labels";
import type { RunModelPorts } from "../run-model-ports.ts";
import { type RunPlan, daysBefore, midnightOf, pastCutoffs } from "../run-request.ts";
import type { RunSteps } from "../run-steps.ts";
import { cutoffKey, definitionOf, keepWritten, readWritten, stands } from "../written-tables.ts";
import type { History } from "./curate.ts";

export interface Cutoffs {
  /** UTC days, newest first; the first is the as-of date itself. */
  readonly asOf: string;
  readonly past: readonly string[];
  /** Days whose partitions this run has written. */
  readonly written: ToWrite;
}

/** Days whose partitions are written; the others stand as they would be written. */
export interface ToWrite {
  readonly features: readonly string[];
  readonly labels: readonly string[];
}

export const makeFeatures = async (
  steps: RunSteps,
  plan: RunPlan,
  ports: RunModelPorts,
  history: History,
): Promise<Cutoffs> => {
  const { asOf, horizonDays } = plan;
  const past = pastCutoffs(asOf, horizonDays, history.firstDay);
  const at = (day: string) => ({ cutoff: midnightOf(day), horizonDays });
  const keysOf = ({ features, labels }: ToWrite): [key: string, definition: string][] => [
    ...features.map((day) => keyed(customerFeatures, day)),
    ...labels.map((day) => keyed(customerLabels, day)),
  ];
  const keyed = (table: BatchTable, day: string): [string, string] => [
    cutoffKey(table, day),
    definitionOf(table, at(day)),
  ];
  const toWrite = await steps.step(
    "cutoffs to write",
    async (): Promise<ToWrite> => {
      const written = await readWritten(ports);
      const missing = await ports.runner.unwritten([customerFeatures.name, customerLabels.name]);
      const kept = (table: BatchTable, day: string, knownUntil: string): boolean =>
        !missing.includes(table.name) && stands(written, ...keyed(table, day), knownUntil);
      const toWrite = {
        features: [asOf, ...past.filter((day) => !kept(customerFeatures, day, day))],
        labels: past.filter((day) => !kept(customerLabels, day, daysBefore(day, -horizonDays))),
      };
      const taken = new Set(keysOf(toWrite).map(([key]) => key));
      await keepWritten(ports, {
        ...written,
        cutoffs: Object.fromEntries(Object.entries(written.cutoffs).filter(([key]) => !taken.has(key))),
      });
      return toWrite;
    },
    ({ features, labels }) => ({ features: features.length, labels: labels.length, past: past.length }),
  );
  await steps.job("features", {
    name: "features",
    writes: toWrite.features.map((day) => ({ table: customerFeatures, parameters: at(day) })),
  });
  if (toWrite.labels.length > 0)
    await steps.job("labels", {
      name: "labels",
      writes: toWrite.labels.map((day) => ({ table: customerLabels, parameters: at(day) })),
    });
  await steps.step("cutoffs written", async () => {
    const written = await readWritten(ports);
    const cutoffs = { ...written.cutoffs };
    for (const [key, definition] of keysOf(toWrite)) cutoffs[key] = { definition, version: history.curatedVersion };
    await keepWritten(ports, { ...written, cutoffs });
    return true;
  });
  return { asOf, past, written: toWrite };
};
