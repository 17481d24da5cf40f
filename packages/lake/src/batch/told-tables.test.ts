import assert from "node:assert/strict";
import test from "node:test";
import { DAY_MS } from "@ebb/core/time";
import { StreamEvent } from "@ebb/core/stream-event";
import type { DuckDBConnection } from "@duckdb/node-api";
import fc from "fast-check";
import { rowsOf } from "../testing.ts";
import { productCatalogue, productHistory, productPrices } from "./products-catalogue.ts";
import { productDays } from "./products.ts";
import { identityChanges, identityKeys, identityLinks } from "./identity.ts";
import { sessions } from "./sessions.ts";
import { brokenPromises, curatedLakeOf, write } from "./testing.ts";
import { type ToldTable, catalogueValues, profileValues } from "./told-tables.ts";
import { customerAttributes, unifiedCustomers } from "./unified-customers.ts";

const FIRST = Date.UTC(2024, 0, 1);
const atDay = (day: number): number => FIRST + day * DAY_MS;
const common = (index: number) => ({
  ...{ event_id: `evt_${String(index).padStart(4, "0")}`, name: "Event", source: "shop", schema_version: 1 },
  ...{ receipt_id: "rcp_1", receipt_number: index, received_at: "2026-01-01T00:00:00.000Z", currency: "EUR" },
});

// ── products ───────────────────────────────────────────────────────────────────────────────────────────────────────

interface Viewed {
  readonly day: number;
  readonly product: string;
  readonly name: string;
  readonly price: number;
}
type Said = { readonly name: string | null; readonly price: number | null } | undefined;
/** What two tables say of two products when a run looks; `undefined`: nobody knows which tables there are. */
type Look = Readonly<Record<string, Readonly<Record<string, Said>>>> | undefined;

const products = ["p1", "p2"];
const tables = ["source_goods", "source_stock"];
const names = ["Tea", "Green tea", "Pot"];
const LOOK_DAYS = [3, 6, 9, 12];

const said: fc.Arbitrary<Said> = fc.option(
  fc.record({
    name: fc.option(fc.constantFrom(...names)),
    price: fc.option(fc.constantFrom(1, 2.5, 9.99)),
  }),
  { nil: undefined },
);
const look: fc.Arbitrary<Look> = fc.option(
  fc.dictionary(fc.constantFrom(...tables), fc.record(Object.fromEntries(products.map((product) => [product, said])))),
  { nil: undefined, freq: 4 },
);
const viewed = fc.record({
  day: fc.integer({ min: 0, max: 15 }),
  product: fc.constantFrom(...products),
  name: fc.constantFrom(...names),
  price: fc.constantFrom(1, 2.5, 7),
});

const fill = async (lake: DuckDBConnection, rows: Readonly<Record<string, Said>>, table: string): Promise<void> => {
  await lake.run(`CREATE OR REPLACE TABLE ${table} (product_id VARCHAR, name VARCHAR, price DECIMAL(12,2))`);
  for (const [product, one] of Object.entries(rows))
    if (one !== undefined)
      await lake.run(
        `INSERT INTO ${table} VALUES ('${product}', ${one.name === null ? "NULL" : `' ${one.name}'`}, ${one.price ?? "NULL"})`,
      );
};

const toldTable = (table: string, day: number): ToldTable => ({
  ...{ table, maps: "products", source: "shop", currency: "EUR", loadedAtMs: atDay(day) + 3_600_000 },
  columns: { product_id: "string", name: "string", price: "decimal(12,2)" },
});

