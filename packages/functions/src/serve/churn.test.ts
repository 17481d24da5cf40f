import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { ObjectNotFound } from "@ebb/ports";
import { customerScores } from "@ebb/lake/model/customer-scores";
import type { HttpHandler } from "../runtime/http.ts";
import { CURRENT_MODEL_KEY } from "../model/steps/promote.ts";
import { modelKeys } from "../model/steps/fit.ts";
import { type MartLake, ask, filled, martLake } from "../../../../test/support/mart-lake.ts";
import { make } from "./churn.ts";
import { make as makeModel } from "./model.ts";

const AS_OF = "2026-06-01";
const CONTACT_COST_MINOR = 150;
const SAVE_RATE = 0.2;

/** 97 who are scored, probabilities at the edges of bins included, and some without a probability. */
const customers = Array.from({ length: 107 }, (_, at) => ({
  customer_key: `cus_${at}`,
  segment: "Loyal",
  churn_probability: at >= 97 ? null : at === 96 ? 1 : ((at * 37) % 100) / 100,
  churn_decile: at >= 97 ? null : 1 + (at % 10),
  expected_loss_minor: at >= 97 ? null : (at * 7_919) % 10_000,
  driver_1: at >= 97 ? null : `feature_${at % 4}`,
  driver_1_log_odds: at >= 97 ? null : at % 5 === 0 ? -0.3 : 0.4,
  driver_1_words: at >= 97 ? null : `words of ${at % 4}`,
  cutoff: AS_OF,
}));
const scored = customers.filter((one) => one.churn_probability !== null);
const total = <T>(rows: readonly T[], of: (row: T) => number): number => rows.reduce((sum, row) => sum + of(row), 0);

const card = {
  protocol: { horizonDays: 90 },
  model: { threshold: 0.42 },
  threshold: { economics: { contactCostMinor: CONTACT_COST_MINOR, saveRate: SAVE_RATE } },
};
const documents: Record<string, unknown> = {
  [CURRENT_MODEL_KEY]: { runId: "run-of-the-model", asOf: "2026-05-31" },
  [modelKeys("run-of-the-model").card]: card,
};
const objects = (of: Record<string, unknown>) => ({
  get: (key: string) => {
    if (of[key] === undefined) return Promise.reject(new ObjectNotFound(key));
    return Promise.resolve(bytesOf(of[key]));
  },
});
async function* bytesOf(value: unknown): AsyncGenerator<Uint8Array> {
  yield Buffer.from(JSON.stringify(value));
}

let lake: MartLake;
let handler: HttpHandler;
before(async () => {
  lake = await martLake(AS_OF, [filled(customerScores, customers)]);
  handler = make({ ...lake.ports, objects: objects(documents) } as unknown as Parameters<typeof make>[0]);
});
after(() => lake.close());

test("the distribution has every scored customer in one of twenty bins, and certainty in the last", async () => {
  const { status, body } = await ask(handler, "/v1/churn");
  assert.equal(status, 200);
  const distribution = body["distribution"] as { from: number; to: number; customers: number }[];
  assert.deepEqual(
    distribution.map(({ customers: counted }) => counted),
    Array.from(
      { length: 20 },
      // In hundredths, where a bin's edge is a whole number.
      (_, bin) =>
        scored.filter(({ churn_probability: p }) => Math.min(19, Math.floor(Math.round(p! * 100) / 5)) === bin).length,
    ),
  );
  assert.deepEqual([body["customers"], body["horizon_days"], body["threshold"]], [97, 90, 0.42]);
  assert.equal(
    body["expected_loss_minor"],
    total(scored, (one) => one.expected_loss_minor!),
  );
  assert.equal(
    (body["mean_probability"] as number).toFixed(9),
    (total(scored, (one) => one.churn_probability!) / 97).toFixed(9),
  );
});

test("deciles and reasons are those of a loop over the customers; what speaks against leaving is no reason", async () => {
  const { body } = await ask(handler, "/v1/churn");
  const deciles = body["deciles"] as { decile: number; customers: number; expected_loss_minor: number }[];
  assert.deepEqual(
    deciles.map(({ decile, customers: counted, expected_loss_minor: loss }) => [decile, counted, loss]),
    Array.from({ length: 10 }, (_, at) => {
      const rows = scored.filter((one) => one.churn_decile === at + 1);
      return [at + 1, rows.length, total(rows, (one) => one.expected_loss_minor!)];
    }),
  );
  const reasons = Map.groupBy(
    scored.filter((one) => one.driver_1_log_odds! > 0),
    (one) => one.driver_1!,
  );
  assert.deepEqual(
    body["drivers"],
    Array.from(reasons, ([feature, rows]) => ({
      feature,
      words: rows[0]!.driver_1_words,
      customers: rows.length,
    })).sort((a, b) => b.customers - a.customers || (a.feature < b.feature ? -1 : 1)),
  );
});

test("a threshold tells what contacting everybody at or above it would do", async () => {
  const { body } = await ask(handler, "/v1/churn");
  const thresholds = body["thresholds"] as Record<string, number>[];
  assert.equal(thresholds.length, 50);
  for (const point of thresholds) {
    const rows = scored.filter(
      (one) => Math.round(one.churn_probability! * 100) >= Math.round(point["threshold"]! * 100),
    );
    assert.equal(point["customers"], rows.length, String(point["threshold"]));
    assert.ok(Math.abs(point["expected_saves"]! - SAVE_RATE * total(rows, (one) => one.churn_probability!)) < 1e-9);
    assert.equal(point["cost_minor"], rows.length * CONTACT_COST_MINOR);
    assert.equal(
      point["expected_profit_minor"],
      Math.round(SAVE_RATE * total(rows, (one) => one.expected_loss_minor!)) - rows.length * CONTACT_COST_MINOR,
    );
  }
});

test("without a model the answer says where to look", async () => {
  const none = make({ ...lake.ports, objects: objects({}) } as unknown as Parameters<typeof make>[0]);
  const { status, body } = await ask(none, "/v1/churn");
  assert.deepEqual([status, body["type"]], [404, "urn:ebb:problem:not_found"]);
  assert.match(String(body["detail"]), /\/v1\/runs/);
});

test("GET /v1/models/current is the whole card, of which run and day; 404 before there is one", async () => {
  const model = (of: Record<string, unknown>) =>
    makeModel({ ...lake.ports, objects: objects(of) } as unknown as Parameters<typeof makeModel>[0]);
  const { status, body } = await ask(model(documents), "/v1/models/current");
  assert.equal(status, 200);
  assert.deepEqual(body, { run_id: "run-of-the-model", as_of: "2026-05-31T00:00:00.000Z", currency: "EUR", card });
  assert.equal((await ask(model({}), "/v1/models/current")).status, 404);
});
