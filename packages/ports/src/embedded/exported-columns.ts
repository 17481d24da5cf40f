/** Columns of a job's export, read from its Parquet file. */
import type { DuckDBConnection } from "@duckdb/node-api";
import type { ExportedColumn } from "../batch-ports.ts";
import { quoted } from "./parquet-conversion.ts";

const NUMBER_TYPE = /^(?:U?(?:TINY|SMALL|BIG|HUGE)?INT(?:EGER)?|DOUBLE|FLOAT|DECIMAL\(.*\))$/;

/** A column of at most so many texts is read as an enumeration of them: each other text is a call into DuckDB. */
const MOST_LEVELS = 255;
/** Rows that show whether a column may be such a one. */
const FIRST_ROWS = 2_048;

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
  const select: string[] = [];
  for (const { name, isNumber } of plans)
    select.push(isNumber ? `coalesce("${name}"::DOUBLE, 'NaN'::DOUBLE)` : await textSql(connection, source, name));
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

const textSql = async (connection: DuckDBConnection, source: string, name: string): Promise<string> => {
  const text = `"${name}"::VARCHAR`;
  const levelsIn = async (rows: string): Promise<string[]> => {
    const found = await connection.runAndReadAll(`SELECT DISTINCT level FROM (${rows}) WHERE level IS NOT NULL`);
    return found.getRows().map(([level]) => String(level));
  };
  const all = `SELECT ${text} AS level FROM ${source}`;
  if ((await levelsIn(`${all} LIMIT ${FIRST_ROWS}`)).length > MOST_LEVELS) return text;
  const levels = await levelsIn(all);
  return levels.length === 0 || levels.length > MOST_LEVELS ? text : `${text}::ENUM (${levels.map(quoted).join(", ")})`;
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
