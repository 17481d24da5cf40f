import assert from "node:assert/strict";
import test from "node:test";
import { type CustomerAggregate, aggregateOf, netMinor } from "@ebb/core/customers";
import type { CustomerKey } from "@ebb/core/ids";
import { applyOrderEvent, effectOf, emptyOrder, orderKeyOf } from "@ebb/core/orders";
import { StreamEvent } from "@ebb/core/stream-event";
import fc from "fast-check";
import { duckdbEmptyTable } from "./raw-events.ts";
import { lakeOf, rowsOf } from "./testing.ts";
import { athenaViews, views } from "./views.ts";

let serial = 0;
const event = (fields: Partial<StreamEvent>): StreamEvent =>
  StreamEvent.parse({
    event_id: `evt_${String(serial++).padStart(8, "0")}`,
    kind: "order_completed",
    name: "x",
    source: "shop",
    schema_version: 1,
    occurred_at: "2026-01-01T00:00:00.000Z",
    received_at: "2026-01-01T00:00:00.000Z",
    receipt_id: "rcp_1",
    receipt_number: serial,
    ...fields,
  });
const line = (quantity: number, unit_price: number, more: Partial<NonNullable<StreamEvent["lines"]>[number]> = {}) => ({
  quantity,
  unit_price,
  total_minor: Math.round(quantity * unit_price * 100),
  ...more,
});

// ── the property: SQL gives what the plain computation gives ────────────────────────────────────────────────────────

const instant = fc.integer({ min: 0, max: 5 }).map((day) => new Date(Date.UTC(2026, 0, 1 + day)).toISOString());
const optional = <T>(arbitrary: fc.Arbitrary<T>) => fc.option(arbitrary, { nil: undefined });
const orderEvent = fc.record({
  event_id: fc.integer({ min: 0, max: 30 }).map((n) => `evt_${n}`),
  kind: fc.constantFrom("order_completed", "order_updated", "order_refunded", "order_refunded", "order_cancelled"),
  source: fc.constantFrom("shop", "till"),
  occurred_at: instant,
  order_id: optional(fc.constantFrom("1", "2")),
  order_rank: optional(fc.constantFrom(1, 2)),
  order_version: optional(fc.integer({ min: 0, max: 3 })),
  refund_id: optional(fc.constantFrom("a", "b", "toString")),
  full_refund: optional(fc.boolean()),
  reporting_minor: optional(fc.integer({ min: -3000, max: 9000 })),
});

const distinctEvents = (scenario: number, drawn: readonly Record<string, unknown>[]): StreamEvent[] => {
  const byId = new Map<unknown, StreamEvent>();
  for (const [index, { event_id, ...fields }] of drawn.entries()) {
    if (byId.has(event_id)) continue;
    const present = Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));
    byId.set(
      event_id,
      event({
        ...present,
        event_id: `${String(event_id)}_${scenario}`,
        customer_key: `cus_${scenario}`,
        receipt_number: index,
      }),
    );
  }
  return [...byId.values()];
};

const plain = (customerKey: string, events: readonly StreamEvent[]): CustomerAggregate => {
  const records = new Map(events.map((e) => [orderKeyOf(e), emptyOrder(orderKeyOf(e))]));
  for (const e of events) records.set(orderKeyOf(e), applyOrderEvent(records.get(orderKeyOf(e))!, e));
  return aggregateOf(customerKey as CustomerKey, records.values());
};
const milliseconds = (timestamp: unknown): number | undefined =>
  typeof timestamp === "string" ? Date.parse(`${timestamp.replace(" ", "T")}Z`) : undefined;

