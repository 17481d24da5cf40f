/** What a table holds that a source has filled: what is missing, and where its numbers lie. */
import type { DuckDBConnection } from "@duckdb/node-api";
import { heldOf, measuredColumns, momentsSql } from "../held-columns.ts";
import type { HeldColumn, SourceTable } from "../source-ports.ts";
import { quoted } from "./parquet-conversion.ts";

/** Missing values stand in the files' footers; numbers alone are read. */
export const heldColumns = async (
  connection: DuckDBConnection,
  files: readonly string[],
  table: SourceTable,
  rows: number,
): Promise<readonly HeldColumn[]> => {
  const list = `[${files.map(quoted).join(", ")}]`;
  const nulls = await connection.runAndReadAll(
    `SELECT path_in_schema, sum(stats_null_count)::BIGINT FROM parquet_metadata(${list}) GROUP BY 1`,
  );
  const missing = new Map(nulls.getRows().map(([name, count]) => [String(name), Number(count ?? 0)]));
  const moments = measuredColumns(table).map((name) => momentsSql(`"${name}"`));
  const [values = []] =
    moments.length === 0
      ? []
      : (await connection.runAndReadAll(`SELECT ${moments.join(", ")} FROM read_parquet(${list})`)).getRows();
  return heldOf(table, rows, (name) => missing.get(name) ?? 0, values);
};
