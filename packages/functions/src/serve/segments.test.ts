import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { customerSegments } from "@ebb/lake/batch/rfm";
import { rfmGrid, segmentDaily, segmentMovements } from "@ebb/lake/batch/segment-marts";
import { customerScores } from "@ebb/lake/model/customer-scores";
import type { HttpHandler } from "../runtime/http.ts";
import { type MartLake, ask, filled, martLake } from "../../../../test/support/mart-lake.ts";
import { make } from "./segments.ts";

const AS_OF = "2026-06-01";
const BEFORE = "2026-05-01";
const names = ["Champions", "Loyal", "Can't Lose Them"];

const customers = Array.from({ length: 120 }, (_, at) => {
  const scored = at % 10 !== 9;
  return {
    key: `cus_${at}`,
    recency: scored ? 1 + (at % 5) : null,
    frequency: scored ? 1 + ((at >> 1) % 5) : null,
    monetary: scored ? 1 + ((at >> 2) % 5) : null,
    segment: scored ? names[(at % 5) % 3]! : "No purchase",
    earlier: at % 6 === 0 ? null : at % 4 === 0 ? "Loyal" : scored ? names[(at % 5) % 3]! : "No purchase",
    orders: scored ? 1 + (at % 4) : 0,
    net: at * 100 - 50,
    probability: at % 3 === 0 ? null : (at % 20) / 20,
    loss: at % 3 === 0 ? null : at * 10,
    cluster: scored ? `cluster ${at % 2}` : null,
  };
});
const segmentRow = (of: (typeof customers)[number], segment: string, cutoff: string) => ({
  customer_key: of.key,
  recency_score: of.recency,
  frequency_score: of.frequency,
  monetary_score: of.monetary,
  segment,
  orders: of.orders,
  net_minor: of.net,
  last_order_at: "2026-05-20 12:00:00",
  cutoff,
});

let lake: MartLake;
let handler: HttpHandler;
before(async () => {
  lake = await martLake(AS_OF, [
    filled(customerSegments, [
      ...customers.map((one) => segmentRow(one, one.segment, AS_OF)),
      ...customers.flatMap((one) => (one.earlier === null ? [] : [segmentRow(one, one.earlier, BEFORE)])),
    ]),
    segmentMovements,
    segmentDaily,
    rfmGrid,
    filled(
      customerScores,
      customers.map((one) => ({
        customer_key: one.key,
        segment: one.segment,
        cluster: one.cluster,
        orders: one.orders,
        net_minor: one.net,
        last_order_at: "2026-05-20 12:00:00",
        churn_probability: one.probability,
        expected_loss_minor: one.loss,
        cutoff: AS_OF,
      })),
    ),
  ]);
  handler = make(lake.ports);
});
after(() => lake.close());

const total = <T>(rows: readonly T[], of: (row: T) => number): number => rows.reduce((sum, row) => sum + of(row), 0);

test("sizes, money, risk and who came and went are those of a loop over the customers, the largest first", async () => {
  const { status, body } = await ask(handler, "/v1/segments");
  assert.equal(status, 200);
  const expected = Array.from(
    Map.groupBy(customers, (one) => one.segment),
    ([segment, rows]) => {
      const judged = rows.filter((one) => one.probability !== null);
      return {
        segment,
        customers: rows.length,
        net_minor: total(rows, (one) => one.net),
        entered: rows.filter((one) => one.earlier !== segment).length,
        departed: customers.filter((one) => one.earlier === segment && one.segment !== segment).length,
        mean_churn_probability: total(judged, (one) => one.probability!) / judged.length,
        expected_loss_minor: total(judged, (one) => one.loss!),
      };
    },
  ).sort((a, b) => b.customers - a.customers || (a.segment < b.segment ? -1 : 1));
  const answered = body["segments"] as typeof expected;
  assert.deepEqual(
    answered.map((row) => ({ ...row, mean_churn_probability: row.mean_churn_probability.toFixed(9) })),
    expected.map((row) => ({ ...row, mean_churn_probability: row.mean_churn_probability.toFixed(9) })),
  );
});

test("movements are told between segments, not of who stayed, came or left", async () => {
  const { body } = await ask(handler, "/v1/segments");
  const moved = customers.filter((one) => one.earlier !== null && one.earlier !== one.segment);
  const expected = Array.from(
    Map.groupBy(moved, (one) => `${one.earlier}|${one.segment}`),
    ([name, rows]) => ({ from: name.split("|")[0]!, to: name.split("|")[1]!, customers: rows.length }),
  ).sort((a, b) => b.customers - a.customers || (a.from < b.from ? -1 : a.from > b.from ? 1 : a.to < b.to ? -1 : 1));
  assert.ok(expected.length > 1);
  assert.deepEqual(body["movements"], expected);
});

test("the grid holds every scored customer once, in the field of recency and the rounded mean of the others", async () => {
  const { body } = await ask(handler, "/v1/segments");
  const scored = customers.filter((one) => one.recency !== null);
  const expected = Array.from(
    Map.groupBy(scored, (one) => `${one.recency} ${Math.round((one.frequency! + one.monetary!) / 2)}`),
    ([field, rows]) => {
      const segments = new Set(rows.map((one) => one.segment));
      return {
        recency: Number(field.split(" ")[0]),
        frequency_monetary: Number(field.split(" ")[1]),
        customers: rows.length,
        net_minor: total(rows, (one) => one.net),
        segment: segments.size === 1 ? rows[0]!.segment : "several",
      };
    },
  ).sort((a, b) => a.recency - b.recency || a.frequency_monetary - b.frequency_monetary);
  assert.deepEqual(body["grid"], expected);
});

test("clusters tell how many, what they brought, how long ago and how often", async () => {
  const { body } = await ask(handler, "/v1/segments");
  const clustered = customers.filter((one) => one.cluster !== null);
  assert.deepEqual(
    body["clusters"],
    Array.from(
      Map.groupBy(clustered, (one) => one.cluster!),
      ([cluster, rows]) => ({
        cluster,
        customers: rows.length,
        net_minor: total(rows, (one) => one.net),
        recency_days: 12,
        orders: total(rows, (one) => one.orders) / rows.length,
      }),
    ).sort((a, b) => b.customers - a.customers || (a.cluster < b.cluster ? -1 : 1)),
  );
});
