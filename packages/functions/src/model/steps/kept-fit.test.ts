import assert from "node:assert/strict";
import { test } from "node:test";
import { customerFeatures } from "@ebb/lake/batch/customer-features";
import { customerLabels } from "@ebb/lake/batch/customer-labels";
import { writeJson } from "@ebb/ports/json-objects";
import type { RunModelPorts } from "../run-model-ports.ts";
import type { RunPlan } from "../run-request.ts";
import { RunSteps } from "../run-steps.ts";
import { type WrittenTables, cutoffKey, keepWritten, nothingWritten } from "../written-tables.ts";
import { modelKeys } from "./fit.ts";
import { fitToKeep, rememberFit } from "./kept-fit.ts";
import { CURRENT_MODEL_KEY, type CurrentModel } from "./promote.ts";
import { memoryRun } from "../../../../../test/support/memory-run.ts";

const past = ["2026-02-02", "2025-11-03"];
const written: WrittenTables = {
  ...nothingWritten,
  version: 4,
  cutoffs: Object.fromEntries(
    past.flatMap((day) =>
      [customerFeatures, customerLabels].map((table) => [cutoffKey(table, day), { definition: "sql", version: 3 }]),
    ),
  ),
};
const fit = {
  kind: "trained",
  testCutoff: past[0]!,
  auc: { value: 0.8, low: 0.7, high: 0.9 },
  baselines: {},
  schemaHash: "schema",
} as const;
const planOf = (asOf: string): RunPlan => ({
  runId: asOf,
  asOf,
  horizonDays: 90,
  startedBy: "schedule",
  startedAtMs: 0,
});

/** The run of 2026-05-04 has fitted a model, and promoted it. */
const fitted = async () => {
  const { stored, objects, trail, ports: memory } = memoryRun();
  const ports = { ...memory, settings: { model: { margin: 0.3 } } } as unknown as RunModelPorts;
  const plan = planOf("2026-05-04");
  trail.set(plan.runId, { ...plan, state: "running", steps: [] });
  await keepWritten(ports, written);
  const keys = modelKeys(plan.runId);
  for (const key of [keys.card, keys.model]) await writeJson(objects, key, {});
  const current = { runId: plan.runId, asOf: plan.asOf, horizonDays: 90, schemaHash: "schema", key: keys.model };
  await writeJson(objects, CURRENT_MODEL_KEY, current satisfies CurrentModel);
  const steps = new RunSteps(plan, { step: (_name, work) => work(), waitFor: () => assert.fail() }, ports);
  const promotion = { promoted: true, because: "it is the first model", scoresBy: plan.runId };
  await rememberFit(steps, plan, ports, { past }, { fit, promotion });
  const kept = (next: Partial<RunPlan> = {}, cutoffs = past) =>
    fitToKeep({ ...planOf("2026-05-05"), ...next }, ports, { past: cutoffs });
  return { ports, stored, current, kept };
};

test("a model stays while its cutoffs and the rows at them do, and the run tells whose it is", async () => {
  const { kept } = await fitted();
  assert.deepEqual(await kept(), {
    fit: { ...fit, fittedBy: "2026-05-04" },
    promotion: {
      promoted: false,
      because: "nothing that the model of 2026-05-04 was fitted on has changed",
      scoresBy: "2026-05-04",
    },
  });
});

test("it is fitted again for another week, horizon, earlier day or settings, and when a run is told to write everything", async () => {
  const { kept, ports } = await fitted();
  assert.equal(await kept({}, ["2026-02-09", "2025-11-10"]), undefined);
  assert.equal(await kept({ horizonDays: 60 }), undefined);
  assert.equal(await kept({ runId: "2026-05-03", asOf: "2026-05-03" }), undefined);
  assert.equal(await kept({ whole: true }), undefined);
  Object.assign(ports.settings, { model: { margin: 0.2 } });
  assert.equal(await kept(), undefined);
});

test("it is fitted again when one of its partitions was written anew or somebody was erased", async () => {
  const { kept, ports } = await fitted();
  const key = cutoffKey(customerLabels, past[1]!);
  await keepWritten(ports, { ...written, cutoffs: { ...written.cutoffs, [key]: { definition: "sql", version: 5 } } });
  assert.equal(await kept(), undefined);
  await keepWritten(ports, { ...written, shrunkAt: 5 });
  assert.equal(await kept(), undefined);
  await keepWritten(ports, { ...written, version: 9, days: { "2026-05-04": 9 } });
  assert.notEqual(await kept(), undefined);
});

test("it is fitted again when another model has come into use since, or what was kept of it is gone", async () => {
  const { kept, ports, current, stored } = await fitted();
  await writeJson(ports.objects, CURRENT_MODEL_KEY, { ...current, runId: "2026-05-04-2" });
  assert.equal(await kept(), undefined);
  await writeJson(ports.objects, CURRENT_MODEL_KEY, current);
  assert.notEqual(await kept(), undefined);
  stored.delete(modelKeys("2026-05-04").card);
  assert.equal(await kept(), undefined);
});
