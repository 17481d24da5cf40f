/** Columns of a job's export, read from its Parquet file. */
import type { DuckDBConnection } from "@duckdb/node-api";
import type { ExportedColumn } from "../batch-ports.ts";
import { quoted } from "./parquet-conversion.ts";

const NUMBER_TYPE = /^(?:U?(?:TINY|SMALL|BIG|HUGE)?INT(?:EGER)?|DOUBLE|FLOAT|DECIMAL\(.*\))$/;

/** Numbers as doubles, NaN where there is none; everything else as text. @throws RangeError for a column that is not there */
export const exportedColumns = async (
  connection: DuckDBConnection,
  file: string,
  columns: readonly string[],
): Promise<Record<string, ExportedColumn>> => {
  const source = `read_parquet(${quoted(file)}, hive_partitioning = false)`;
  const described = await connection.runAndReadAll(`DESCRIBE SELECT * FROM ${source}`);
  const types = new Map(described.getRows().map(([name, type]) => [String(name), String(type)]));
  const plans = columns.map((name) => {
    const type = types.get(name);
    if (type === undefined) throw new RangeError(`${file} has no column ${name}`);
    const isNumber = NUMBER_TYPE.test(type);
    return { name, isNumber, values: [] as (string | undefined)[], numbers: [] as Float64Array[] };
  });
  const select = plans.map(({ name, isNumber }) =>
    isNumber ? `coalesce("${name}"::DOUBLE, 'NaN'::DOUBLE)` : `"${name}"::VARCHAR`,
  );
  const result = await connection.stream(`SELECT ${select.join(", ")} FROM ${source}`);
  for (;;) {
    const chunk = await result.fetchChunk();
    // Asked once: each look at it is a call into DuckDB.
    const rows = chunk?.rowCount ?? 0;
    if (chunk === null || rows === 0) break;
    for (const [index, { isNumber, numbers, values }] of plans.entries()) {
      const vector = chunk.getColumnVector(index);
      const part = new Float64Array(isNumber ? rows : 0);
      for (let row = 0; row < rows; row++)
        if (isNumber) part[row] = vector.getItem(row) as number;
        else values.push((vector.getItem(row) as string | null) ?? undefined);
      numbers.push(part);
    }
  }
  return Object.fromEntries(
    plans.map(({ name, isNumber, values, numbers }) => [name, isNumber ? concatenated(numbers) : values]),
  );
};

const concatenated = (parts: readonly Float64Array[]): Float64Array => {
  const result = new Float64Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    result.set(part, at);
    at += part.length;
  }
  return result;
};
