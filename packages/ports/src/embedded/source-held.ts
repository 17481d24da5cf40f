/** What a table holds that a source has filled: what is missing, and where its numbers lie. */
import type { DuckDBConnection } from "@duckdb/node-api";
import type { HeldColumn, SourceTable } from "../source-ports.ts";
import { quoted } from "./parquet-conversion.ts";

const isNumber = (type: string): boolean => /^(?:int|bigint|double|decimal)/.test(type);

/** DuckDB refuses a spread that no double holds, and that of a table with a NaN: such values lie nowhere. */
const LARGEST = "1e100";

/** Missing values stand in the file's footer; numbers alone are read. */
export const heldColumns = async (
  connection: DuckDBConnection,
  file: string,
  { columns, key }: SourceTable,
  rows: number,
): Promise<readonly HeldColumn[]> => {
  const nulls = await connection.runAndReadAll(
    `SELECT path_in_schema, sum(stats_null_count)::BIGINT FROM parquet_metadata(${quoted(file)}) GROUP BY 1`,
  );
  const missing = new Map(nulls.getRows().map(([name, count]) => [String(name), Number(count ?? 0)]));
  // A key's numbers are names.
  const numbers = columns.filter(({ name, type }) => isNumber(type) && !key.includes(name));
  const moments = numbers.map(({ name }) => {
    const value = `CASE WHEN abs("${name}"::DOUBLE) < ${LARGEST} THEN "${name}"::DOUBLE END`;
    return `avg(${value}), stddev_samp(${value})`;
  });
  const [values = []] =
    moments.length === 0
      ? []
      : (await connection.runAndReadAll(`SELECT ${moments.join(", ")} FROM read_parquet(${quoted(file)})`)).getRows();
  const numberOrAbsent = (name: string, value: unknown) =>
    typeof value === "number" && Number.isFinite(value) ? { [name]: value } : {};
  return columns.map(({ name }) => {
    const at = numbers.findIndex((one) => one.name === name);
    return {
      name,
      missing: rows === 0 ? 0 : (missing.get(name) ?? 0) / rows,
      ...(at < 0 ? {} : { ...numberOrAbsent("mean", values[2 * at]), ...numberOrAbsent("sd", values[2 * at + 1]) }),
    };
  });
};
