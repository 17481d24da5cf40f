/** The SQL of a load's commit on DuckDB. */
import path from "node:path";
import type { SourceCommit, SourceTable, SourceType } from "../source-ports.ts";
import type { StoredColumn } from "./batch-manifest.ts";
import { parquetOptions, quoted } from "./parquet-conversion.ts";
import { stagedFormat } from "./source-text.ts";

const names: Readonly<Record<string, string>> = {
  string: "VARCHAR",
  int: "INTEGER",
  bigint: "BIGINT",
  double: "DOUBLE",
  boolean: "BOOLEAN",
  timestamp: "TIMESTAMP",
  date: "DATE",
};
/** Of every Parquet file of these tables. */
export const TABLE_OPTIONS = parquetOptions("snappy", 65_536);

export const duckdbTypeOf = (type: SourceType): string => names[type] ?? type.toUpperCase();
/** The type of a stored column in the words of a declaration. */
export const lakeTypeOf = (stored: string): string =>
  Object.entries(names).find(([, name]) => name === stored)?.[0] ?? stored.toLowerCase();

export interface Stored {
  readonly columns: readonly StoredColumn[];
  /** Where they lie. */
  readonly files: readonly string[];
}

/** The key columns, or something made of each. */
export const keySql = (
  table: SourceTable,
  of: (name: string) => string = (name) => `"${name}"`,
  between = ", ",
): string => table.key.map(of).join(between);

/** Conditions between `current_rows c` and `existing k`. */
export const sameKeys = (table: SourceTable): string => keySql(table, (name) => `c."${name}" = k."${name}"`, " AND ");

/** Staged text, by the paths of its parts, as typed rows and nothing else. */
const bareSql = (parts: readonly string[], table: SourceTable): string =>
  `SELECT ${typedSql(table)} FROM ${stagedFiles(parts, table)})`;

const typedSql = ({ columns }: SourceTable): string =>
  columns
    .map(({ name, type }) => {
      const cast = type === "timestamp" || type === "date" ? "TRY_CAST" : "CAST";
      return `${cast}("${name}" AS ${duckdbTypeOf(type)}) AS "${name}"`;
    })
    .join(", ");

const rawNames = (table: SourceTable): string[] => [
  ...table.columns.map(({ name }) => name),
  ...(table.marksDeleted === true ? ["__mark"] : []),
];

/** A table function without its closing bracket, for further options. */
const stagedFiles = (files: readonly string[], table: SourceTable): string => {
  const columns = rawNames(table)
    .map((name) => `${quoted(name)}: 'VARCHAR'`)
    .join(", ");
  return `read_csv([${files.map(quoted).join(", ")}], ${stagedFormat}, columns = {${columns}}`;
};

/**
 * Staged text as typed rows with `__part` (the part that brought it) and `__deleted`. No rows where no folder is given.
 * Instants that no calendar has are null already when they are staged; TRY_CAST is for those of a calendar of their own
 * (MySQL's ALLOW_INVALID_DATES).
 */
export const stagedSql = (folder: string | undefined, table: SourceTable): string => {
  const mark = table.marksDeleted === true ? "coalesce(__mark = 'true', false)" : "false";
  const typed = typedSql(table);
  if (folder === undefined) {
    const none = [...rawNames(table).map((name) => `NULL::VARCHAR AS "${name}"`), "0 AS __part"].join(", ");
    return `SELECT ${typed}, __part, ${mark} AS __deleted FROM (SELECT ${none} WHERE false)`;
  }
  const part = `CAST(regexp_extract(filename, '(\\d+)\\.tsv$', 1) AS INTEGER)`;
  return `SELECT ${typed}, ${part} AS __part, ${mark} AS __deleted FROM ${stagedFiles([path.join(folder, "*.tsv")], table)}, filename = true)`;
};

/** The rows of a table as it stands, in the columns that it is to have. */
export const storedSql = (table: SourceTable, stored: Stored | undefined): string => {
  const columns = table.columns.map(({ name, type }) => {
    const known = stored?.columns.some((column) => column.name === name) ?? false;
    return `CAST(${known ? `"${name}"` : "NULL"} AS ${duckdbTypeOf(type)}) AS "${name}"`;
  });
  if (stored === undefined || stored.files.length === 0) return `SELECT ${columns.join(", ")} WHERE false`;
  return `SELECT ${columns.join(", ")} FROM read_parquet([${stored.files.map(quoted).join(", ")}], hive_partitioning = false)`;
};

/** The rows that a table has after the commit. */
export const keptSql = ({ mode, table, keysStaged }: SourceCommit): string => {
  const columns = table.columns.map(({ name }) => `"${name}"`).join(", ");
  const staged = `SELECT ${columns} FROM staged_rows WHERE NOT __deleted`;
  if (mode === "snapshot") return staged;
  const staged_ = keySql(table, (name) => `c."${name}" = s."${name}"`, " AND ");
  const exists = keysStaged ? ` AND EXISTS (SELECT 1 FROM existing k WHERE ${sameKeys(table)})` : "";
  return `SELECT ${columns} FROM current_rows c
      WHERE NOT EXISTS (SELECT 1 FROM staged_rows s WHERE ${staged_})${exists}
    UNION ALL ${staged}`;
};

/** Whether the rows `c` and `s` of one key differ in any column. */
export const differSql = (table: SourceTable): string => {
  const others = table.columns.filter(({ name }) => !table.key.includes(name));
  if (others.length === 0) return "false";
  return `(${others.map(({ name }) => `c."${name}" IS DISTINCT FROM s."${name}"`).join(" OR ")})`;
};

/** Rows of some files of Parquet. */
export const parquet = (files: readonly string[]): string => `read_parquet([${files.map(quoted).join(", ")}])`;

/** Whether what was staged may be the table as it is. */
export const mayBeWhole = ({ mode, table, lines }: SourceCommit): boolean =>
  mode === "snapshot" && table.marksDeleted !== true && lines === undefined;

/** Makes one file of parts of staged text. */
export const wholeSql = (table: SourceTable, parts: readonly string[], file: string): string =>
  `COPY (${bareSql(parts, table)}) TO ${quoted(file)} (${TABLE_OPTIONS})`;

/** The table's keys alone. */
export const keyTable = (table: SourceTable): SourceTable => ({
  name: table.name,
  columns: table.key.map((name) => table.columns.find((column) => column.name === name)!),
  key: table.key,
});
