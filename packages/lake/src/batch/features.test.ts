import assert from "node:assert/strict";
import test from "node:test";
import { StreamEvent } from "@ebb/core/stream-event";
import type { DuckDBConnection } from "@duckdb/node-api";
import { rowsOf } from "../testing.ts";
import { customerFeatures } from "./customer-features.ts";
import { customerLabels } from "./customer-labels.ts";
import { featureNamed, features } from "./features.ts";
import { makeHistory } from "./history.ts";
import { plainFeatures, plainLabels } from "./plain-features.ts";
import { curatedLakeOf, write } from "./testing.ts";

type Row = Record<string, unknown>;

const byCustomer = (rows: readonly Row[]): Map<string, Row> =>
  new Map(rows.map(({ customer_key, cutoff: _cutoff, ...row }) => [String(customer_key), row]));

const featuresAt = async (lake: DuckDBConnection, cutoff: string): Promise<Map<string, Row>> => {
  await write(lake, customerFeatures, { cutoff });
  return byCustomer(await rowsOf(lake, `SELECT * FROM customer_features WHERE cutoff = '${cutoff.slice(0, 10)}'`));
};
const labelsAt = async (lake: DuckDBConnection, cutoff: string, horizonDays: number): Promise<Map<string, Row>> => {
  await write(lake, customerLabels, { cutoff, horizonDays });
  return byCustomer(
    await rowsOf(lake, `SELECT * EXCLUDE (horizon_days) FROM customer_labels WHERE cutoff = '${cutoff.slice(0, 10)}'`),
  );
};

/** Exact, but for doubles: two ways to compute one may differ in the last digits. */
const assertSame = (actual: Map<string, Row>, expected: ReadonlyMap<string, Row>): void => {
  assert.deepEqual([...actual.keys()].sort(), [...expected.keys()].sort());
  for (const [customer, row] of expected) {
    const found = actual.get(customer)!;
    assert.deepEqual(Object.keys(found).sort(), Object.keys(row).sort());
    for (const [name, value] of Object.entries(row))
      if (typeof value === "number" && !Number.isInteger(value))
        assert.ok(
          Math.abs(Number(found[name]) - value) <= 1e-9 * Math.max(1, Math.abs(value)),
          `${customer} ${name}: ${String(found[name])}, not ${value}`,
        );
      else assert.equal(found[name], value, `${customer} ${name}`);
  }
};

const midnights = ["2024-02-29", "2024-03-01", "2024-04-01", "2024-09-01", "2024-12-31", "2025-01-01"];

test("features are those of the slow, obvious computation, at month ends, leap days and year ends", async () => {
  let rows = 0;
  for (const seed of [21, 22, 23, 24]) {
    const events = makeHistory({ seed, customers: 60 });
    const lake = await curatedLakeOf(events);
    for (const day of midnights) {
      const cutoff = `${day}T00:00:00.000Z`;
      const expected = plainFeatures(events, Date.parse(cutoff));
      rows += expected.size;
      assertSame(await featuresAt(lake, cutoff), expected);
    }
  }
  assert.ok(rows > 500, String(rows));
});

test("labels are those of the slow, obvious computation", async () => {
  const seen = new Set<unknown>();
  for (const seed of [31, 32, 33]) {
    const events = makeHistory({ seed, customers: 60 });
    const lake = await curatedLakeOf(events);
    for (const [day, horizon] of [
      ["2024-02-29", 1],
      ["2024-04-01", 90],
      ["2024-09-01", 30],
    ] as const) {
      const cutoff = `${day}T00:00:00.000Z`;
      const expected = plainLabels(events, Date.parse(cutoff), horizon);
      for (const { churned } of expected.values()) seen.add(churned);
      assertSame(await labelsAt(lake, cutoff, horizon), expected);
    }
  }
  assert.deepEqual([...seen].sort(), [0, 1]);
});

// ── the canary ─────────────────────────────────────────────────────────────────────────────────────────────────────

