/**
 * Batch tables as this release declares them, over what runs have written so far. Between an upgrade and the next run a
 * new table is empty and a new column NULL, as in AWS, where the catalogue has a table before a run has written it.
 */
import type { BatchTable } from "@ebb/lake/batch-table";
import { batchTables } from "@ebb/lake/batch/batch-tables";
import { duckdbType } from "@ebb/lake/columns";
import { modelTables } from "@ebb/lake/model/model-tables";
import type { ViewColumn } from "@ebb/lake/table";
import type { StoredColumn, StoredTable } from "./batch-manifest.ts";

/** A view's column type in DuckDB's words. */
const storedType = (type: ViewColumn["type"]): string => {
  if (type === "date" || type === "decimal(38,6)" || type === "decimal(38,12)") return type.toUpperCase();
  return duckdbType({ type });
};

/** The columns of a table as its files have them. */
export const storedColumns = ({ columns }: Pick<BatchTable, "columns">): StoredColumn[] =>
  Object.entries(columns).map(([name, { type }]) => ({ name, type: storedType(type) }));

const declared: readonly StoredTable[] = [...batchTables, ...modelTables].map((table) => ({
  name: table.name,
  columns: storedColumns(table),
  partition: table.partitionedBy,
  files: [],
  uniform: true,
}));

/** Every table that was written or is declared, once. */
export const withDeclared = (stored: readonly StoredTable[]): StoredTable[] => {
  const byName = new Map(stored.map((table) => [table.name, table]));
  for (const table of declared) {
    const written = byName.get(table.name);
    if (written === undefined) byName.set(table.name, table);
    else if (!table.columns.every(({ name }) => written.columns.some((column) => column.name === name)))
      byName.set(table.name, { ...written, columns: table.columns, uniform: false });
  }
  return [...byName.values()];
};
