/** The tables of the lake as a DuckDB connection sees them: raw events, the views over them, and what runs have written. */
import { existsSync } from "node:fs";
import path from "node:path";
import { duckdbEmptyTable } from "@ebb/lake/raw-events";
import { duckdbViews } from "@ebb/lake/views";
import type { DuckDBConnection } from "@duckdb/node-api";
import { type StoredTable, batchTables } from "./batch-manifest.ts";
import { COLUMNS_ID, LAKE_MANIFEST_FILE, type LakeFile, LakeManifest } from "./lake-manifest.ts";
import { quoted } from "./parquet-conversion.ts";

/** Folders of the lake that hold its files: a connection needs no other. */
export const lakeFolders = (folder: string): string[] => [path.join(folder, "raw_events"), path.join(folder, "tables")];

/**
 * Run on every DuckDB that reads these tables. max() of a partition column fails in DuckDB 1.5.5 where a filter leaves one
 * file ("Attempted to access index n within vector of size n"): its statistics know the file's columns alone.
 */
export const WITHOUT_BROKEN_STATISTICS = "SET GLOBAL disabled_optimizers = 'statistics_propagation'";

/**
 * Defines everything over the files of this moment, for this connection alone. Who was erased is known to the runs alone
 * (they leave a table); before the first nobody is.
 */
export const defineTables = async (connection: DuckDBConnection, folder: string): Promise<void> => {
  await connection.run(`CREATE OR REPLACE TEMP VIEW raw_events AS ${rawEventsSql(folder, filesOf(folder))}`);
  for (const view of duckdbViews()) await connection.run(`CREATE OR REPLACE TEMP VIEW ${view.name} AS ${view.sql}`);
  await connection.run(
    "CREATE OR REPLACE TEMP VIEW erased_customers AS SELECT NULL::VARCHAR AS customer_key WHERE false",
  );
  for (const table of batchTables(folder)) await defineTable(connection, folder, table);
};

export const defineTable = async (connection: DuckDBConnection, folder: string, table: StoredTable): Promise<void> => {
  await connection.run(`CREATE OR REPLACE TEMP VIEW "${table.name}" AS ${tableSql(folder, table)}`);
};

const filesOf = (folder: string): LakeFile[] => {
  if (!existsSync(path.join(folder, LAKE_MANIFEST_FILE))) return [];
  const manifest = new LakeManifest(folder, { readOnly: true });
  try {
    return manifest.files();
  } finally {
    manifest.close();
  }
};

const listOf = (folder: string, paths: readonly string[]): string =>
  `[${paths.map((name) => quoted(path.join(folder, name))).join(", ")}]`;

const rawEventsSql = (folder: string, files: readonly LakeFile[]): string => {
  if (files.length === 0) return duckdbEmptyTable();
  const list = listOf(
    folder,
    files.map((file) => file.path),
  );
  const partitions = "hive_partitioning = true, hive_types = {'dt': VARCHAR, 'hour': VARCHAR}";
  if (files.every((file) => file.columns === COLUMNS_ID)) return `SELECT * FROM read_parquet(${list}, ${partitions})`;
  // Files of an older release lack columns: the typed empty table says what they are.
  return `${duckdbEmptyTable()} UNION ALL BY NAME SELECT * FROM read_parquet(${list}, ${partitions}, union_by_name = true)`;
};

const tableSql = (folder: string, { columns, partition, files, uniform }: StoredTable): string => {
  const empty = `SELECT ${columns.map(({ name, type }) => `NULL::${type} AS "${name}"`).join(", ")} WHERE false`;
  if (files.length === 0) return empty;
  const partitions =
    partition === undefined
      ? "hive_partitioning = false"
      : `hive_partitioning = true, hive_types = {'${partition}': VARCHAR}`;
  const names = columns.map(({ name }) => `"${name}"`).join(", ");
  if (uniform) return `SELECT ${names} FROM read_parquet(${listOf(folder, files)}, ${partitions})`;
  return `${empty} UNION ALL BY NAME SELECT * FROM read_parquet(${listOf(folder, files)}, ${partitions}, union_by_name = true)`;
};
