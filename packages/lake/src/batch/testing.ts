/** For tests: batch tables in a DuckDB, written by their own SQL as a run writes them. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import type { StreamEvent } from "@ebb/core/stream-event";
import type { DuckDBConnection } from "@duckdb/node-api";
import { type BatchParameters, type BatchTable, renderBatch } from "../batch-table.ts";
import { type ScalarType, duckdbType } from "../columns.ts";
import { duckdb } from "../dialect.ts";
import { lakeOf, rowsOf } from "../testing.ts";
import { botDays } from "./bot-days.ts";
import { curatedTables } from "./curated.ts";
import { repeatedOrders } from "./repeated-orders.ts";

const exists = async (lake: DuckDBConnection, name: string): Promise<boolean> =>
  (await rowsOf(lake, `SELECT 1 AS one FROM duckdb_tables() WHERE table_name = '${name}'`)).length > 0;

/** Writes a table as the contract says: whole, or the partitions that its rows or its parameters name. */
export const write = async (lake: DuckDBConnection, table: BatchTable, parameters: BatchParameters): Promise<void> => {
  const sql = renderBatch(table, duckdb, parameters);
  if (table.reads.includes(table.name) && !(await exists(lake, table.name))) await writeEmpty(lake, table);
  if (table.partitionedBy === undefined || !(await exists(lake, table.name))) {
    await lake.run(`CREATE OR REPLACE TABLE ${table.name} AS ${sql}`);
    return;
  }
  const partition = table.partitionedBy;
  const named =
    partition === "month"
      ? (parameters.months ?? [])
      : [...(parameters.cutoff === undefined ? [] : [parameters.cutoff.slice(0, 10)])];
  await lake.run(`CREATE OR REPLACE TEMP TABLE written AS ${sql}`);
  await lake.run(
    `DELETE FROM ${table.name} WHERE ${partition} IN (SELECT ${partition} FROM written) OR list_contains([${named.map((one) => `'${one}'`).join(", ")}]::VARCHAR[], ${partition})`,
  );
  await lake.run(`INSERT INTO ${table.name} SELECT * FROM written`);
};

/** A table before its first run. */
export const writeEmpty = async (lake: DuckDBConnection, { name, columns }: BatchTable): Promise<void> => {
  const typed = Object.entries(columns).map(
    ([column, { type }]) => `${column} ${duckdbType({ type: type as ScalarType })}`,
  );
  await lake.run(`CREATE TABLE ${name} (${typed.join(", ")})`);
};

/** `raw_events` with the views over it, the erased customers, and the curated tables. */
export const curatedLakeOf = async (
  events: readonly StreamEvent[],
  erased: readonly string[] = [],
): Promise<DuckDBConnection> => {
  const lake = await lakeOf(events);
  await lake.run(
    `CREATE TABLE erased_customers AS SELECT unnest([${erased.map((key) => `'${key}'`).join(", ")}]::VARCHAR[]) AS customer_key`,
  );
  for (const table of [...curatedTables, botDays, repeatedOrders]) await write(lake, table, {});
  return lake;
};

/** The promises of a table that its rows break, by name. */
export const brokenPromises = async (lake: DuckDBConnection, table: BatchTable): Promise<string[]> => {
  const broken: string[] = [];
  for (const [promise, sql] of Object.entries(table.tests))
    if ((await rowsOf(lake, sql)).length > 0) broken.push(`${table.name}: ${promise}`);
  return broken;
};

/** More raw events, landed on a later day. */
export const landMore = async (lake: DuckDBConnection, events: readonly StreamEvent[], dt: string): Promise<void> => {
  const other = await lakeOf(events);
  const folder = mkdtempSync(path.join(tmpdir(), "ebb-batch-"));
  const file = path.join(folder, "events.parquet");
  try {
    await other.run(`COPY raw_events TO '${file}' (FORMAT parquet)`);
    await lake.run(`INSERT INTO raw_events SELECT * REPLACE ('${dt}' AS dt) FROM read_parquet('${file}')`);
  } finally {
    rmSync(folder, { recursive: true });
  }
};

/** Months of the UTC days that a SELECT of one column `day` answers. */
export const monthsOf = async (lake: DuckDBConnection, days: string): Promise<string[]> => {
  const rows = await rowsOf(lake, `SELECT DISTINCT substr(day, 1, 7) AS month FROM (${days}) ORDER BY month`);
  return rows.map((row) => String(row["month"]));
};
