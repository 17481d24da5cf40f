import assert from "node:assert/strict";
import { test } from "node:test";
import type { ChurnModel } from "@ebb/core/churn/model";
import { plainModel } from "@ebb/lake/model/testing";
import { readJson, writeJson } from "@ebb/ports/json-objects";
import { featureNames } from "../model-features.ts";
import type { RunModelPorts } from "../run-model-ports.ts";
import type { RunPlan } from "../run-request.ts";
import { RunSteps } from "../run-steps.ts";
import { historyColumns } from "../sql/training-rows.ts";
import { modelKeys } from "./fit.ts";
import { CURRENT_MODEL_KEY, promote } from "./promote.ts";
import { memoryRun } from "../../../../../test/support/memory-run.ts";

/** A model of recency alone: who has been away for long leaves where `beta` is above zero. */
const modelOf = (runId: string, beta: number): ChurnModel => ({
  ...plainModel,
  modelId: runId,
  features: plainModel.features.filter(({ name }) => name === "recency_days"),
  intercept: 0,
  terms: plainModel.terms.filter(({ feature }) => feature === "recency_days").map((term) => ({ ...term, beta })),
  groups: plainModel.groups.filter(({ name }) => name === "recency"),
});

const CUSTOMERS = 400;
/** Who has been away for longer leaves more often, by a rule without chance. */
const recency = Float64Array.from({ length: CUSTOMERS }, (_, row) => (row * 37) % 200);
const churned = recency.map((days, row) => (days + ((row * 53) % 120) > 150 ? 1 : 0));
const columnOf = (name: string) => {
  if (name === "customer_key") return Array.from({ length: CUSTOMERS }, (_, row) => `cus_${row}`);
  if (name === "recency_days") return recency;
  if (name === "churned") return churned;
  if (historyColumns.includes(name as (typeof historyColumns)[number]) || name === "future_net_minor")
    return new Float64Array(CUSTOMERS);
  assert.ok(featureNames.includes(name));
  return new Float64Array(CUSTOMERS).fill(NaN);
};

const shop = () => {
  const { objects, trail, ports: memory } = memoryRun();
  const ports = {
    ...memory,
    runner: {
      readColumns: async (_key: string, names: readonly string[]) =>
        Object.fromEntries(names.map((name) => [name, columnOf(name)])),
    },
  } as unknown as RunModelPorts;
  const promoted = async (asOf: string, beta: number, more: { schemaHash?: string; horizonDays?: number } = {}) => {
    const plan: RunPlan = { runId: asOf, asOf, horizonDays: 90, startedBy: "command", startedAtMs: 0, ...more };
    trail.set(asOf, { ...plan, state: "running", steps: [] });
    await writeJson(objects, modelKeys(asOf).tested, modelOf(asOf, beta));
    const steps = new RunSteps(plan, { step: (_name, work) => work(), waitFor: () => assert.fail() }, ports);
    const auc = { value: 0.7, low: 0.6, high: 0.8 };
    const fit = {
      kind: "trained",
      testCutoff: "2025-04-07",
      auc,
      baselines: {},
      schemaHash: "schema",
      ...more,
    } as const;
    const promotion = await promote(steps, plan, ports, fit, { "rows-2025-04-07": "rows" });
    return { promotion, inUse: ((await readJson(objects, CURRENT_MODEL_KEY)) as { runId: string }).runId };
  };
  return { promoted };
};

test("a model that is worse on the newest window is refused, and the one in use scores", async () => {
  const { promoted } = shop();
  const first = await promoted("2025-07-07", 1);
  assert.deepEqual(
    [first.promotion.promoted, first.promotion.scoresBy, first.inUse],
    [true, "2025-07-07", "2025-07-07"],
  );

  const worse = await promoted("2025-07-08", -1);
  assert.deepEqual(
    [worse.promotion.promoted, worse.promotion.scoresBy, worse.inUse],
    [false, "2025-07-07", "2025-07-07"],
  );
  assert.match(worse.promotion.because, /worse than the model of 2025-07-07 on the window from 2025-04-07/);
  assert.ok(worse.promotion.aucGain! < -0.2);

  // Its refusal stands when the step is made again after a crash, and does not keep the next from coming into use.
  assert.deepEqual((await promoted("2025-07-08", -1)).promotion, worse.promotion);
  const alike = await promoted("2025-07-09", 2);
  assert.deepEqual([alike.promotion.promoted, alike.promotion.aucGain, alike.inUse], [true, 0, "2025-07-09"]);
});

test("an earlier day's model never takes the place of a later one's; another horizon or other features are not compared", async () => {
  const { promoted } = shop();
  await promoted("2025-07-07", 1);
  const earlier = await promoted("2025-06-02", 1);
  assert.deepEqual(
    [earlier.promotion.promoted, earlier.promotion.scoresBy, earlier.inUse],
    [false, "2025-06-02", "2025-07-07"],
  );
  for (const [day, more] of [
    ["2025-07-08", { horizonDays: 60 }],
    ["2025-07-09", { horizonDays: 60, schemaHash: "other" }],
  ] as const) {
    const { promotion, inUse } = await promoted(day, -1, more);
    assert.deepEqual([promotion.promoted, promotion.aucGain, inUse], [true, undefined, day]);
  }
});
