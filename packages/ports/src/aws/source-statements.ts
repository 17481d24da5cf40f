/**
 * The SQL of a load's commit, as Trino and so Athena read it. Rows are staged as lines of JSON whose cells are text or null:
 * `{"p": 3, "c": ["1", null]}`, `p` being the part that brought the row. One external table shows them all; which load and
 * which of its tables is a part of the object's name, and every query names both (partition projection of the kind
 * `injected`).
 */
import { measuredColumns, momentsSql } from "../held-columns.ts";
import type { SourceCommit, SourceTable, SourceType } from "../source-ports.ts";
import { tableFolder, textLiteral } from "./athena-statements.ts";

/** Within the lake's bucket: staged parts, and what is known of each table. */
export const STAGING_PREFIX = "sources/staging/";
export const TABLES_PREFIX = "sources/tables/";
/** What is known of a table: an object of JSON. */
export const tableDocumentKey = (name: string): string => `${TABLES_PREFIX}${name}.json`;

/** The external table that shows what is staged. */
export const STAGED_TABLE = "ebb_source_staging";

/** Older snapshots of a table, and what was deleted from it, are gone after this by VACUUM. */
export const SOURCE_SNAPSHOT_SECONDS = 86_400;

const ddlType = (type: SourceType): string => type;
const trinoTypes: Readonly<Record<string, string>> = {
  string: "varchar",
  int: "integer",
  timestamp: "timestamp(6)",
};
const trinoType = (type: SourceType): string => trinoTypes[type] ?? type;

// Aliases begin with ebb_: Trino takes `t."id"` for a field of a column t where there is one.

type Between = (name: string) => string;
const keys = (table: SourceTable, of: Between = (name) => `"${name}"`, between = ", "): string =>
  table.key.map(of).join(between);
const listed = (table: SourceTable, of: Between = (name) => `"${name}"`): string =>
  table.columns.map(({ name }) => of(name)).join(", ");
const sameKeys = (table: SourceTable, a: string, b: string): string =>
  keys(table, (name) => `${a}."${name}" = ${b}."${name}"`, " AND ");

/** Whether the rows `a` and `b` differ in a column that is none of the key. */
const differ = (table: SourceTable, a: string, b: string): string => {
  const others = table.columns.filter(({ name }) => !table.key.includes(name));
  if (others.length === 0) return "false";
  return `(${others.map(({ name }) => `${a}."${name}" IS DISTINCT FROM ${b}."${name}"`).join(" OR ")})`;
};

// ── what is staged ─────────────────────────────────────────────────────────────────────────────────────────────────

const stagedIn = (loadId: string, name: string): string =>
  `"${STAGED_TABLE}" WHERE load = ${textLiteral(loadId)} AND name = ${textLiteral(name)}`;

/** Times come as their databases write them in UTC, some with the zone behind. */
const typed = (cell: string, type: SourceType): string =>
  type === "string"
    ? cell
    : type === "timestamp"
      ? `TRY_CAST(regexp_replace(${cell}, '(:\\d\\d(?:\\.\\d{1,6})?)(?:[+-]00(?::?00)?|Z)$', '$1') AS timestamp(6))`
      : `TRY_CAST(${cell} AS ${trinoType(type)})`;

/** A calendar of their own (MySQL's ALLOW_INVALID_DATES) makes a time null; anything else that is none of its type is a fault. */
const isStrict = (type: SourceType): boolean => type !== "string" && type !== "timestamp" && type !== "date";

/** Every staged row with `ebb_part` and `ebb_deleted`. */
const stagedRows = (loadId: string, table: SourceTable, name = table.name): string => {
  const cells = table.columns.map(({ name: column, type }, at) => `${typed(`c[${at + 1}]`, type)} AS "${column}"`);
  const mark = table.marksDeleted === true ? `coalesce(c[${table.columns.length + 1}] = 'true', false)` : "false";
  return `SELECT ${cells.join(", ")}, p AS ebb_part, ${mark} AS ebb_deleted FROM ${stagedIn(loadId, name)}`;
};

/** Of rows that a resumed load read twice the later one counts. */
const newestRows = (loadId: string, table: SourceTable): string =>
  `SELECT ${listed(table)}, ebb_part, ebb_deleted FROM (
    SELECT *, row_number() OVER (PARTITION BY ${keys(table)} ORDER BY ebb_part DESC) AS ebb_rank
    FROM (${stagedRows(loadId, table)}) AS staged) AS ranked WHERE ebb_rank = 1`;

