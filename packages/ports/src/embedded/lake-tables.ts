/** The tables of the lake as a DuckDB connection sees them: raw events, the views over them, and those that runs write. */
import { existsSync } from "node:fs";
import path from "node:path";
import { duckdbEmptyTable } from "@ebb/lake/raw-events";
import { duckdbViews } from "@ebb/lake/views";
import type { DuckDBConnection } from "@duckdb/node-api";
import { type StoredTable, batchTables } from "./batch-manifest.ts";
import { type Subject, setsOf } from "../erasure-ports.ts";
import { withDeclared } from "./declared-tables.ts";
import { ERASURES_FILE, EmbeddedErasures } from "./erasures.ts";
import { COLUMNS_ID, LAKE_MANIFEST_FILE, type LakeFile, LakeManifest } from "./lake-manifest.ts";
import { quoted } from "./parquet-conversion.ts";
import { SOURCES_FOLDER, sourceTables } from "./source-manifest.ts";

/** Folders of the lake that hold its files: a connection needs no other. */
export const lakeFolders = (folder: string): string[] =>
  ["raw_events", "tables", SOURCES_FOLDER].map((name) => path.join(folder, name));

/**
 * Run on every DuckDB that reads these tables. max() of a partition column fails in DuckDB 1.5.5 where a filter leaves one
 * file ("Attempted to access index n within vector of size n"): its statistics know the file's columns alone.
 */
export const WITHOUT_BROKEN_STATISTICS = "SET GLOBAL disabled_optimizers = 'statistics_propagation'";

/**
 * Defines the tables and views over the files of this moment, for this connection alone. `erased_customers` are those
 * whose erasure is under way: of others the files hold nothing.
 *
 * @param statements SQL that the connection is for: what none of it names, itself or by a view, is left out
 */
export const defineTables = async (
  connection: DuckDBConnection,
  folder: string,
  statements?: readonly string[],
): Promise<void> => {
  const erased = pendingErasures(folder);
  const named = statements === undefined ? undefined : namesIn(statements);
  const wanted = (name: string): boolean => named === undefined || named.has(name);
  const define = async (name: string, sql: () => string): Promise<void> => {
    if (wanted(name)) await connection.run(`CREATE OR REPLACE TEMP VIEW ${name} AS ${sql()}`);
  };
  await define("erased_customers", () => erasedSql(erased));
  await define("raw_events", () => withoutErasedSql(rawEventsSql(folder, rawFiles(folder)), RAW_PERSONS, erased));
  for (const view of duckdbViews()) await define(view.name, () => view.sql);
  for (const table of [...withDeclared(batchTables(folder)), ...sourceTables(folder)])
    if (wanted(table.name)) await defineTable(connection, folder, table, erased);
};

/** What the statements read from, and the views among it; many a column is called as a view is, and none is defined for it. */
const namesIn = (statements: readonly string[]): ReadonlySet<string> => {
  const names = new Set<string>();
  const add = (sql: string): void => {
    for (const [, name] of sql.matchAll(/\b(?:FROM|JOIN)\s+"?(\w+)/gi)) names.add(name!);
  };
  statements.forEach(add);
  // Each view stands after those it reads.
  for (const view of duckdbViews().toReversed()) if (names.has(view.name)) add(view.sql);
  return names;
};

export const defineTable = async (
  connection: DuckDBConnection,
  folder: string,
  table: StoredTable,
  erased: readonly Subject[] = pendingErasures(folder),
): Promise<void> => {
  const columns = table.columns.map(({ name }) => name);
  const sql = withoutErasedSql(tableSql(folder, table), columns, erased);
  await connection.run(`CREATE OR REPLACE TEMP VIEW "${table.name}" AS ${sql}`);
};

const [CUSTOMER, ANONYMOUS] = ["customer_key", "anonymous_key"];
const RAW_PERSONS = [CUSTOMER, ANONYMOUS];

/** People whose erasure is under way: their rows are in the files until it has rewritten them, and in no answer. */
const pendingErasures = (folder: string): Subject[] => {
  const home = path.dirname(folder);
  if (!existsSync(path.join(home, ERASURES_FILE))) return [];
  const erasures = new EmbeddedErasures(home);
  try {
    return erasures.pending();
  } finally {
    erasures.close();
  }
};

const keysSql = (keys: Iterable<string>): string => `unnest([${[...keys].map(quoted).join(", ")}]::VARCHAR[])`;

const erasedSql = (erased: readonly Subject[]): string => `SELECT ${keysSql(setsOf(erased).customers)} AS customer_key`;

/** The same rows but those of people who are being erased: the customer decides, the visitor where there is none. */
const withoutErasedSql = (sql: string, columns: readonly string[], erased: readonly Subject[]): string => {
  const [byCustomer, byVisitor] = [columns.includes(CUSTOMER), columns.includes(ANONYMOUS)];
  if (erased.length === 0 || (!byCustomer && !byVisitor)) return sql;
  const sets = setsOf(erased);
  const isIn = (column: string, keys: Iterable<string>): string =>
    `coalesce(${column} IN (SELECT ${keysSql(keys)}), false)`;
  const visit = byVisitor ? isIn(ANONYMOUS, [...sets.erased, ...sets.shared]) : "false";
  const gone = byCustomer
    ? `CASE WHEN ${CUSTOMER} IS NULL THEN ${visit} ELSE ${isIn(CUSTOMER, sets.erased)} END`
    : visit;
  return `SELECT * FROM (${sql}) WHERE NOT (${gone})`;
};

/** The files that make up `raw_events` at this moment. */
export const rawFiles = (folder: string): LakeFile[] => {
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
