/** Marts in memory against the SQL that they stand for, on the real engine: whatever is asked, row by row the same. */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { orderFacts } from "@ebb/lake/batch/order-facts";
import { rfmBase } from "@ebb/lake/batch/rfm";
import { productSalesDaily, salesDaily } from "@ebb/lake/batch/sales-marts";
import fc from "fast-check";
import { type MartLake, type Row, filled, martLake } from "../../../../../test/support/mart-lake.ts";
import { type MartRow, dayTextOf, rowsOf } from "./mart-handler.ts";
import { MartMemory, eachRow } from "./mart-memory.ts";
import { productsInMemory } from "./product-columns.ts";
import { bestsellersSql, windowsSql } from "./products.ts";
import { salesInMemory } from "./sales-columns.ts";
import { salesSql } from "./sales-sql.ts";

const DAY_MS = 86_400_000;
const START_MS = Date.UTC(2025, 0, 3);
const DAYS = 150;
const dayAt = (day: number): string => new Date(START_MS + day * DAY_MS).toISOString().slice(0, 10);

/** Names in an order that UTF-16 and UTF-8 do not agree on, and with what could break a statement or a text. */
const NAMES = ["", "Kettle", "kettle", "Tea; 1 2", "O'Kettle", "Café", "\u{1f375} tea", "\uffee tea", "-7"];
const COUNTRIES = ["", "DE", "Côte d'Ivoire", "GB"];

const some = <T>(arbitrary: fc.Arbitrary<T>, count: number, seed: number): T[] =>
  fc.sample(arbitrary, { numRuns: count, seed });

const productDays: Row[] = some(
  fc.record({
    day: fc.integer({ min: 0, max: DAYS - 1 }).map(dayAt),
    product_id: fc.integer({ min: 0, max: 11 }).map((id) => `P${id}`),
    name: fc.constantFrom(...NAMES),
    category: fc.constantFrom("", "a", "b"),
    country: fc.constantFrom(...COUNTRIES),
    lines: fc.integer({ min: 0, max: 5 }),
    units: fc.integer({ min: -4_000_000, max: 9_000_000 }).map((parts) => parts / 1_000_000),
    // Few values, so that many sums are equal and the order is that of the names.
    net_minor: fc.constantFrom(-500, 0, 500, 1_000, 1_000),
  }),
  1_500,
  7,
).map((row, at) => ({ ...row, sku: String(at), month: row.day.slice(0, 7) }));

const facts: Row[] = some(
  fc.record({
    at: fc.integer({ min: 0, max: DAYS * 1_440 - 1 }).map((minute) => START_MS + minute * 60_000),
    customer: fc.option(fc.integer({ min: 0, max: 60 }), { freq: 8, nil: null }),
    country: fc.option(fc.constantFrom(...COUNTRIES.slice(1)), { freq: 6, nil: null }),
    source: fc.constantFrom("shop", "till"),
    refund: fc.nat(4).map((one) => one === 0),
    cancelled: fc.nat(9).map((one) => one === 0),
    amount: fc.integer({ min: 0, max: 100_000 }),
    units: fc.integer({ min: 1, max: 9_000_000 }).map((parts) => parts / 1_000_000),
  }),
  700,
  11,
).map(({ at, customer, refund, cancelled, amount, units, ...rest }, number) => ({
  ...rest,
  entry: refund ? "refund" : "order",
  event_id: `evt_${number}`,
  stated_at: "2025-01-01T00:00:00",
  occurred_at: new Date(at).toISOString().slice(0, 19),
  customer_key: customer === null ? null : `cus_${customer}`,
  counts: !refund && !cancelled,
  currency: "EUR",
  gross_minor: refund ? 0 : amount,
  refund_minor: refund ? amount : 0,
  units: refund ? -units : units,
}));

let lake: MartLake;
before(async () => {
  lake = await martLake("2025-07-01", [
    filled(orderFacts, facts),
    rfmBase,
    salesDaily,
    filled(productSalesDaily, productDays),
  ]);
});
after(() => lake.close());

const question = () => ({ state: "one run", queries: lake.queries });
/** Numbers as numbers, whatever type the engine gave them; nobody (NULL) is 0. */
const plain = (rows: readonly MartRow[]): MartRow[] =>
  rows.map((row) =>
    Object.fromEntries(
      Object.entries(row).map(([name, value]) =>
        name === "period"
          ? [name, dayTextOf(value)]
          : ["product_id", "name", "category", "grouped"].includes(name)
            ? [name, value]
            : [name, Number(value)],
      ),
    ),
  );
const bySql = async (sql: string): Promise<MartRow[]> => plain(await rowsOf(lake.queries, sql));

const period = fc
  .tuple(fc.integer({ min: -40, max: DAYS + 10 }), fc.integer({ min: 1, max: DAYS + 40 }))
  .map(([from, length]) => ({ from: dayAt(from), to: dayAt(from + length) }));