/** Day by day: a look changes what is declared, and what was learned counts while nothing is. */
const plainHistory = (
  looks: readonly Look[],
  views: readonly Viewed[],
  product: string,
  of: "name" | "price",
): (readonly [value: string | number, day: number, by: string])[] => {
  const history: (readonly [string | number, number, string])[] = [];
  const known = new Map<string, string | number | null>();
  let declared: { value: string | number | null; by: string } = { value: null, by: "" };
  for (let day = 0; day <= 15; day++) {
    const at = LOOK_DAYS.indexOf(day);
    const now = at < 0 ? undefined : looks[at];
    if (now !== undefined) {
      // A table that is declared no more says so at midnight, before any other was loaded on that day.
      const inTurn = [...tables].sort((a, b) => Number(a in now) - Number(b in now) || (a < b ? -1 : 1));
      for (const table of inTurn) {
        const value = now[table]?.[product]?.[of] ?? null;
        if (value === (known.get(table) ?? null)) continue;
        known.set(table, value);
        declared = { value, by: table };
      }
    }
    const counts = new Map<string | number, number>();
    for (const view of views)
      if (view.product === product && view.day === day) counts.set(view[of], (counts.get(view[of]) ?? 0) + 1);
    const usual = [...counts].sort((a, b) =>
      of === "name" ? (a[0] < b[0] ? 1 : -1) : b[1] - a[1] || Number(a[0]) - Number(b[0]),
    )[0]?.[0];
    const [value, by] = declared.value === null ? [usual, "events"] : [declared.value, declared.by];
    if (value !== undefined && value !== history.at(-1)?.[0]) history.push([value, day, by]);
  }
  return history;
};

test("what a source says of a product goes over what was learned, from the day of the run that found it", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(look, { minLength: LOOK_DAYS.length, maxLength: LOOK_DAYS.length }),
      fc.array(viewed, { minLength: 10, maxLength: 30 }),
      async (looks, views) => {
        const lake = await curatedLakeOf(
          views.map(({ day, product, name, price }, index) =>
            StreamEvent.parse({
              ...common(index),
              ...{ kind: "product_viewed", occurred_at: new Date(atDay(day) + index * 1_000).toISOString() },
              ...{ product_id: product, product_name: name, unit_price: price },
            }),
          ),
        );
        await write(lake, productDays, {});
        for (const [at, day] of LOOK_DAYS.entries()) {
          const now = looks[at];
          for (const [table, rows] of Object.entries(now ?? {})) await fill(lake, rows, table);
          const told = now === undefined ? undefined : Object.keys(now).map((table) => toldTable(table, day));
          const parameters = { cutoff: new Date(atDay(day)).toISOString(), documents: { told } };
          await write(lake, catalogueValues, parameters);
          await write(lake, catalogueValues, parameters); // a run that is made again finds the same
        }
        for (const table of [productHistory, productPrices, productCatalogue]) await write(lake, table, {});
        for (const table of [catalogueValues, productHistory, productPrices, productCatalogue])
          assert.deepEqual(await brokenPromises(lake, table), []);
        const day = `date_diff('day', DATE '2024-01-01', from_day) AS day`;
        for (const product of products) {
          const own = `source = 'shop' AND product_id = '${product}'`;
          const spans = await rowsOf(
            lake,
            `SELECT value, ${day}, told_by FROM product_history WHERE ${own} AND attribute = 'name' ORDER BY from_day`,
          );
          const names = plainHistory(looks, views, product, "name");
          assert.deepEqual(spans.map(Object.values), names);
          const prices = await rowsOf(
            lake,
            `SELECT price::DOUBLE AS price, ${day}, told_by FROM product_prices WHERE ${own} AND currency = 'EUR' ORDER BY from_day`,
          );
          assert.deepEqual(prices.map(Object.values), plainHistory(looks, views, product, "price"));
          const last = looks.findLast((one) => one !== undefined);
          const [row] = await rowsOf(
            lake,
            `SELECT name, name_told_by, date_diff('day', DATE '2024-01-01', name_since) AS since, listed_by FROM product_catalogue WHERE ${own}`,
          );
          const listed = tables.filter((table) => last?.[table]?.[product] !== undefined).at(-1) ?? null;
          const [name, since, by] = names.at(-1) ?? [null, null, null];
          if (row === undefined) assert.deepEqual([name, listed], [null, null]);
          else assert.deepEqual(Object.values(row), [name, by, since, listed]);
        }
        lake.closeSync();
      },
    ),
    { seed: 20_261_122, numRuns: 12 },
  );
});

