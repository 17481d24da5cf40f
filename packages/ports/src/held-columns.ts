/** What a column of a source's table holds, as both homes tell it of the figures that their engines counted. */
import type { HeldColumn, SourceTable, SourceType } from "./source-ports.ts";

const isNumber = (type: SourceType): boolean => /^(?:int|bigint|double|decimal)/.test(type);

/** Engines refuse a spread that no double holds, and that of a table with a NaN: such values lie nowhere. */
const LARGEST = "1E100";

/** Columns whose numbers are measured. A key's are names. */
export const measuredColumns = ({ columns, key }: SourceTable): readonly string[] =>
  columns.filter(({ name, type }) => isNumber(type) && !key.includes(name)).map(({ name }) => name);

/** Two expressions, of DuckDB as of Trino: the mean of a column's numbers and their standard deviation (n − 1). */
export const momentsSql = (column: string): string => {
  const value = `CASE WHEN abs(CAST(${column} AS double)) < ${LARGEST} THEN CAST(${column} AS double) END`;
  return `avg(${value}), stddev_samp(${value})`;
};

/**
 * @param missing rows without a value, by column
 * @param moments what `momentsSql` counted, one pair after the other in the order of `measuredColumns`
 */
export const heldOf = (
  table: SourceTable,
  rows: number,
  missing: (column: string) => number,
  moments: readonly unknown[],
): readonly HeldColumn[] => {
  const measured = measuredColumns(table);
  return table.columns.map(({ name }) => {
    const at = measured.indexOf(name);
    return {
      name,
      missing: rows === 0 ? 0 : missing(name) / rows,
      ...(at < 0 ? {} : { ...some("mean", moments[2 * at]), ...some("sd", moments[2 * at + 1]) }),
    };
  });
};

const some = (name: "mean" | "sd", value: unknown) =>
  typeof value === "number" && Number.isFinite(value) ? { [name]: value } : {};
