/** Tables that declared sources fill are part of what a run makes of products and customers. */
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import path from "node:path";
import test from "node:test";
import { loadRows } from "@ebb/functions/collect/sources/load";
import { curate } from "@ebb/functions/model/steps/curate";
import { unify } from "@ebb/functions/model/steps/unify";
import { SOURCES_FILE, readSources } from "@ebb/home/source-files";
import { toldTables } from "@ebb/home/told-tables";
import { makeHistory } from "@ebb/lake/batch/history";
import type { RowReader, SourceField } from "@ebb/ports/source-ports";
import { readerOf } from "../sources/fixed-reader.ts";
import { openPorts } from "../sources/ports.ts";
import { smallLake } from "../model/small-lake.ts";

const ARRIVED_MS = Date.UTC(2024, 2, 1);
const declaration = {
  connections: { shop: { kind: "postgres", host: "127.0.0.1", database: "shop", user: "reader" } },
  sources: [
    {
      ...{ name: "goods", connection: "shop", maps: "products", table: "goods", key: ["sku"], mode: "snapshot" },
      fields: { product_id: "sku", name: "title", category: "shelf", price: "price" },
      currency: "EUR",
    },
    {
      ...{ name: "people", connection: "shop", maps: "profiles", table: "people", key: ["no"], mode: "snapshot" },
      fields: { customer_id: "login" },
      keep: ["tier"],
      personal: ["email"],
    },
    {
      ...{ name: "never_loaded", connection: "shop", maps: "products", table: "more", key: ["sku"], mode: "snapshot" },
      fields: { product_id: "sku" },
    },
  ],
};

const text = (name: string): SourceField => ({ name, type: "text", lake: "string" });
test("a run takes products and customers from declared sources that were loaded, and says from where", async (context) => {
  const lake = await smallLake(context);
  writeFileSync(path.join(lake.folder, SOURCES_FILE), JSON.stringify(declaration));
  const ports = await openPorts(lake.folder);
  context.after(() => ports.close());
  const [goods, people] = readSources(lake.folder);
  const load = async (source: typeof goods, reader: RowReader): Promise<void> => {
    if (source?.kind !== "relational") throw new Error("not relational");
    await loadRows(ports, source.spec, reader, { owner: "test", remainingMs: () => Infinity });
  };
  const fields = [text("sku"), text("title"), text("shelf"), { ...text("price"), lake: "decimal(10,2)" as const }];
  const loadGoods = (price: string): Promise<void> =>
    load(
      goods,
      readerOf(fields, [
        ["tea-7", "Green tea", "Tea", price],
        ["pot", null, "Ware", null],
      ]),
    );
  await loadGoods("4.50");
  const no = { ...text("no"), lake: "bigint" as const };
  await load(
    people,
    readerOf([no, text("login"), text("tier"), text("email")], [["1", "ada", "gold", "a@example.com"]]),
  );

  const told = await toldTables(lake.folder);
  assert.deepEqual(
    told?.map(({ table, maps, currency, besides }) => ({ table, maps, currency, besides })),
    [
      { table: "source_goods", maps: "products", currency: "EUR", besides: [] },
      { table: "source_people", maps: "profiles", currency: undefined, besides: ["no"] },
    ],
  );
  assert.equal(told[0]!.columns["price"], "decimal(10,2)");

  await lake.land(makeHistory({ seed: 12, customers: 10 }), ARRIVED_MS);
  const runPorts = { ...lake.ports, toldTables: () => toldTables(lake.folder) };
  const run = async (startedAtMs: number): Promise<void> => {
    const { steps, plan } = await lake.begin({ asOf: "2024-02-01", startedAtMs }, runPorts);
    await curate(steps, plan, runPorts);
    await unify(steps, plan, runPorts);
  };
  await run(Date.UTC(2026, 0, 10));
  await loadGoods("5.00");
  await run(Date.UTC(2026, 0, 12));
  assert.deepEqual(
    await lake.rows(
      "SELECT name, name_told_by, category, listed_by, told FROM product_catalogue WHERE product_id IN ('tea-7', 'pot')",
    ),
    [
      '{"name":"Green tea","name_told_by":"source_goods","category":"Tea","listed_by":"source_goods","told":0}',
      '{"name":null,"name_told_by":null,"category":"Ware","listed_by":"source_goods","told":0}',
    ],
  );
  assert.deepEqual(
    await lake.rows(
      "SELECT product_id, price, previous_price, until_day IS NULL AS last FROM product_prices WHERE told_by = 'source_goods'",
    ),
    ['{"product_id":"tea-7","price":5.000000,"previous_price":null,"last":true}'],
    "both were loaded on one day: the later counts",
  );
  const ada = ports.pseudonyms.customer("ada");
  assert.deepEqual(
    await lake.rows(`SELECT attribute, value, source, stands FROM customer_attributes WHERE customer_key = '${ada}'`),
    ['{"attribute":"trait.tier","value":"gold","source":"source_people","stands":true}'],
  );
  assert.deepEqual(await lake.rows(`SELECT profiles FROM unified_customers WHERE customer_key = '${ada}'`), [
    '{"profiles":1}',
  ]);

  writeFileSync(path.join(lake.folder, SOURCES_FILE), "{");
  await run(Date.UTC(2026, 0, 13));
  assert.equal(
    (await lake.rows("SELECT 1 FROM product_catalogue WHERE listed_by = 'source_goods'")).length,
    2,
    "unreadable: it stands",
  );
  writeFileSync(path.join(lake.folder, SOURCES_FILE), JSON.stringify({ ...declaration, sources: [] }));
  await run(Date.UTC(2026, 0, 14));
  assert.deepEqual(await lake.rows("SELECT 1 FROM product_catalogue WHERE listed_by IS NOT NULL"), []);
  assert.deepEqual(await lake.rows(`SELECT 1 FROM unified_customers WHERE customer_key = '${ada}'`), []);
});