test("customer_rfm is the plain computation for every customer, whatever arrives, however often and in whatever order", async () => {
  const scenarios = fc
    .sample(fc.array(orderEvent, { minLength: 1, maxLength: 12 }), { seed: 20_261_121, numRuns: 1_500 })
    .map((drawn, scenario) => distinctEvents(scenario, drawn));
  // Every third event arrives again later, under another receipt; the table is in reverse order.
  const landed = scenarios
    .flat()
    .flatMap((e, index) =>
      index % 3 === 0 ? [e, { ...e, received_at: "2026-02-01T00:00:00.000Z", receipt_id: "rcp_2" }] : [e],
    )
    .reverse();
  const lake = await lakeOf(landed);

  const rows = new Map((await rowsOf(lake, "SELECT * FROM customer_rfm")).map((row) => [row["customer_key"], row]));
  assert.equal(rows.size, scenarios.length);
  for (const [scenario, events] of scenarios.entries()) {
    const expected = plain(`cus_${scenario}`, events);
    const row = rows.get(`cus_${scenario}`)!;
    assert.deepEqual(
      {
        orders: row["orders"],
        grossMinor: row["gross_minor"],
        refundMinor: row["refund_minor"],
        netMinor: row["net_minor"],
        first: milliseconds(row["first_order_at"]),
        last: milliseconds(row["last_order_at"]),
      },
      {
        orders: expected.orders,
        grossMinor: expected.grossMinor,
        refundMinor: expected.refundMinor,
        netMinor: netMinor(expected),
        first: expected.firstOrderAtMs,
        last: expected.lastOrderAtMs,
      },
      JSON.stringify(events, undefined, 1),
    );
  }

  const perOrder = await rowsOf(lake, "SELECT customer_key, order_key, counts, gross_minor, refund_minor FROM orders");
  const sqlOrders = new Map(perOrder.map((row) => [`${String(row["customer_key"])}/${String(row["order_key"])}`, row]));
  let orders = 0;
  for (const [scenario, events] of scenarios.entries())
    for (const key of new Set(events.map(orderKeyOf))) {
      const record = events.filter((e) => orderKeyOf(e) === key).reduce(applyOrderEvent, emptyOrder(key));
      const row = sqlOrders.get(`cus_${scenario}/${key}`);
      assert.equal(row !== undefined, record.snapshot !== undefined);
      if (row === undefined) continue;
      orders++;
      const { grossMinor, refundMinor, counts } = effectOf(record);
      assert.deepEqual(
        [row["gross_minor"], row["refund_minor"], row["counts"]],
        [grossMinor, refundMinor, counts],
        JSON.stringify(record),
      );
    }
  assert.equal(sqlOrders.size, orders);
  await holdAll(lake);
});

/** Runs the tests that stand beside each view. */
const holdAll = async (lake: Awaited<ReturnType<typeof lakeOf>>): Promise<void> => {
  for (const view of views)
    for (const [promise, sql] of Object.entries(view.tests))
      assert.deepEqual(await rowsOf(lake, sql), [], `${view.name}: ${promise}`);
};

// ── examples ───────────────────────────────────────────────────────────────────────────────────────────────────────

test("an order shows its latest state, what was refunded, and what is left", async () => {
  const order = { customer_key: "cus_1", order_id: "7", currency: "EUR", reporting_currency: "EUR" } as const;
  const lake = await lakeOf([
    event({ ...order, order_version: 1, total_minor: 5000, reporting_minor: 5000, lines: [line(5, 10)] }),
    event({
      ...order,
      order_version: 2,
      kind: "order_updated",
      total_minor: 6000,
      reporting_minor: 6000,
      lines: [line(6, 10)],
    }),
    event({
      ...order,
      kind: "order_refunded",
      refund_id: "r1",
      total_minor: 1000,
      reporting_minor: 1000,
      lines: [line(1, 10)],
    }),
    event({ ...order, kind: "order_refunded", refund_id: "r2", full_refund: true }),
    event({ ...order, order_id: "8", total_minor: 100, reporting_minor: 100, lines: [line(1, 1)] }),
    event({ ...order, order_id: "8", kind: "order_cancelled", occurred_at: "2026-01-02T00:00:00.000Z" }),
  ]);
  assert.deepEqual(
    await rowsOf(
      lake,
      "SELECT order_id, status, counts, gross_minor, refund_minor, net_minor, refunds FROM orders ORDER BY order_id",
    ),
    [
      {
        order_id: "7",
        status: "refunded",
        counts: false,
        gross_minor: 6000,
        refund_minor: 6000,
        net_minor: 0,
        refunds: 2,
      },
      { order_id: "8", status: "cancelled", counts: false, gross_minor: 0, refund_minor: 0, net_minor: 0, refunds: 0 },
    ],
  );
  assert.deepEqual(
    await rowsOf(lake, "SELECT refund_id, amount_minor, effective_minor FROM refunds ORDER BY refund_id"),
    [
      { refund_id: "r1", amount_minor: 1000, effective_minor: 1000 },
      { refund_id: "r2", amount_minor: 0, effective_minor: 5000 },
    ],
  );
  assert.deepEqual(
    await rowsOf(lake, "SELECT order_id, entry, quantity, total_minor FROM order_lines ORDER BY order_id, entry"),
    [
      { order_id: "7", entry: "order", quantity: "6.000000", total_minor: 6000 },
      { order_id: "7", entry: "refund", quantity: "-1.000000", total_minor: -1000 },
    ],
  );
  await holdAll(lake);
});