/** One row: keys that stand in a part more than once, then for each strict column the values that are none of its type. */
export const checkStatement = (loadId: string, table: SourceTable): string => {
  const wrong = strictColumns(table).map(({ name, at, type }) => {
    const cell = `c[${at + 1}]`;
    return `count_if(${cell} IS NOT NULL AND TRY_CAST(${cell} AS ${trinoType(type)}) IS NULL) AS "${name}"`;
  });
  const some = ["count(*) AS staged_rows", ...wrong];
  return `SELECT ${some.join(", ")} FROM ${stagedIn(loadId, table.name)}`;
};
/** The columns that `checkStatement` counts, in its order. */
export const strictColumns = ({ columns }: SourceTable) =>
  columns.map((column, at) => ({ ...column, at })).filter(({ type }) => isStrict(type));

/** One row: how many keys stand in one part more than once. */
export const repeatedStatement = (loadId: string, table: SourceTable): string =>
  `SELECT count(*) FROM (
  SELECT ${keys(table)} FROM (${stagedRows(loadId, table)}) AS staged
  GROUP BY ${keys(table)} HAVING count(*) > count(DISTINCT ebb_part)) AS repeated`;

/** Keys that exist: those that were staged for it, or those of the rows. */
const existing = ({ loadId, table, keysStaged }: SourceCommit): string => {
  if (!keysStaged) return `SELECT ${keys(table)} FROM (${stagedRows(loadId, table)}) AS staged`;
  const only = keyTable(table);
  return `SELECT ${keys(table)} FROM (${stagedRows(loadId, only, keysName(table))}) AS staged`;
};
/** Under which name the keys of a table are staged. */
export const keysName = (table: SourceTable): string => `${table.name}.keys`;
const keyTable = (table: SourceTable): SourceTable => ({
  name: table.name,
  columns: table.key.map((name) => table.columns.find((column) => column.name === name)!),
  key: table.key,
});

// ── what stands ────────────────────────────────────────────────────────────────────────────────────────────────────

/** A table of the catalogue with what it has for columns. */
export interface Standing {
  readonly physical: string;
  readonly columns: readonly { readonly name: string; readonly type: string }[];
}

/** The rows as they stand, in the columns that they are to have. */
const standingRows = (table: SourceTable, standing: Standing | undefined): string => {
  const columns = table.columns.map(({ name, type }) => {
    const known = standing?.columns.some((column) => column.name === name) ?? false;
    return `CAST(${known ? `"${name}"` : "NULL"} AS ${trinoType(type)}) AS "${name}"`;
  });
  return standing === undefined
    ? `SELECT ${columns.join(", ")} WHERE false`
    : `SELECT ${columns.join(", ")} FROM "${standing.physical}"`;
};

/** The rows that a table has after the commit. */
const keptRows = (commit: SourceCommit, standing: Standing | undefined): string => {
  const { loadId, mode, table, keysStaged } = commit;
  const staged = `SELECT ${listed(table)} FROM (${newestRows(loadId, table)}) AS newest WHERE NOT ebb_deleted`;
  if (mode === "snapshot") return staged;
  const exists = keysStaged
    ? `AND EXISTS (SELECT 1 FROM (${existing(commit)}) AS ebb_k WHERE ${sameKeys(table, "ebb_c", "ebb_k")})`
    : "";
  return `SELECT ${listed(table, (name) => `ebb_c."${name}"`)} FROM (${standingRows(table, standing)}) AS ebb_c
    WHERE NOT EXISTS (SELECT 1 FROM (${stagedRows(loadId, table)}) AS ebb_s WHERE ${sameKeys(table, "ebb_c", "ebb_s")}) ${exists}
    UNION ALL ${staged}`;
};

/** Rows that the commit will take away and that are staged nowhere, as text. */
export const removedStatement = (commit: SourceCommit, standing: Standing, columns: readonly string[]): string =>
  `SELECT ${columns.map((name) => `CAST(ebb_c."${name}" AS varchar) AS "${name}"`).join(", ")}
FROM (${standingRows(commit.table, standing)}) AS ebb_c
WHERE NOT EXISTS (SELECT 1 FROM (${existing(commit)}) AS ebb_k WHERE ${sameKeys(commit.table, "ebb_c", "ebb_k")})`;