// ── customers ──────────────────────────────────────────────────────────────────────────────────────────────────────

test("a customer's attributes come from events and tables alike, each with who said so and when; the latest stands", async () => {
  const lake = await curatedLakeOf([
    StreamEvent.parse({
      ...common(1),
      ...{ kind: "identify", customer_key: "cus_1", occurred_at: new Date(atDay(4)).toISOString() },
      traits: '{"tier":"gold"}',
    }),
  ]);
  const told: ToldTable = {
    ...{ table: "source_people", maps: "profiles", source: "shop", toldAt: "updated_at", besides: ["id"] },
    columns: {
      ...{ id: "bigint", customer_key: "string", country: "string", tier: "string", points: "int" },
      ...{ born: "date", updated_at: "timestamp" },
    },
    loadedAtMs: atDay(9),
  };
  const look = async (day: number, rows: string): Promise<void> => {
    await lake.run(
      `CREATE OR REPLACE TABLE source_people AS SELECT * FROM (VALUES ${rows}) AS t(id, customer_key, country, tier, points, born, updated_at)`,
    );
    await write(lake, profileValues, { cutoff: new Date(atDay(day)).toISOString(), documents: { told: [told] } });
  };
  await look(
    8,
    `(1, 'cus_1', 'DE', 'silver', 5, DATE '1990-02-03', TIMESTAMP '2024-01-02 10:00:00.123456'),
     (2, 'cus_2', 'FR', NULL, 7, NULL, TIMESTAMP '2024-01-03 00:00:00')`,
  );
  await look(
    10,
    `(1, 'cus_1', 'AT', 'silver', 5, DATE '1990-02-03', TIMESTAMP '2024-01-10 00:00:00'),
     (3, 'cus_3', 'FR', NULL, NULL, NULL, TIMESTAMP '2024-01-10 00:00:00')`,
  );
  for (const table of [sessions, identityLinks, identityKeys, identityChanges, unifiedCustomers])
    await write(lake, table, {});
  await write(lake, customerAttributes, { documents: { traits: ["tier"] } });
  for (const table of [profileValues, customerAttributes, unifiedCustomers])
    assert.deepEqual(await brokenPromises(lake, table), []);
  const attributes = await rowsOf(
    lake,
    `SELECT customer_key AS who, attribute, source, value, CAST(occurred_at AS VARCHAR) AS at, stands, sources_differ AS differ
     FROM customer_attributes ORDER BY ALL`,
  );
  const people = "source_people";
  assert.deepEqual(attributes.map(Object.values), [
    ["cus_1", "country", people, "AT", "2024-01-10 00:00:00", true, false],
    ["cus_1", "trait.born", people, "1990-02-03", "2024-01-02 10:00:00.123", true, false],
    ["cus_1", "trait.points", people, "5", "2024-01-02 10:00:00.123", true, false],
    ["cus_1", "trait.tier", "shop", "gold", "2024-01-05 00:00:00", true, true],
    ["cus_1", "trait.tier", people, "silver", "2024-01-02 10:00:00.123", false, true],
    ["cus_3", "country", people, "FR", "2024-01-10 00:00:00", true, false],
  ]);
  assert.deepEqual(
    await rowsOf(lake, "SELECT customer_key, profiles, orders, first_seen_at FROM unified_customers ORDER BY 1"),
    [
      { customer_key: "cus_1", profiles: 1, orders: 0, first_seen_at: "2024-01-05 00:00:00" },
      { customer_key: "cus_3", profiles: 1, orders: 0, first_seen_at: null },
    ],
  );
  lake.closeSync();
});
