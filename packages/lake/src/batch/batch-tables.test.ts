import assert from "node:assert/strict";
import test from "node:test";
import { cutPointsOf, parseSegmentConfiguration } from "@ebb/core/segments";
import type { DuckDBConnection } from "@duckdb/node-api";
import fc from "fast-check";
import { type BatchParameters, renderBatch } from "../batch-table.ts";
import { duckdb, spark, trino } from "../dialect.ts";
import { rowsOf } from "../testing.ts";
import { batchTables } from "./batch-tables.ts";
import { ANY_MONTH, ofMonth } from "./literals.ts";
import { orderFacts } from "./order-facts.ts";
import { makeHistory } from "./history.ts";
import { brokenPromises, curatedLakeOf, write } from "./testing.ts";
import { toldSamples, toldSelects } from "./told-samples.ts";

const configuration = parseSegmentConfiguration({});

/** A run as the workflow makes it: cut points come from what the run itself found. */
const run = async (lake: DuckDBConnection, cutoff: string, told = toldSamples): Promise<BatchParameters> => {
  let parameters: BatchParameters = {
    cutoff,
    horizonDays: 90,
    documents: { segmentConfiguration: configuration, told },
  };
  for (const [name, sql] of Object.entries(toldSelects(duckdb)))
    await lake.run(`CREATE OR REPLACE TABLE ${name} AS ${sql}`);
  for (const table of batchTables) {
    if (table.name === "customer_segments") {
      const rows = await rowsOf(
        lake,
        "SELECT orders, monetary_minor, epoch_ms(last_order_at) AS last FROM rfm_base WHERE orders > 0",
      );
      const column = (name: string): number[] => rows.map((row) => Number(row[name]));
      const cutPoints = cutPointsOf(
        { lastOrderAtMs: column("last"), orders: column("orders"), monetaryMinor: column("monetary_minor") },
        configuration,
        { asOfMs: Date.parse(cutoff), version: cutoff },
      );
      parameters = { ...parameters, documents: { ...parameters.documents, cutPoints } };
    }
    await write(lake, table, table.partitionedBy === "month" ? {} : parameters);
  }
  return parameters;
};

const duckdbNames: Record<string, string> = {
  VARCHAR: "string",
  INTEGER: "int",
  BIGINT: "bigint",
  DOUBLE: "double",
  BOOLEAN: "boolean",
  TIMESTAMP: "timestamp",
  DATE: "date",
};

const assertDeclared = async (lake: DuckDBConnection): Promise<void> => {
  for (const { name, columns } of batchTables) {
    const actual = (await rowsOf(lake, `DESCRIBE ${name}`)).map((row) => {
      const type = String(row["column_type"]);
      return `${String(row["column_name"])} ${duckdbNames[type] ?? (type.endsWith("[]") ? "list" : type.toLowerCase())}`;
    });
    const declared = Object.entries(columns).map(
      ([column, { type }]) => `${column} ${typeof type === "string" ? type : "list"}`,
    );
    assert.deepEqual(actual, declared, name);
  }
};

test("every table keeps its promises, and has the columns and types that it declares", async () => {
  const lake = await curatedLakeOf(makeHistory({ seed: 11, customers: 150 }));
  for (const cutoff of ["2024-06-01T00:00:00.000Z", "2024-09-01T00:00:00.000Z"]) {
    await run(lake, cutoff);
    for (const table of batchTables) assert.deepEqual(await brokenPromises(lake, table), []);
  }
  await assertDeclared(lake);
  for (const { name } of batchTables)
    assert.ok((await rowsOf(lake, `SELECT 1 AS one FROM ${name}`)).length > 0, `${name} has no rows`);
});

test("on an empty lake every table is there, without rows", async () => {
  const lake = await curatedLakeOf([]);
  await run(lake, "2024-06-01T00:00:00.000Z", []);
  await assertDeclared(lake);
  for (const { name } of batchTables) assert.deepEqual(await rowsOf(lake, `SELECT * FROM ${name}`), [], name);
});

test("the key of every table identifies its rows", async () => {
  const lake = await curatedLakeOf(makeHistory({ seed: 12, customers: 100 }));
  await run(lake, "2024-09-01T00:00:00.000Z");
  for (const { name, key } of batchTables)
    assert.deepEqual(
      await rowsOf(lake, `SELECT ${key.join(", ")} FROM ${name} GROUP BY ${key.join(", ")} HAVING count(*) > 1`),
      [],
      name,
    );
});

