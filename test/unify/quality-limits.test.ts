/** A limit of data quality that a team has set ends a run before anything is made of the data, or its model alone. */
import assert from "node:assert/strict";
import test from "node:test";
import type { QualityLimit } from "@ebb/core/quality-limits";
import { StepFailed } from "@ebb/functions/model/run-steps";
import { checkQuality } from "@ebb/functions/model/steps/check-quality";
import { curate } from "@ebb/functions/model/steps/curate";
import { checkLimits } from "@ebb/functions/model/steps/quality-limits";
import { unify } from "@ebb/functions/model/steps/unify";
import { makeFeatures } from "@ebb/functions/model/steps/features";
import { makeHistory } from "@ebb/lake/batch/history";
import { DAY_MS } from "@ebb/core/time";
import { smallLake } from "../model/small-lake.ts";

const ARRIVED_MS = Date.UTC(2024, 2, 1);

test("a limit stops a run, or its model, with the place and the count; without one it goes on", async (context) => {
  const lake = await smallLake(context);
  await lake.land(makeHistory({ seed: 11, customers: 40 }), ARRIVED_MS);
  const { steps, plan } = await lake.begin({ asOf: "2024-02-01", startedAtMs: ARRIVED_MS + DAY_MS });
  const history = await curate(steps, plan, lake.ports);
  const exports = await unify(steps, plan, lake.ports);
  let runs = 0;
  const judge = async (...quality: QualityLimit[]): Promise<readonly string[]> => {
    const begun = await lake.begin({ asOf: "2024-02-01", startedAtMs: ARRIVED_MS + (2 + runs++) * DAY_MS });
    return await checkLimits(begun.steps, { ...lake.ports, settings: { ...lake.ports.settings, quality } }, exports);
  };
  assert.deepEqual(await judge(), []);

  const missing = { measure: "missing", table: "order_lines", column: "product_id", warn: 0, stop: 0.01 } as const;
  await assert.rejects(judge(missing), (error: Error) => {
    assert.ok(error instanceof StepFailed);
    assert.match(
      error.message,
      /reaches a limit of quality that stops a run\. shop, order_lines\.product_id: [\d,]+ of [\d,]+ rows have no value/,
    );
    return true;
  });
  const unfit = await judge({ ...missing, stops: "model" });
  assert.match(unfit.join(), /^shop, order_lines\.product_id: /);
  assert.deepEqual(await judge({ ...missing, source: "another" }), [], "a limit of another source");
  assert.deepEqual(
    await judge({ measure: "missing", stop: 0.001 }, { ...missing, stop: null }, { measure: "missing", stop: null }),
    [],
  );

  const goes = await lake.begin({ asOf: "2024-02-01", startedAtMs: ARRIVED_MS + 20 * DAY_MS });
  await makeFeatures(goes.steps, goes.plan, lake.ports, history);
  const { noModelBecause } = await checkQuality(goes.steps, goes.plan, history, unfit);
  for (const sentence of unfit) assert.ok(noModelBecause?.includes(sentence), noModelBecause);
  assert.deepEqual(await goes.figures("gates"), { "no model": noModelBecause });
});