const parts = fc.oneof(
  period,
  period.map(({ from }) => ({ from })),
  period.map(({ to }) => ({ to })),
  fc.constant({}),
);
const country = fc.option(fc.constantFrom(...COUNTRIES, "Nowhere"), { nil: undefined });
const category = fc.option(fc.constantFrom("", "a", "b", "none"), { nil: undefined });

describe("a mart in memory answers as its SQL does", () => {
  test("sales: every interval, by country or not, of any period and country", async () => {
    const held = (await new MartMemory(salesInMemory).of(question()))!;
    const asked = fc.record({
      interval: fc.constantFrom("day", "week", "month", "total" as const),
      by: fc.constantFrom(undefined, "country" as const),
      period: parts,
      country,
    });
    for (const { period: days, ...rest } of some(asked, 80, 3)) {
      const one = { ...rest, ...days };
      assert.deepEqual(held.sales(one), await bySql(salesSql(lake.queries.dialect, one)), JSON.stringify(one));
    }
  });

  test("bestsellers by money and units, of any period, country and category, to the last tie", async () => {
    const held = (await new MartMemory(productsInMemory).of(question()))!;
    const asked = fc.record({
      order: fc.constantFrom("net", "units" as const),
      limit: fc.constantFrom(1, 5, 500),
      period: parts,
      country,
      category,
    });
    for (const { period: days, ...rest } of some(asked, 60, 5)) {
      const one = { ...rest, ...days };
      assert.deepEqual(
        plain(held.bestsellers(one)),
        await bySql(bestsellersSql(lake.queries.dialect, one)),
        JSON.stringify(one),
      );
    }
  });

  test("windows of any length before any period", async () => {
    const held = (await new MartMemory(productsInMemory).of(question()))!;
    const asked = fc.record({
      from: fc.integer({ min: 20, max: DAYS + 10 }),
      length: fc.integer({ min: 1, max: 40 }),
      country,
      category,
    });
    let answered = 0;
    for (const { from, length, ...rest } of some(asked, 60, 9)) {
      const one = { ...rest, from: dayAt(from), to: dayAt(from + length) };
      const rows = await bySql(windowsSql(lake.queries.dialect, one));
      answered += rows.length;
      assert.deepEqual(plain(held.windows(one)), rows, JSON.stringify(one));
    }
    assert.ok(answered > 300, `${answered} rows in all`);
  });

  test("the last day is that of the last sale", async () => {
    const held = (await new MartMemory(productsInMemory).of(question()))!;
    assert.equal(
      held.lastDay,
      productDays
        .map((row) => String(row["day"]))
        .sort()
        .at(-1),
    );
  });
});

describe("what is held", () => {
  test("is read once a state of the tables, and anew for the next", async () => {
    let asked = 0;
    const queries = {
      dialect: lake.queries.dialect,
      query: (sql: string) => {
        asked++;
        return lake.queries.query(sql);
      },
    };
    const memory = new MartMemory(productsInMemory);
    const [one, other] = await Promise.all(["a", "a"].map((state) => memory.of({ state, queries })));
    assert.ok(one !== undefined && one === other);
    await memory.of({ state: "a", queries });
    assert.equal(asked, 1);
    assert.notEqual(await memory.of({ state: "b", queries }), one);
    assert.equal(asked, 2);
  });

  test("is nothing where the mart has one row more than may be", async () => {
    assert.equal(await new MartMemory(productsInMemory, productDays.length - 1).of(question()), undefined);
    assert.notEqual(await new MartMemory(productsInMemory, productDays.length).of(question()), undefined);
    assert.equal(await new MartMemory(salesInMemory, facts.length).of(question()), undefined);
  });

  test("is nothing where sums would not be exact", () => {
    const rows = (net: number) => [
      { part: 0, number: 1 },
      { part: 1, number: 1, text: "P", name: "", category: "" },
      { part: 2, number: 1, text: "" },
      { part: 3, number: 1, text: `1 1 1 1000000 ${net};1 1 1 1000000 ${-net}` },
    ];
    assert.notEqual(productsInMemory.read(rows(2 ** 51), 9), undefined);
    assert.equal(productsInMemory.read(rows(2 ** 52), 9), undefined);
  });

  test("a statement that fails fails its question alone", async () => {
    const memory = new MartMemory(productsInMemory);
    const broken = { dialect: lake.queries.dialect, query: () => Promise.reject(new Error("no engine")) };
    await assert.rejects(memory.of({ state: "a", queries: broken }), /no engine/);
    assert.notEqual(await memory.of({ state: "a", queries: lake.queries }), undefined);
  });
});

test("rows of whole numbers are read from their text, and a text that is cut is no row", () => {
  const rows: number[][] = [];
  eachRow("1 -2 0;-0 34567890123456 5", 3, (numbers) => rows.push([...numbers]));
  assert.deepEqual(rows, [
    [1, -2, 0],
    [-0, 34567890123456, 5],
  ]);
  assert.throws(() => eachRow("1 2;3", 2, () => undefined), /1 numbers in place of 2/);
});