test("a table that may be written a month after the other has the same rows in that way", async () => {
  const byMonth = batchTables.filter(({ monthsSql }) => monthsSql !== undefined);
  assert.deepEqual(byMonth.map(({ name }) => name).sort(), ["curated_order_events", "product_sales_daily"]);
  const histories = fc.array(fc.integer({ min: 1, max: 1_000_000 }), { minLength: 1, maxLength: 2 });
  await fc.assert(
    fc.asyncProperty(histories, fc.integer({ min: 1, max: 5 }), async (seeds, every) => {
      const events = seeds.flatMap((seed) => makeHistory({ seed, customers: 25 }));
      const again = events
        .filter((_, index) => index % every === 0)
        .map((event) => ({ ...event, receipt_id: "rcp_z" }));
      // An event told again as of another time may lie in another month.
      const restated = again.map((event) => ({ ...event, occurred_at: "2024-07-31T23:59:59.999Z" }));
      const lake = await curatedLakeOf([...events, ...again, ...restated.slice(0, 20)]);
      await write(lake, orderFacts, { cutoff: "2024-09-01T00:00:00.000Z" });
      for (const table of byMonth) {
        const parameters = { cutoff: "2024-09-01T00:00:00.000Z" };
        const months = (await rowsOf(lake, table.monthsSql!(duckdb))).map(({ month }) => String(month));
        const ofAny = renderBatch(table, duckdb, { ...parameters, months: [ANY_MONTH] });
        const columns = Object.keys(table.columns).join(", ");
        await lake.run(
          `CREATE OR REPLACE TABLE in_turn AS ${months
            .map((month) => `SELECT ${columns}, '${month}' AS asked FROM (${ofMonth(ofAny, month)})`)
            .join(" UNION ALL ")}`,
        );
        await lake.run(`CREATE OR REPLACE TABLE at_once AS ${renderBatch(table, duckdb, parameters)}`);
        const same = `SELECT ${columns} FROM`;
        assert.ok((await rowsOf(lake, "SELECT 1 AS one FROM at_once LIMIT 1")).length > 0);
        assert.deepEqual(await rowsOf(lake, `${same} in_turn EXCEPT ALL ${same} at_once`), [], table.name);
        assert.deepEqual(await rowsOf(lake, `${same} at_once EXCEPT ALL ${same} in_turn`), [], table.name);
        assert.deepEqual(await rowsOf(lake, "SELECT month FROM in_turn WHERE month <> asked"), [], table.name);
      }
      lake.closeSync();
    }),
    { seed: 20261123, numRuns: 8 },
  );
});

test("every table is written after those it reads, and reads no other", () => {
  const known = new Set(["raw_events", "erased_customers"]);
  for (const table of batchTables) {
    for (const name of table.reads) assert.ok(known.has(name) || name === table.name, `${table.name} reads ${name}`);
    for (const dialect of [duckdb, spark, trino]) {
      const sql = renderBatch(table, dialect, {
        cutoff: "2024-06-01T00:00:00.000Z",
        horizonDays: 90,
        documents: {
          cutPoints: { version: "1", recencyAtMs: [1, 2, 3, 4], frequency: [1, 2, 3, 4], monetaryMinor: [1, 2, 3, 4] },
        },
      });
      assert.match(sql, /^-- one row per [^\n]+\n(WITH|SELECT)\b/, table.name);
      const named = new Set([...sql.matchAll(/\b(?:FROM|JOIN) ([a-z_]+)/g)].map((match) => match[1]!));
      const others = [...batchTables.map(({ name }) => name), "raw_events", "erased_customers"];
      const read = others.filter((name) => named.has(name)).sort();
      assert.deepEqual(read, [...table.reads].sort(), `${table.name}, ${dialect.name}`);
    }
    known.add(table.name);
  }
});

test("a table that depends on what it is not told says so", () => {
  for (const table of batchTables)
    if (table.partitionedBy === "cutoff") assert.throws(() => renderBatch(table, duckdb, {}), RangeError, table.name);
});