test("lines keep their own time, tenths of a penny, and their sign; those of a refund give money back however stated", async () => {
  const lake = await lakeOf([
    event({
      order_id: "1",
      lines: [line(3, 0.001, { total_minor: 0, occurred_at: "2026-03-01T08:26:00.000Z" }), line(-2, 4.25)],
    }),
    event({ kind: "order_refunded", refund_id: "stated-positive", lines: [line(2, 5), line(-1, 3)] }),
    event({ kind: "order_refunded", refund_id: "stated-negative", lines: [line(-2, 5), line(1, 3)] }),
    event({ kind: "order_refunded", refund_id: "free", lines: [line(2, 0)] }),
  ]);
  assert.deepEqual(
    await rowsOf(
      lake,
      `SELECT refund_id, line_number, occurred_at, quantity * unit_price AS amount FROM order_lines
       ORDER BY refund_id NULLS FIRST, line_number`,
    ),
    [
      { refund_id: null, line_number: 1, occurred_at: "2026-03-01 08:26:00", amount: "0.003000000000" },
      { refund_id: null, line_number: 2, occurred_at: "2026-01-01 00:00:00", amount: "-8.500000000000" },
      { refund_id: "free", line_number: 1, occurred_at: "2026-01-01 00:00:00", amount: "0.000000000000" },
      { refund_id: "stated-negative", line_number: 1, occurred_at: "2026-01-01 00:00:00", amount: "-10.000000000000" },
      { refund_id: "stated-negative", line_number: 2, occurred_at: "2026-01-01 00:00:00", amount: "3.000000000000" },
      { refund_id: "stated-positive", line_number: 1, occurred_at: "2026-01-01 00:00:00", amount: "-10.000000000000" },
      { refund_id: "stated-positive", line_number: 2, occurred_at: "2026-01-01 00:00:00", amount: "3.000000000000" },
    ],
  );
  assert.deepEqual(await rowsOf(lake, "SELECT quantity FROM order_lines WHERE refund_id = 'free'"), [
    { quantity: "-2.000000" },
  ]);
});

test("orders without a customer are orders of their own and count for no customer", async () => {
  const lake = await lakeOf([
    event({ order_id: "1", reporting_minor: 500 }),
    event({ order_id: "1", reporting_minor: 700, customer_key: "cus_1" }),
    event({ order_id: "1", kind: "order_refunded", refund_id: "r", reporting_minor: 100 }),
  ]);
  assert.deepEqual(await rowsOf(lake, "SELECT customer_key, net_minor FROM orders ORDER BY customer_key NULLS FIRST"), [
    { customer_key: null, net_minor: 400 },
    { customer_key: "cus_1", net_minor: 700 },
  ]);
  assert.deepEqual(await rowsOf(lake, "SELECT customer_key, net_minor FROM customer_rfm"), [
    { customer_key: "cus_1", net_minor: 700 },
  ]);
});