const CUTOFF = "2024-09-01T00:00:00.000Z";

test("nothing that occurs at the cutoff or after it changes a feature", async () => {
  const events = makeHistory({ seed: 41, customers: 60 });
  const before = events.filter((event) => event.occurred_at < CUTOFF);
  const expected = await featuresAt(await curatedLakeOf(before), CUTOFF);
  assert.ok(expected.size > 20);

  // Every order there is gets a new version, a refund and a cancellation, every customer a visit, a post and an identity.
  const orders = before.filter((event) => event.order_id !== undefined && event.kind !== "order_refunded");
  let planted = 0;
  const plant = (fields: Partial<StreamEvent> & Pick<StreamEvent, "kind">): StreamEvent =>
    StreamEvent.parse({
      event_id: `evt_planted_${planted}`,
      name: "planted",
      source: "shop",
      schema_version: 1,
      // The first millisecond that is not known, and later ones.
      occurred_at: new Date(Date.parse(CUTOFF) + (planted % 3) * 86_400_000).toISOString(),
      received_at: CUTOFF,
      receipt_id: "rcp_planted",
      receipt_number: planted++,
      ...fields,
    });
  const future = orders.flatMap(({ customer_key, source, order_id }) => {
    const about = { ...(customer_key !== undefined && { customer_key }), source, order_id };
    const money = { currency: "EUR", total_minor: 77_777, reporting_currency: "EUR", reporting_minor: 77_777 };
    const anonymous_key = before.find((event) => event.anonymous_key !== undefined)!.anonymous_key;
    return [
      plant({
        ...about,
        ...money,
        kind: "order_updated",
        country: "XX",
        order_rank: 2,
        order_version: 9e15,
        lines: [],
      }),
      plant({ ...about, ...money, kind: "order_refunded", refund_id: "planted" }),
      plant({ ...about, kind: "order_refunded", full_refund: true }),
      plant({ ...about, kind: "order_cancelled", order_version: 9.001e15 }),
      plant({ ...about, ...money, kind: "order_completed", order_id: `planted ${planted}` }),
      ...(customer_key === undefined
        ? []
        : [
            plant({ kind: "product_viewed", customer_key, anonymous_key }),
            plant({ kind: "identify", customer_key, anonymous_key }),
            plant({ kind: "social_mentioned", customer_key, sentiment: "negative", reach: 1_000 }),
          ]),
    ];
  });
  assert.ok(future.length > 300);
  assert.deepEqual(await featuresAt(await curatedLakeOf([...events, ...future]), CUTOFF), expected);
  // The canary sings: a day later every one of them is seen.
  const known = await featuresAt(await curatedLakeOf([...before, ...future]), "2024-09-05T00:00:00.000Z");
  assert.notDeepEqual([...known.keys()], []);
  assert.ok(
    [...known].every(
      ([customer, row]) =>
        row["country"] !== expected.get(customer)?.["country"] ||
        row["orders"] !== expected.get(customer)?.["orders"] ||
        row["posts_90d"] !== expected.get(customer)?.["posts_90d"],
    ),
  );
});

// ── examples ───────────────────────────────────────────────────────────────────────────────────────────────────────

let serial = 0;
const order = (customer: string, at: string, more: Partial<StreamEvent> = {}): StreamEvent =>
  StreamEvent.parse({
    event_id: `evt_${String(serial)}`,
    kind: "order_completed",
    name: "Order Completed",
    source: "shop",
    schema_version: 1,
    occurred_at: at,
    received_at: at,
    receipt_id: "rcp",
    receipt_number: serial,
    customer_key: customer,
    order_id: `o${serial++}`,
    currency: "EUR",
    total_minor: 1_000,
    reporting_currency: "EUR",
    reporting_minor: 1_000,
    ...more,
  });

