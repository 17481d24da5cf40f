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
  /** `YYYY-MM`: of every table that is parted by month, these partitions alone are looked at, where a run wrote no others. */
  readonly months?: readonly string[];
}

/**
 * One row per promise of the table: table_name, promise, breaking (rows that break it). Undefined where it promises
 * nothing.
 *
 * @param tables all tables that promises may speak of
 */
export const promisesSql = (
  { table, cutoffs, months }: CheckedTable,
  tables: readonly Pick<BatchTable, "name" | "partitionedBy">[],
): string | undefined => {
  const looked = { cutoff: cutoffs, month: table.partitionedBy === "month" ? months : undefined };
  const partitionsOf = ({ partitionedBy }: (typeof tables)[number]): readonly string[] | undefined =>
    partitionedBy === undefined ? undefined : looked[partitionedBy];
  const parted = tables.filter((one) => partitionsOf(one) !== undefined);
  const promises = Object.entries(table.tests).map(([promise, sql]) => {
    // Another name: not every engine lets a WITH hide the table that it reads.
    const named = parted.filter(({ name }) => wordOf(name).test(sql));
    const narrowed = named.reduce((text, { name }) => text.replaceAll(wordOf(name), `checked_${name}`), sql.trim());
    return { promise, named, sql: narrowed };
  });
  if (promises.length === 0) return undefined;
  const used = parted.filter((one) => promises.some(({ named }) => named.includes(one)));
  const checked = used.map((one) => {
    const partitions = partitionsOf(one)!.map(textLiteral).join(", ");
    return `checked_${one.name} AS (SELECT * FROM ${one.name} WHERE ${one.partitionedBy!} IN (${partitions}))`;
  });
  const counts = promises.map(
    ({ promise, sql }) => `
SELECT ${textLiteral(table.name)} AS table_name, ${textLiteral(promise)} AS promise, count(*) AS breaking
FROM (${sql}) AS breaking_rows`,
  );
  return (checked.length === 0 ? "" : `WITH ${checked.join(",\n")}`) + counts.join("\nUNION ALL");
};

const wordOf = (name: string): RegExp => new RegExp(`\\b${name}\\b`, "g");
