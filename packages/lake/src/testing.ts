/** For tests: events in a DuckDB table `raw_events`, with the views over it. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import type { StreamEvent } from "@ebb/core/stream-event";
import { type DuckDBConnection, DuckDBInstance } from "@duckdb/node-api";
import { duckdbJsonColumns } from "./raw-events.ts";
import { duckdbViews } from "./views.ts";

export const lakeOf = async (events: readonly StreamEvent[]): Promise<DuckDBConnection> => {
  const instance = await DuckDBInstance.create(":memory:", { threads: "1" });
  const connection = await instance.connect();
  const folder = mkdtempSync(path.join(tmpdir(), "ebb-lake-"));
  try {
    const file = path.join(folder, "events.ndjson");
    writeFileSync(file, events.map((event) => `${JSON.stringify(event)}\n`).join(""));
    await connection.run(
      `CREATE TABLE raw_events AS SELECT *, '2026-01-01' AS dt, '00' AS hour
       FROM read_json('${file}', format = 'newline_delimited', columns = ${duckdbJsonColumns()})`,
    );
  } finally {
    rmSync(folder, { recursive: true });
  }
  for (const view of duckdbViews()) await connection.run(`CREATE VIEW ${view.name} AS ${view.sql}`);
  return connection;
};

/** Rows as objects; integers as numbers, decimals, dates and timestamps as DuckDB writes them. */
export const rowsOf = async (connection: DuckDBConnection, sql: string): Promise<Record<string, unknown>[]> => {
  const reader = await connection.runAndReadAll(sql);
  return reader
    .getRowObjects()
    .map((row) =>
      Object.fromEntries(
        Object.entries(row).map(([name, value]) => [
          name,
          typeof value === "bigint"
            ? Number(value)
            : value !== null && typeof value === "object"
              ? String(value)
              : value,
        ]),
      ),
    );
};