test("a label sees an order a millisecond after the cutoff and one exactly at the end, none at the cutoff or later", async () => {
  const first = "2024-01-10T12:00:00.000Z";
  const times: Record<string, string> = {
    at_cutoff: "2024-03-01T00:00:00.000Z",
    just_after: "2024-03-01T00:00:00.001Z",
    at_end: "2024-05-30T00:00:00.000Z",
    after_end: "2024-05-30T00:00:00.001Z",
  };
  const lake = await curatedLakeOf(
    Object.entries(times).flatMap(([name, at]) => [order(name, first), order(name, at)]),
  );
  const labels = await labelsAt(lake, "2024-03-01T00:00:00.000Z", 90);
  assert.deepEqual(Object.fromEntries([...labels].map(([name, row]) => [name, row["churned"]])), {
    at_cutoff: 1,
    just_after: 0,
    at_end: 0,
    after_end: 1,
  });
  const atCutoff = await featuresAt(lake, "2024-03-01T00:00:00.000Z");
  for (const [name, row] of atCutoff) assert.equal(row["orders"], 1, name);
});

test("an order that is given back within the window is none; given back later it was one", async () => {
  const first = order("x", "2024-01-10T12:00:00.000Z");
  const later = (name: string, refundedAt: string) => {
    const bought = order(name, "2024-03-10T00:00:00.000Z");
    return [
      { ...first, event_id: `evt_first_${name}`, order_id: `first ${name}`, customer_key: name },
      bought,
      order(name, refundedAt, { kind: "order_refunded", order_id: bought.order_id, refund_id: "r", full_refund: true }),
    ];
  };
  const lake = await curatedLakeOf([
    ...later("within", "2024-05-30T00:00:00.000Z"),
    ...later("afterwards", "2024-05-30T00:00:00.001Z"),
  ]);
  const labels = await labelsAt(lake, "2024-03-01T00:00:00.000Z", 90);
  assert.deepEqual([labels.get("within")!["churned"], labels.get("afterwards")!["churned"]], [1, 0]);
});

test("one order, orders at one instant, and a customer who gave more back than was bought", async () => {
  const at = "2024-02-29T23:59:59.999Z";
  const over = order("over", at);
  const lake = await curatedLakeOf([
    order("once", at),
    order("twice", at),
    order("twice", at),
    order("kept", at),
    over,
    order("over", at, {
      kind: "order_refunded",
      order_id: over.order_id,
      refund_id: "r",
      total_minor: 5_000,
      reporting_minor: 5_000,
    }),
    order("kept", at, {
      kind: "order_refunded",
      order_id: undefined,
      refund_id: "r",
      total_minor: 5_000,
      reporting_minor: 5_000,
    }),
  ]);
  const found = await featuresAt(lake, "2024-03-01T00:00:00.000Z");
  assert.deepEqual([...found.keys()].sort(), ["kept", "once", "twice"]);
  const shown = (customer: string) => {
    const row = found.get(customer)!;
    return [
      "recency_days",
      "tenure_days",
      "orders",
      "net_minor",
      "gap_mean_days",
      "gap_sd_days",
      "gap_ratio",
      "repeat_days",
      "return_rate",
    ].map((name) => row[name]);
  };
  assert.deepEqual(shown("once"), [0, 0, 1, 1_000, null, null, null, 0, 0]);
  assert.deepEqual(shown("twice"), [0, 0, 2, 2_000, 0, null, null, 0, 0]);
  assert.deepEqual(shown("kept"), [0, 0, 1, -4_000, null, null, null, 0, 5]);
});

test("every feature is declared with words for it, and by its name", () => {
  assert.equal(new Set(features.map(({ name }) => name)).size, features.length);
  for (const feature of features) {
    assert.equal(featureNamed(feature.name), feature);
    assert.match(feature.definition, /^[A-ZΣtx(]/, feature.name);
    assert.ok(feature.inWords.high.length > 5 && feature.inWords.low.length > 5, feature.name);
  }
  assert.throws(() => featureNamed("toString"), RangeError);
});
