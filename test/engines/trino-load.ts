/**
 * Copies Parquet files into Trino's memory connector: DuckDB reads them and writes rows as JSON, all scalars as text, and
 * Trino casts the text to the types of the columns.
 */
import { DuckDBInstance, DuckDBListType, DuckDBStructType, type DuckDBType, DuckDBTypeId } from "@duckdb/node-api";
import { duckdbScan } from "./duckdb.ts";
import type { TrinoClient } from "./trino-client.ts";

/** Types by Athena's names. Its timestamps of Parquet tables hold milliseconds. */
const trinoType = (type: DuckDBType): string => {
  if (type instanceof DuckDBListType) return `array(${trinoType(type.valueType)})`;
  if (type instanceof DuckDBStructType)
    return `row(${type.entryNames.map((name, at) => `${name} ${trinoType(type.entryTypes[at]!)}`).join(", ")})`;
  return type.typeId === DuckDBTypeId.TIMESTAMP ? "timestamp(3)" : type.toString().toLowerCase();
};
const textType = (type: DuckDBType): string => {
  if (type instanceof DuckDBListType) return `array(${textType(type.valueType)})`;
  if (type instanceof DuckDBStructType)
    return `row(${type.entryNames.map((name, at) => `${name} ${textType(type.entryTypes[at]!)}`).join(", ")})`;
  return "varchar";
};

/** JSON of a value with its scalars as text, structs as arrays: DuckDB's SQL. */
const jsonOf = (value: string, type: DuckDBType): string => {
  if (type instanceof DuckDBListType)
    return `to_json(list_transform(${value}, lambda item: ${jsonOf("item", type.valueType)}))`;
  if (type instanceof DuckDBStructType)
    return `json_array(${type.entryNames.map((name, at) => jsonOf(`${value}."${name}"`, type.entryTypes[at]!)).join(", ")})`;
  if (type.typeId === DuckDBTypeId.DOUBLE)
    return `replace(replace(CAST(${value} AS varchar), 'inf', 'Infinity'), 'nan', 'NaN')`;
  return `CAST(${value} AS varchar)`;
};

const CHUNK_BYTES = 1_000_000;

/** JSON arrays of rows of about a megabyte. */
async function* chunksOf(scan: string, names: readonly string[], types: readonly DuckDBType[]): AsyncGenerator<string> {
  const instance = await DuckDBInstance.create(":memory:", { threads: "2", memory_limit: "1GB" });
  const connection = await instance.connect();
  try {
    const row = names.map((name, at) => jsonOf(`"${name}"`, types[at]!)).join(", ");
    const result = await connection.stream(`SELECT CAST(json_array(${row}) AS varchar) FROM (${scan})`);
    let chunk: string[] = [];
    let size = 0;
    for (;;) {
      const data = await result.fetchChunk();
      if (data === null || data.rowCount === 0) break;
      for (const text of data.getColumnValues(0) as string[]) {
        chunk.push(text);
        size += text.length;
        if (size < CHUNK_BYTES) continue;
        yield `[${chunk.join(",")}]`;
        chunk = [];
        size = 0;
      }
    }
    if (chunk.length > 0) yield `[${chunk.join(",")}]`;
  } finally {
    connection.closeSync();
    instance.closeSync();
  }
}

const columnsOf = async (scan: string): Promise<{ names: readonly string[]; types: readonly DuckDBType[] }> => {
  const instance = await DuckDBInstance.create(":memory:");
  const connection = await instance.connect();
  try {
    const reader = await connection.runAndReadAll(`SELECT * FROM (${scan}) LIMIT 0`);
    return { names: reader.columnNames(), types: reader.columnTypes() };
  } finally {
    connection.closeSync();
    instance.closeSync();
  }
};

export const copyIntoTrino = async (client: TrinoClient, table: string, parquet: string): Promise<void> => {
  const scan = duckdbScan(parquet);
  const { names, types } = await columnsOf(scan);
  const declared = names.map((name, at) => `"${name}" ${trinoType(types[at]!)}`).join(", ");
  await client.rows(`CREATE TABLE ${table} (${declared})`);
  // The text goes through a table: of a literal the planner would make a constant with all the rows.
  await client.rows("CREATE TABLE json_chunks (chunk varchar)");
  for await (const chunk of chunksOf(scan, names, types))
    await client.rows(`INSERT INTO json_chunks VALUES '${chunk.replaceAll("'", "''")}'`);
  const texts = names.map((name, at) => `"${name}" ${textType(types[at]!)}`).join(", ");
  const casts = names.map((name, at) => `CAST(item."${name}" AS ${trinoType(types[at]!)})`).join(", ");
  await client.rows(
    `INSERT INTO ${table} SELECT ${casts}
     FROM json_chunks CROSS JOIN UNNEST(CAST(json_parse(chunk) AS array(row(${texts}))))
       AS item (${names.map((name) => `"${name}"`).join(", ")})`,
  );
  await client.rows("DROP TABLE json_chunks");
};
