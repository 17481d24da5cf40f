/** What a person is given of the tables that declared sources fill: their rows, and the lines of their orders. */
import assert from "node:assert/strict";
import path from "node:path";
import { after, before, test } from "node:test";
import { EmbeddedCustomerStore } from "@ebb/ports/embedded/customer-store";
import { EmbeddedScoreStore } from "@ebb/ports/embedded/score-store";
import type { Row, SourceTable } from "@ebb/ports/source-ports";
import { fillSource } from "../../../../test/support/filled-source.ts";
import { type MartLake, ask, martLake } from "../../../../test/support/mart-lake.ts";
import { memoryPorts } from "../../../../test/support/memory-ports.ts";
import { parseSources } from "../collect/sources.ts";
import { make } from "./customer-export.ts";

const keyOf = (id: string) => memoryPorts().pseudonyms.customer(id);
const shop = { connection: "shop", key: ["no"], mode: "snapshot" };
const fields = { order_id: "no", customer_id: "who", occurred_at: "at", status: "state", total: "total" };
const sources = parseSources({
  connections: { shop: { kind: "postgres", host: "127.0.0.1", database: "shop", user: "reader" } },
  sources: [
    {
      ...shop,
      ...{ name: "orders", maps: "orders", table: "orders", currency: "EUR", fields },
      lines: { table: "items", order: "order_no", key: ["item"], fields: { product_id: "sku" } },
    },
    { ...shop, name: "people", maps: "profiles", table: "people", key: ["who"], fields: { customer_id: "who" } },
    { ...shop, name: "goods", maps: "products", table: "goods", fields: { product_id: "no" } },
  ],
});
const columns = (types: Readonly<Record<string, "string" | "int" | "timestamp">>): SourceTable["columns"] =>
  Object.entries(types).map(([name, type]) => ({ name, type }));
const orders: SourceTable = {
  name: "source_orders",
  columns: columns({
    order_id: "int",
    customer_key: "string",
    occurred_at: "timestamp",
    status: "string",
    total: "int",
  }),
  key: ["order_id"],
};
const items: SourceTable = {
  name: "source_orders_lines",
  columns: columns({ item: "int", order_no: "int", product_id: "string" }),
  key: ["item"],
};
const goods: SourceTable = { name: "source_goods", columns: columns({ product_id: "string" }), key: ["product_id"] };

const filled = new Map([orders, items, goods].map((table) => [table.name, table.columns]));
const order = (no: number, id: string | null): Row => [
  String(no),
  id === null ? null : keyOf(id),
  "2026-05-01 10:00:00",
  "paid",
  "1250",
];
let lake: MartLake;
let customers: EmbeddedCustomerStore;
let scores: EmbeddedScoreStore;
before(async () => {
  lake = await martLake("2026-06-01", []);
  const home = path.dirname(lake.folder);
  [customers, scores] = [new EmbeddedCustomerStore(home), new EmbeddedScoreStore(home)];
  const placed = [order(1, "ada"), order(2, "bob"), order(3, "ada"), order(4, null)];
  const sold = [10, 11, 20, 30, 40].map((item): Row => [String(item), String(Math.floor(item / 10)), `sku ${item}`]);
  await fillSource(lake.folder, orders, placed, {
    table: items,
    rows: sold,
    parent: "order_no",
    parentKey: "order_id",
  });
  await fillSource(lake.folder, goods, [["sku 10"]]);
});
after(async () => {
  customers.close();
  scores.close();
  await lake.close();
});

const exported = (id: string, columnsOf: (table: string) => SourceTable["columns"] | undefined) => {
  const catalogued = async () => ({
    sources,
    columnsOf: async (table: string) => {
      const known = columnsOf(table);
      return known && Object.fromEntries(known.map(({ name, type }) => [name, type]));
    },
    loadedAtMs: async () => 1,
  });
  const keys = { find: async () => ({ id: "trust", scopes: ["export" as const], source: "shop" }) };
  const address = `/v1/customers/${id}/export`;
  return ask(make({ ...lake.ports, keys, customers, scores, catalogued }), address, {}, { pathParameters: { id } });
};

test("a person is given their rows and the lines of their orders, and nobody else's", async () => {
  const { status, body } = await exported("ada", (table) => filled.get(table));
  assert.equal(status, 200);
  const row = (no: number) => ({
    order_id: no,
    customer_key: keyOf("ada"),
    occurred_at: "2026-05-01 10:00:00",
    status: "paid",
    total: 1250,
  });
  const told = body["sources"] as { table: string; rows: Record<string, unknown>[]; more: boolean }[];
  assert.deepEqual(
    told.map(({ table, rows, more }) => ({ table, more, rows: rows.length })),
    [
      { table: "source_orders", more: false, rows: 2 },
      { table: "source_orders_lines", more: false, rows: 3 },
    ],
  );
  const by = (name: string) => (a: Record<string, unknown>, b: Record<string, unknown>) =>
    Number(a[name]) - Number(b[name]);
  assert.deepEqual(told[0]!.rows.toSorted(by("order_id")), [row(1), row(3)]);
  assert.deepEqual(told[1]!.rows.toSorted(by("item")), [
    { item: 10, order_no: 1, product_id: "sku 10" },
    { item: 11, order_no: 1, product_id: "sku 11" },
    { item: 30, order_no: 3, product_id: "sku 30" },
  ]);
});

test("a table that no load has filled yet is left out; of who is in none nothing is kept", async () => {
  const { body } = await exported("ada", (table) => (table === items.name ? undefined : filled.get(table)));
  assert.deepEqual(
    (body["sources"] as { table: string }[]).map(({ table }) => table),
    ["source_orders"],
  );
  assert.equal((await exported("eve", (table) => filled.get(table))).status, 404);
});
