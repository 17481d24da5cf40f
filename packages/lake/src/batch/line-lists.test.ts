import assert from "node:assert/strict";
import test from "node:test";
import { StreamEvent } from "@ebb/core/stream-event";
import fc from "fast-check";
import { duckdb } from "../dialect.ts";
import { rowsOf } from "../testing.ts";
import { repeatedLines } from "./line-lists.ts";
import { curatedLakeOf } from "./testing.ts";

const maybe = (...values: readonly string[]) => fc.option(fc.constantFrom(...values), { nil: undefined });
const line = fc.record({
  product_id: maybe("1", "2"),
  sku: maybe("1", "small", "large"),
  name: maybe("1", "shirt", "", "Zürich"),
  category: maybe("clothes", "gifts", ""),
  quantity: fc.constantFrom(1, 2, -1),
  unit_price: fc.constantFrom(0, 9.99),
  total_minor: fc.constantFrom(0, 999),
});
type Line = (typeof line extends fc.Arbitrary<infer T> ? T : never) & Record<string, unknown>;
/** Some of a few lines, several times each. */
const ofOrder = fc
  .tuple(fc.array(line, { minLength: 1, maxLength: 4 }), fc.array(fc.nat(3), { maxLength: 6 }))
  .map(([few, taken]) => taken.map((at) => few[at % few.length]!));
const lists = fc.array(fc.option(ofOrder, { nil: undefined, freq: 9 }), { minLength: 1, maxLength: 40 });

const eventOf = (lines: readonly Line[] | undefined, number: number): StreamEvent =>
  StreamEvent.parse({
    schema_version: 1,
    event_id: `e${number}`,
    kind: "order_completed",
    name: "Order Completed",
    source: "shop",
    occurred_at: "2024-03-01T10:00:00.000Z",
    received_at: "2024-03-01T10:00:01.000Z",
    receipt_id: "rcp_1",
    receipt_number: number,
    customer_key: "cus_1",
    order_id: String(number),
    order_rank: 2,
    order_version: 1,
    currency: "EUR",
    total_minor: 1,
    reporting_currency: "EUR",
    reporting_minor: 1,
    ...(lines === undefined ? {} : { lines: lines.map((one) => ({ ...one })) }),
  });

/** The same, one line after the other. */
const plainly = (lines: readonly Line[]) => {
  const [products, categories, told] = [new Set<string>(), new Set<string>(), new Set<string>()];
  let units = 0;
  for (const one of lines) {
    const product = one.product_id ?? one.sku ?? one.name;
    if (product !== undefined) products.add(product);
    if (one.category !== undefined) categories.add(one.category);
    told.add(JSON.stringify([one.product_id, one.sku, one.name, one.quantity, one.unit_price].map((it) => it ?? null)));
    units += one.quantity;
  }
  const counts = { line_count: lines.length, product_count: products.size, category_count: categories.size };
  return { ...counts, units, repeated: lines.length - told.size };
};

test("what is counted of an order's lines is what a loop over them counts", async () => {
  let repeated = 0;
  await fc.assert(
    fc.asyncProperty(lists, async (orders) => {
      const lake = await curatedLakeOf(orders.map(eventOf));
      const rows = await rowsOf(
        lake,
        `SELECT line_count, product_count, category_count, CAST(units AS double) AS units, ${repeatedLines(duckdb)} AS repeated
         FROM curated_order_events ORDER BY CAST(order_id AS int)`,
      );
      const expected = orders.map((lines) => plainly(lines ?? []));
      repeated += expected.reduce((sum, one) => sum + one.repeated, 0);
      const numbers = rows.map((row) => Object.fromEntries(Object.entries(row).map(([key, at]) => [key, Number(at)])));
      assert.deepEqual(numbers, expected);
      lake.closeSync();
    }),
    { seed: 20261123, numRuns: 25 },
  );
  assert.ok(repeated > 100, String(repeated));
});

test("the same article in two sizes is not told twice", async () => {
  const shirt = { name: "shirt", quantity: 1, unit_price: 9.99, total_minor: 999 } as Line;
  const lake = await curatedLakeOf([
    eventOf(
      [
        { ...shirt, sku: "small" },
        { ...shirt, sku: "large" },
      ],
      1,
    ),
    eventOf(
      [
        { ...shirt, sku: "small" },
        { ...shirt, sku: "small" },
      ],
      2,
    ),
  ]);
  const rows = await rowsOf(
    lake,
    `SELECT ${repeatedLines(duckdb)} AS repeated FROM curated_order_events ORDER BY order_id`,
  );
  assert.deepEqual(
    rows.map((row) => Number(row["repeated"])),
    [0, 1],
  );
});
