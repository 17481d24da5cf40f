/**
 * The statements by which Athena writes an Iceberg table. It has no INSERT OVERWRITE for one, and DELETE followed by
 * INSERT are two commits, between which a reader would find the partition empty. So a write is one MERGE, which is one
 * commit: the rows that stand in the replaced partitions come from the table itself and are deleted by their key, the new
 * rows match nothing and are inserted. Made again it deletes what it inserted and inserts the same. The SELECT is
 * evaluated once, and readers see the table before or after.
 */
import type { BatchTable } from "@ebb/lake/batch-table";
import { glueType } from "@ebb/lake/columns";
import type { ViewType } from "@ebb/lake/table";

/** Snapshots that OPTIMIZE and DELETE leave behind are gone after these days, by VACUUM: part of an erasure's bound. */
export const snapshotDays = 7;

/** Statements of a DDL have Hive's words, those of a query Trino's. */
const ddlType = (type: ViewType): string => (typeof type === "string" ? type : glueType({ type }));
const trinoType = (type: ViewType): string => {
  if (typeof type !== "string")
    return `array(row(${type.listOf.map((column) => `"${column.name}" ${trinoType(column.type)}`).join(", ")}))`;
  if (type === "string") return "varchar";
  if (type === "int") return "integer";
  // Iceberg's own precision.
  return type === "timestamp" ? "timestamp(6)" : type;
};

export const textLiteral = (value: string): string => `'${value.replaceAll("'", "''")}'`;

/** Where a batch table lies in the lake, whichever engine made it. */
export const tableFolder = (name: string): string => `tables/${name}/`;

export const createStatement = (table: BatchTable, lake: string): string => {
  const columns = Object.entries(table.columns).map(([name, { type }]) => `  \`${name}\` ${ddlType(type)}`);
  return `CREATE TABLE IF NOT EXISTS \`${table.name}\` (
${columns.join(",\n")}
)${table.partitionedBy === undefined ? "" : `\nPARTITIONED BY (\`${table.partitionedBy}\`)`}
LOCATION ${textLiteral(`${lake}/${tableFolder(table.name)}`)}
TBLPROPERTIES ('table_type' = 'ICEBERG', 'format' = 'parquet', 'write_compression' = 'snappy', 'vacuum_max_snapshot_age_seconds' = '${snapshotDays * 86_400}')`;
};

export const addColumnsStatement = (
  table: string,
  columns: readonly { readonly name: string; readonly type: string }[],
): string =>
  `ALTER TABLE \`${table}\` ADD COLUMNS (${columns.map(({ name, type }) => `\`${name}\` ${type}`).join(", ")})`;

const among = (table: BatchTable, replaced: readonly string[] | undefined): string =>
  table.partitionedBy === undefined || replaced === undefined
    ? "true"
    : replaced.length === 0
      ? "false"
      : `"${table.partitionedBy}" IN (${replaced.map(textLiteral).join(", ")})`;

/** What a replacement goes by: the new rows, and those that stand in their place, marked `ebb_replaced`. */
export const replacingSelect = (table: BatchTable, replaced: readonly string[] | undefined, select: string): string => {
  const names = Object.keys(table.columns);
  const cast = Object.entries(table.columns).map(
    ([name, { type }]) => `CAST("${name}" AS ${trinoType(type)}) AS "${name}"`,
  );
  const listed = names.map((name) => `"${name}"`).join(", ");
  const where = among(table, replaced);
  return `  SELECT false AS ebb_replaced, ${listed} FROM (SELECT ${cast.join(", ")} FROM (
${select.trimEnd()}
  )) AS written WHERE ${where}
  UNION ALL
  SELECT true AS ebb_replaced, ${listed} FROM "${table.name}" WHERE ${where}`;
};

/**
 * Replaces the partitions by the rows of a SELECT.
 * @throws TypeError for a table without a key: its rows cannot be told apart
 */
export const replaceStatement = (
  table: BatchTable,
  replaced: readonly string[] | undefined,
  select: string,
): string => {
  if (table.key.length === 0) throw new TypeError(`${table.name} has no key, so Athena cannot replace its rows`);
  const names = Object.keys(table.columns);
  const listed = names.map((name) => `"${name}"`).join(", ");
  return `MERGE INTO "${table.name}" AS t
USING (
${replacingSelect(table, replaced, select)}
) AS s
ON s.ebb_replaced AND ${table.key.map((key) => `t."${key}" = s."${key}"`).join(" AND ")}
WHEN MATCHED THEN DELETE
WHEN NOT MATCHED AND NOT s.ebb_replaced THEN INSERT (${listed}) VALUES (${names.map((name) => `s."${name}"`).join(", ")})`;
};

/** One row: rows and files of the replaced partitions as they stand. */
export const standingStatement = (table: BatchTable, replaced: readonly string[] | undefined): string =>
  `SELECT count(*) AS row_count, count(DISTINCT "$path") AS file_count FROM "${table.name}" WHERE ${among(table, replaced)}`;

/** Rows of a SELECT as Parquet, in pages that need no codec but Snappy. The place must be empty. */
export const unloadStatement = (select: string, uri: string): string =>
  `UNLOAD (\n${select.trimEnd()}\n)\nTO ${textLiteral(uri)}\nWITH (format = 'PARQUET', compression = 'SNAPPY')`;

/** Joins small files and applies deletes. */
export const optimizeStatement = (table: string): string => `OPTIMIZE "${table}" REWRITE DATA USING BIN_PACK`;

/** Forgets old snapshots with the files that only they name. */
export const vacuumStatement = (table: string): string => `VACUUM "${table}"`;
