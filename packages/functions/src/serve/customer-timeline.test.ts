import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { curatedActivity, curatedSocial } from "@ebb/lake/batch/curated";
import { orderFacts } from "@ebb/lake/batch/order-facts";
import { customerScores } from "@ebb/lake/model/customer-scores";
import type { HttpHandler } from "../runtime/http.ts";
import { type MartLake, type Row, ask, filled, martLake } from "../../../../test/support/mart-lake.ts";
import { memoryPorts } from "../../../../test/support/memory-ports.ts";
import { make } from "./customer-timeline.ts";

const AS_OF = "2026-06-01";
const KEY = memoryPorts().pseudonyms.customer("c-1");
const OTHER = memoryPorts().pseudonyms.customer("c-2");

const order = (more: Row): Row => ({
  entry: "order",
  customer_key: KEY,
  source: "shop",
  occurred_at: "2026-05-01 10:00:00",
  stated_at: "2026-05-01 10:00:00",
  event_id: `evt_${JSON.stringify(more)}`,
  currency: "EUR",
  total_minor: 1_250,
  line_count: 2,
  cancelled: false,
  counts: true,
  ...more,
});
const visit = (kind: string, at: string, more: Row = {}): Row => ({
  event_id: `evt_${kind}${at}`,
  kind,
  name: kind,
  source: "shop",
  occurred_at: at,
  received_at: at,
  customer_key: KEY,
  month: "2026-05",
  ...more,
});
const score = (cutoff: string, probability: number | null): Row => ({
  customer_key: KEY,
  segment: "Loyal",
  recency_score: 5,
  frequency_score: probability === null ? null : 3,
  monetary_score: 2,
  churn_probability: probability,
  cutoff,
});

let lake: MartLake;
let handler: HttpHandler;
before(async () => {
  lake = await martLake(AS_OF, [
    filled(orderFacts, [
      order({ order_id: "o-1" }),
      order({ order_id: "o-2", occurred_at: "2026-05-09 10:00:00", line_count: 1, cancelled: true, total_minor: 0 }),
      order({ entry: "refund", occurred_at: "2026-05-11 10:00:00", line_count: 0, total_minor: 250 }),
      order({ customer_key: OTHER, order_id: "o-3" }),
      order({ customer_key: null, order_id: "o-4" }),
    ]),
    filled(curatedActivity, [
      visit("product_viewed", "2026-05-10 08:00:00", { product_name: "Tea" }),
      visit("product_viewed", "2026-05-10 08:01:00", { product_name: "Cup" }),
      visit("cart_viewed", "2026-05-10 09:30:00"),
      visit("product_viewed", "2026-05-10 08:01:30", { customer_key: OTHER }),
    ]),
    filled(curatedSocial, [
      visit("social_mentioned", "2026-05-12 08:00:00", { platform: "twitter", body: "The tea is good." }),
    ]),
    filled(customerScores, [
      score("2026-05-01", null),
      score(AS_OF, 0.25),
      { ...score(AS_OF, 0.9), customer_key: OTHER },
    ]),
  ]);
  handler = make(lake.ports);
});
after(() => lake.close());

const timeline = (id: string) => ask(handler, `/v1/customers/${id}/timeline`, {}, { pathParameters: { id } });

test("orders, refunds, visits by day and posts stand in the order of time, the newest first, and of this customer alone", async () => {
  const { status, body } = await timeline("c-1");
  assert.equal(status, 200);
  assert.deepEqual(body["entries"], [
    { at: "2026-05-12T08:00:00.000Z", kind: "post", title: "twitter", details: ["The tea is good."] },
    {
      at: "2026-05-11T10:00:00.000Z",
      kind: "refund",
      title: "of no known order",
      amount_minor: -250,
      currency: "EUR",
    },
    {
      at: "2026-05-10T09:30:00.000Z",
      kind: "visit",
      title: "3 events",
      details: ["1 × cart viewed", "2 × product viewed, Tea"],
    },
    {
      at: "2026-05-09T10:00:00.000Z",
      kind: "order",
      title: "o-2 (cancelled), 1 line",
      amount_minor: 0,
      currency: "EUR",
    },
    { at: "2026-05-01T10:00:00.000Z", kind: "order", title: "o-1, 2 lines", amount_minor: 1_250, currency: "EUR" },
  ]);
});

test("scores go from the oldest run to the newest; what a run did not know is absent", async () => {
  const { body } = await timeline("c-1");
  assert.deepEqual(body["history"], [
    { as_of: "2026-05-01", segment: "Loyal", recency: 5, monetary: 2 },
    { as_of: AS_OF, segment: "Loyal", recency: 5, frequency: 3, monetary: 2, churn_probability: 0.25 },
  ]);
});

test("a customer goes by the producer's id and by the key alike; of somebody unknown there is nothing", async () => {
  const [byId, byKey] = [await timeline("c-1"), await timeline(KEY)];
  assert.deepEqual(byKey.body["entries"], byId.body["entries"]);
  assert.equal(byKey.body["customer_key"], KEY);
  const nobody = await timeline("c'; --");
  assert.deepEqual([nobody.status, nobody.body["entries"], nobody.body["history"]], [200, [], []]);
});