test("activity holds every event once, as first received", async () => {
  const viewed = event({ kind: "product_viewed", product_id: "p", received_at: "2026-01-01T00:00:05.000Z" });
  const post = event({ kind: "social_mentioned", platform: "twitter", post_id: "1", sentiment: "negative" });
  const lake = await lakeOf([
    viewed,
    { ...viewed, product_id: "late", received_at: "2026-01-01T00:00:06.000Z" },
    post,
    post,
  ]);
  assert.deepEqual(await rowsOf(lake, "SELECT event_id, product_id FROM web_activity"), [
    { event_id: viewed.event_id, product_id: "p" },
  ]);
  assert.deepEqual(await rowsOf(lake, "SELECT post_id, sentiment FROM social_activity"), [
    { post_id: "1", sentiment: "negative" },
  ]);
  await holdAll(lake);
});

test("profiles hold when a customer was seen and what the latest identify said", async () => {
  const lake = await lakeOf([
    event({ kind: "identify", customer_key: "cus_1", anonymous_key: "ano_1", traits: '{"plan":"a"}' }),
    event({ kind: "identify", customer_key: "cus_1", occurred_at: "2026-01-03T00:00:00.000Z", traits: '{"plan":"b"}' }),
    event({
      kind: "page",
      customer_key: "cus_1",
      anonymous_key: "ano_2",
      occurred_at: "2026-01-09T00:00:00.000Z",
      country: "DE",
    }),
    event({ kind: "page", anonymous_key: "ano_3" }),
  ]);
  assert.deepEqual(await rowsOf(lake, "SELECT * FROM profiles"), [
    {
      customer_key: "cus_1",
      first_seen_at: "2026-01-01 00:00:00",
      last_seen_at: "2026-01-09 00:00:00",
      events: 3,
      anonymous_keys: 2,
      country: "DE",
      identified_at: "2026-01-03 00:00:00",
      traits: '{"plan":"b"}',
    },
  ]);
  assert.deepEqual(await rowsOf(lake, "SELECT anonymous_key FROM identities ORDER BY 1"), [
    { anonymous_key: "ano_1" },
    { anonymous_key: "ano_2" },
  ]);
  await holdAll(lake);
});

// ── form ───────────────────────────────────────────────────────────────────────────────────────────────────────────

const duckdbNames: Record<string, string> = {
  VARCHAR: "string",
  INTEGER: "int",
  BIGINT: "bigint",
  DOUBLE: "double",
  BOOLEAN: "boolean",
  TIMESTAMP: "timestamp",
  "DECIMAL(18,6)": "decimal(18,6)",
};

test("every view has the columns and types that its definition says, on an empty lake too", async () => {
  const lake = await lakeOf([]);
  for (const view of views) {
    const described = await rowsOf(lake, `DESCRIBE ${view.name}`);
    const actual = described.map((row) => [row["column_name"], duckdbNames[String(row["column_type"])] ?? "list"]);
    const declared = Object.entries(view.columns).map(([name, { type }]) => [
      name,
      typeof type === "string" ? type : "list",
    ]);
    assert.deepEqual(actual, declared, view.name);
    assert.deepEqual(await rowsOf(lake, `SELECT * FROM ${view.name}`), []);
  }
  const stored = await rowsOf(lake, "DESCRIBE raw_events");
  const empty = await rowsOf(lake, `DESCRIBE (${duckdbEmptyTable()})`);
  assert.deepEqual(empty, stored);
});

test("Athena's views are SELECTs with the grain first, each after those it reads, without DuckDB's own words", () => {
  const known = new Set(["raw_events"]);
  const names = athenaViews().map((view) => view.name);
  for (const { name, sql } of athenaViews()) {
    assert.match(sql, /^-- one row per [^\n]+\n(WITH|SELECT)\b/, name);
    assert.doesNotMatch(sql, /\b(epoch_ms|generate_subscripts|LATERAL|list_filter|QUALIFY)\b|::|;/, name);
    for (const other of names)
      if (new RegExp(`(FROM|JOIN) ${other}\\b`).test(sql)) assert.ok(known.has(other), `${name} reads ${other}`);
    known.add(name);
  }
  const lines = athenaViews().find((view) => view.name === "order_lines")!;
  assert.match(lines.sql, /CROSS JOIN UNNEST\(lines\) WITH ORDINALITY AS item \(line_id, .*occurred_at, line_number\)/);
});
