import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";
import { aggregateOf } from "@ebb/core/customers";
import { type CustomerKey, Pseudonymizer } from "@ebb/core/ids";
import type { OrderKey, OrderRecord } from "@ebb/core/orders";
import { defaultCutPoints } from "@ebb/core/rfm";
import type { CustomerScores } from "@ebb/ports";
import { EmbeddedCustomerStore } from "@ebb/ports/embedded/customer-store";
import { EmbeddedScoreStore } from "@ebb/ports/embedded/score-store";
import { send } from "../../../../test/support/http-event.ts";
import { READ_KEY, SECRET, WRITE_KEY, memoryPorts } from "../../../../test/support/memory-ports.ts";
import { make } from "./customer.ts";

const DAY_MS = 86_400_000;
const START_MS = Date.UTC(2026, 5, 1);
const key = new Pseudonymizer(SECRET).customer("ada");

let folder: string;
let customers: EmbeddedCustomerStore;
let scores: EmbeddedScoreStore;
beforeEach(async () => {
  folder = await mkdtemp(path.join(os.tmpdir(), "ebb-serve-"));
  customers = new EmbeddedCustomerStore(folder);
  scores = new EmbeddedScoreStore(folder);
});
afterEach(async () => {
  customers.close();
  scores.close();
  await rm(folder, { recursive: true });
});

const order = (id: string, totalMinor: number, occurredAtMs: number, refundMinor = 0): OrderRecord => ({
  key: `shop\u001f${id}` as OrderKey,
  snapshot: { rank: 2, version: 1, eventId: `evt_${id}`, totalMinor, occurredAtMs, cancelled: false },
  refunds:
    refundMinor === 0
      ? {}
      : { r: { rank: 2, version: 1, eventId: `evt_r${id}`, amountMinor: refundMinor, full: false, occurredAtMs } },
});
const store = async (customerKey: CustomerKey, orders: OrderRecord[]) => {
  const outcomes = await customers.write([{ customer: aggregateOf(customerKey, orders, 1), orders }]);
  assert.equal(outcomes.get(customerKey), "written");
};
const get = async (id: string, nowMs = START_MS, presented = READ_KEY) => {
  const ports = memoryPorts({ nowMs: START_MS });
  const handler = make({ ...ports, customers, scores });
  ports.at(nowMs);
  return send(handler, `/v1/customers/${id}`, "", {
    method: "GET",
    pathParameters: { id },
    headers: { authorization: `Bearer ${presented}` },
  });
};

describe("GET /v1/customers/{id}", () => {
  it("answers by the producer's id and by customer key, money in minor units of the reporting currency", async () => {
    const [first, last] = [START_MS - 100 * DAY_MS, START_MS - 10 * DAY_MS];
    await store(key, [order("1", 10_000, first), order("2", 5_000, last, 2_000)]);
    const { status, body } = await get("ada");
    assert.equal(status, 200);
    assert.deepEqual(body, {
      customer_key: key,
      currency: "EUR",
      orders: 2,
      gross_minor: 15_000,
      refunds_minor: 2_000,
      net_minor: 13_000,
      first_order_at: new Date(first).toISOString(),
      last_order_at: new Date(last).toISOString(),
      recency_days: 10,
      segment: "Potential Loyalists",
      scores: { recency: 5, frequency: 2, monetary: 2 },
      cut_points_version: "default-2026-06-01",
      months: [
        { month: "2026-02", orders: 1, gross_minor: 10_000, refunds_minor: 0 },
        { month: "2026-05", orders: 1, gross_minor: 5_000, refunds_minor: 2_000 },
      ],
      version: 1,
    });
    assert.deepEqual((await get(key)).body, body);
  });

  it("computes recency at the time of the request; scores do not change by the clock", async () => {
    await store(key, [order("1", 10_000, START_MS - DAY_MS)]);
    const before = (await get("ada")).body as Record<string, unknown>;
    const later = (await get("ada", START_MS + 400 * DAY_MS)).body as Record<string, unknown>;
    assert.deepEqual([before["recency_days"], later["recency_days"]], [1, 401]);
    assert.deepEqual([later["scores"], later["segment"]], [before["scores"], before["segment"]]);
  });

  it("scores by the published cut points", async () => {
    await store(key, [order("1", 10_000, START_MS)]);
    await customers.publishCutPoints({ ...defaultCutPoints(START_MS), version: "run-7", frequency: [0, 0, 0, 0] });
    const body = (await get("ada")).body as unknown as { scores: { frequency: number }; cut_points_version: string };
    assert.deepEqual([body.scores.frequency, body.cut_points_version], [5, "run-7"]);
  });

  it("has no scores, no dates and the segment No purchase where no order counts", async () => {
    await store(key, [order("1", 10_000, START_MS, 10_000)]);
    const body = (await get("ada")).body as Record<string, unknown>;
    assert.equal(body["segment"], "No purchase");
    for (const absent of ["scores", "first_order_at", "last_order_at", "recency_days"]) assert.ok(!(absent in body));
  });

  it("tells what the last run said: churn with its drivers in words, value and cluster, each as of its date", async () => {
    await store(key, [order("1", 10_000, START_MS)]);
    assert.ok(!("churn" in ((await get("ada")).body as object)));
    const said: CustomerScores = {
      customerKey: key,
      runId: "2026-06-01-2",
      asOf: "2026-06-01T00:00:00.000Z",
      segment: "New",
      cluster: "Recent, rare, low spend",
      churnProbability: 0.75,
      churnDecile: 2,
      drivers: [
        { feature: "recency", logOdds: Math.log(2), inWords: "has not ordered for a long time" },
        { feature: "rhythm", logOdds: -Math.log(4), inWords: "orders at short intervals" },
      ],
      horizonDays: 90,
      expectedValueMinor: 4_200,
      probabilityActive: 0.5,
    };
    await scores.putScores([{ customerKey: key, document: JSON.stringify(said) }]);
    const { churn, value, cluster } = (await get("ada")).body as unknown as Record<string, unknown>;
    const from = { horizon_days: 90, as_of: "2026-06-01T00:00:00.000Z", run_id: "2026-06-01-2" };
    assert.deepEqual(churn, {
      probability: 0.75,
      decile: 2,
      drivers: [
        {
          feature: "recency",
          log_odds: Math.log(2),
          words: "has not ordered for a long time",
          text: "This customer has not ordered for a long time: the odds of leaving are 2.0 times those of the average customer.",
        },
        {
          feature: "rhythm",
          log_odds: -Math.log(4),
          words: "orders at short intervals",
          text: "This customer orders at short intervals: the odds of leaving are 4.0 times lower than those of the average customer.",
        },
      ],
      ...from,
    });
    assert.deepEqual(value, { expected_minor: 4_200, probability_active: 0.5, ...from });
    assert.equal(cluster, "Recent, rare, low spend");
  });

  it("asks for a read key", async () => {
    await store(key, [order("1", 10_000, START_MS)]);
    assert.equal((await get("ada", START_MS, WRITE_KEY)).status, 403);
    assert.equal((await get("ada", START_MS, "unknown")).status, 401);
  });

  it("answers 404 for a customer without an order, and does not repeat the id", async () => {
    const { status, body } = await get("bob@example.com");
    assert.equal(status, 404);
    assert.ok(!JSON.stringify(body).includes("bob"));
  });
});
