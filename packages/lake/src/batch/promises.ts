/** The promises of batch tables as SQL that counts the rows that break them. */
import type { BatchTable } from "../batch-table.ts";
import { textLiteral } from "./literals.ts";

/** What a run looks at of a table. */
export interface CheckedTable {
  readonly table: BatchTable;
  /**
   * UTC days: of every table that is parted by cutoff, these partitions alone are looked at. What an earlier run wrote
   * is not promised to fit what a later one, which knows more, wrote beside it.
   */
  readonly cutoffs?: readonly string[];
}

/**
 * One row per promise of the table: table_name, promise, breaking (rows that break it). Undefined where it promises
 * nothing.
 *
 * @param tables all tables that promises may speak of
 */
export const promisesSql = (
  { table, cutoffs }: CheckedTable,
  tables: readonly Pick<BatchTable, "name" | "partitionedBy">[],
): string | undefined => {
  const parted = cutoffs === undefined ? [] : tables.filter(({ partitionedBy }) => partitionedBy === "cutoff");
  const promises = Object.entries(table.tests).map(([promise, sql]) => {
    // Another name: not every engine lets a WITH hide the table that it reads.
    const named = parted.filter(({ name }) => wordOf(name).test(sql));
    const narrowed = named.reduce((text, { name }) => text.replaceAll(wordOf(name), `checked_${name}`), sql.trim());
    return { promise, named, sql: narrowed };
  });
  if (promises.length === 0) return undefined;
  const used = parted.filter((one) => promises.some(({ named }) => named.includes(one)));
  const days = (cutoffs ?? []).map(textLiteral).join(", ");
  const checked = used.map(({ name }) => `checked_${name} AS (SELECT * FROM ${name} WHERE cutoff IN (${days}))`);
  const counts = promises.map(
    ({ promise, sql }) => `
SELECT ${textLiteral(table.name)} AS table_name, ${textLiteral(promise)} AS promise, count(*) AS breaking
FROM (${sql}) AS breaking_rows`,
  );
  return (checked.length === 0 ? "" : `WITH ${checked.join(",\n")}`) + counts.join("\nUNION ALL");
};

const wordOf = (name: string): RegExp => new RegExp(`\\b${name}\\b`, "g");