/** Of the rows `of`: those without a value by column, then the moments of numbers. */
const heldSql = (table: SourceTable, of: string, there: string): string =>
  [
    ...table.columns.map(({ name }) => `count_if(${there} AND ${of}."${name}" IS NULL)`),
    ...measuredColumns(table).map((name) => momentsSql(`${of}."${name}"`)),
  ].join(", ");

/**
 * One row: inserted, deleted, updated, unchanged; then what the table holds after the commit (`heldSql`). The columns are
 * read to be compared in any case.
 */
export const countsStatement = (commit: SourceCommit, standing: Standing | undefined): string =>
  `SELECT count_if(ebb_c.ebb_there IS NULL), count_if(ebb_d.ebb_there IS NULL),
  count_if(ebb_c.ebb_there AND ebb_d.ebb_there AND ${differ(commit.table, "ebb_c", "ebb_d")}),
  count_if(ebb_c.ebb_there AND ebb_d.ebb_there AND NOT ${differ(commit.table, "ebb_c", "ebb_d")}),
  ${heldSql(commit.table, "ebb_d", "ebb_d.ebb_there")}
FROM (SELECT *, true AS ebb_there FROM (${keptRows(commit, standing)}) AS kept) AS ebb_d
FULL JOIN (SELECT *, true AS ebb_there FROM (${standingRows(commit.table, standing)}) AS stood) AS ebb_c
ON ${sameKeys(commit.table, "ebb_c", "ebb_d")}`;

// ── the commit ─────────────────────────────────────────────────────────────────────────────────────────────────────

/** An Iceberg table, in Hive's words. */
export const createStatement = (physical: string, table: SourceTable, lake: string): string =>
  `CREATE TABLE IF NOT EXISTS \`${physical}\` (
${table.columns.map(({ name, type }) => `  \`${name}\` ${ddlType(type)}`).join(",\n")}
)
LOCATION ${textLiteral(`${lake}/${tableFolder(physical)}`)}
TBLPROPERTIES ('table_type' = 'ICEBERG', 'format' = 'parquet', 'write_compression' = 'snappy', 'vacuum_max_snapshot_age_seconds' = '${SOURCE_SNAPSHOT_SECONDS}')`;

export const dropStatement = (physical: string): string => `DROP TABLE IF EXISTS \`${physical}\``;

/** What readers know the table by: it shows the columns and no more, and is another table's when the columns change. */
export const viewStatement = (table: SourceTable, physical: string): string =>
  `CREATE OR REPLACE VIEW "${table.name}" AS SELECT ${listed(table)} FROM "${physical}"`;

/** Rows to insert, update and delete: what a table's commit consists of. */
export const changesSelect = (commit: SourceCommit, standing: Standing | undefined, target: Standing): string => {
  const { table } = commit;
  const columns = listed(table, (name) =>
    table.key.includes(name)
      ? `coalesce(ebb_d."${name}", ebb_t."${name}") AS "${name}"`
      : `ebb_d."${name}" AS "${name}"`,
  );
  return `SELECT ${columns},
  CASE WHEN ebb_d.ebb_there IS NULL THEN 'delete' WHEN ebb_t.ebb_there IS NULL THEN 'insert' ELSE 'update' END AS ebb_change
FROM (SELECT *, true AS ebb_there FROM (${keptRows(commit, standing)}) AS kept) AS ebb_d
FULL JOIN (SELECT *, true AS ebb_there FROM (${standingRows(table, target)}) AS stands) AS ebb_t
ON ${sameKeys(table, "ebb_d", "ebb_t")}
WHERE ebb_d.ebb_there IS NULL OR ebb_t.ebb_there IS NULL OR ${differ(table, "ebb_d", "ebb_t")}`;
};

/** One commit of Iceberg's: readers see the table before or after. Made again it finds nothing to change. */
export const mergeStatement = (commit: SourceCommit, standing: Standing | undefined, target: Standing): string => {
  const { table } = commit;
  const others = table.columns.filter(({ name }) => !table.key.includes(name));
  const update =
    others.length === 0
      ? ""
      : `\nWHEN MATCHED THEN UPDATE SET ${others.map(({ name }) => `"${name}" = ebb_s."${name}"`).join(", ")}`;
  return `MERGE INTO "${target.physical}" AS ebb_t
USING (
${changesSelect(commit, standing, target)}
) AS ebb_s
ON ${sameKeys(table, "ebb_t", "ebb_s")}
WHEN MATCHED AND ebb_s.ebb_change = 'delete' THEN DELETE${update}
WHEN NOT MATCHED THEN INSERT (${listed(table)}) VALUES (${listed(table, (name) => `ebb_s."${name}"`)})`;
};

