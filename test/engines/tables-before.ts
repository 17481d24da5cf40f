/** Tables that read what they held before: an engine without them is given it under another name. */
import { type BatchParameters, type BatchTable, renderBatch } from "@ebb/lake/batch-table";
import type { Dialect } from "@ebb/lake/dialect";

export const readsItself = ({ name, reads }: BatchTable): boolean => reads.includes(name);

/** The table's SELECT, reading `before` in place of the table itself. */
export const renderAfter = (table: BatchTable, dialect: Dialect, parameters: BatchParameters, before: string): string =>
  renderBatch(table, dialect, parameters).replaceAll(new RegExp(`\\b${table.name}\\b`, "g"), before);

/** A table's columns, of texts and timestamps, and no row. */
export const noRowsOf = ({ columns }: BatchTable, { name: engine }: Dialect): string => {
  const text = engine === "spark" ? "string" : "varchar";
  const typed = Object.entries(columns).map(
    ([name, { type }]) => `CAST(NULL AS ${type === "timestamp" ? "timestamp" : text}) AS ${name}`,
  );
  return `SELECT ${typed.join(", ")} WHERE 1 = 0`;
};