// ── lines, which come and go with the row that they belong to ──────────────────────────────────────────────────────

export interface LinesStanding {
  readonly rows: Standing | undefined;
  readonly lines: Standing | undefined;
}

const keptLines = (commit: SourceCommit, standing: LinesStanding): string => {
  const { table, parent, parentKey } = commit.lines!;
  const { loadId } = commit;
  const newest = `(${newestRows(loadId, commit.table)}) AS ebb_s`;
  return `SELECT ${listed(table, (name) => `ebb_l."${name}"`)} FROM (${standingRows(table, standing.lines)}) AS ebb_l
    WHERE NOT EXISTS (SELECT 1 FROM (${stagedRows(loadId, commit.table)}) AS ebb_s WHERE ebb_s."${parentKey}" = ebb_l."${parent}")
      AND EXISTS (SELECT 1 FROM (${keptRows(commit, standing.rows)}) AS ebb_k WHERE ebb_k."${parentKey}" = ebb_l."${parent}")
    UNION ALL
    SELECT ${listed(table, (name) => `ebb_l."${name}"`)} FROM (${stagedRows(loadId, table)}) AS ebb_l
    JOIN ${newest} ON ebb_s."${parentKey}" = ebb_l."${parent}" AND ebb_s.ebb_part = ebb_l.ebb_part AND NOT ebb_s.ebb_deleted`;
};

/** One row: lines before and after, and what the table holds then (`heldSql`). */
export const lineCountsStatement = (commit: SourceCommit, standing: LinesStanding): string => {
  const { table } = commit.lines!;
  return `SELECT (SELECT count(*) FROM (${standingRows(table, standing.lines)}) AS stood), count(*),
  ${heldSql(table, "ebb_d", "true")}
FROM (${keptLines(commit, standing)}) AS ebb_d`;
};

/**
 * Lines of the parents whose lines change: one row that deletes all of a parent's, and those that it is to have. A line has
 * no key of its own, so that a parent's lines are compared as a bag.
 */
export const lineChangesSelect = (commit: SourceCommit, standing: LinesStanding, target: Standing): string => {
  const { table, parent } = commit.lines!;
  const bag = (rows: string): string =>
    `SELECT "${parent}" AS ebb_parent, count(*) AS ebb_lines, checksum(json_format(CAST(ROW(${listed(table, (name) => `CAST("${name}" AS varchar)`)}) AS json))) AS ebb_digest
    FROM (${rows}) AS r WHERE "${parent}" IS NOT NULL GROUP BY "${parent}"`;
  const kept = keptLines(commit, standing);
  const changed = `SELECT coalesce(ebb_d.ebb_parent, ebb_t.ebb_parent) AS ebb_parent
    FROM (${bag(kept)}) AS ebb_d FULL JOIN (${bag(standingRows(table, target))}) AS ebb_t ON ebb_d.ebb_parent = ebb_t.ebb_parent
    WHERE ebb_d.ebb_lines IS DISTINCT FROM ebb_t.ebb_lines OR ebb_d.ebb_digest IS DISTINCT FROM ebb_t.ebb_digest`;
  const gone = listed(table, (name) =>
    name === parent
      ? `ebb_parent AS "${name}"`
      : `CAST(NULL AS ${trinoType(table.columns.find((column) => column.name === name)!.type)}) AS "${name}"`,
  );
  return `SELECT true AS ebb_gone, ${gone} FROM (${changed}) AS gone
  UNION ALL
  SELECT false AS ebb_gone, ${listed(table, (name) => `ebb_k."${name}"`)} FROM (${kept}) AS ebb_k
  JOIN (${changed}) AS ebb_came ON ebb_k."${parent}" = ebb_came.ebb_parent`;
};

export const mergeLinesStatement = (commit: SourceCommit, standing: LinesStanding, target: Standing): string => {
  const { table, parent } = commit.lines!;
  return `MERGE INTO "${target.physical}" AS ebb_t
USING (
${lineChangesSelect(commit, standing, target)}
) AS ebb_s
ON ebb_s.ebb_gone AND ebb_t."${parent}" = ebb_s."${parent}"
WHEN MATCHED THEN DELETE
WHEN NOT MATCHED AND NOT ebb_s.ebb_gone THEN INSERT (${listed(table)}) VALUES (${listed(table, (name) => `ebb_s."${name}"`)})`;
};
