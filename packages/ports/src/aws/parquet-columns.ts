/** Whole columns of Parquet files, as `readColumns` answers them. Pages in Snappy or uncompressed. */
import { type FileMetaData, parquetMetadata, parquetRead } from "hyparquet";
import type { ExportedColumn } from "../batch-ports.ts";
import { timeParsers } from "./parquet-text.ts";

const parsers = {
  ...timeParsers,
  // The other home answers microseconds.
  timestampFromNanoseconds: (nanos: bigint) => timeParsers.timestampFromMicroseconds(nanos / 1_000n),
};

/** Numbers of any SQL type; dates, instants, booleans and text are told as text. */
const isNumber = (metadata: FileMetaData, name: string): boolean => {
  const element = metadata.schema.find((each) => each.name === name && each.num_children === undefined);
  if (element === undefined) throw new RangeError(`the export has no column ${name}`);
  const { type, converted_type: converted, logical_type: logical } = element;
  if (type === "BOOLEAN" || type === "INT96") return false;
  if (converted === "DECIMAL" || logical?.type === "DECIMAL") return true;
  const isInstant = /^(?:DATE|TIME)/.test(converted ?? logical?.type ?? "");
  return !isInstant && type !== "BYTE_ARRAY" && type !== "FIXED_LEN_BYTE_ARRAY";
};

/** The columns of one file. */
const columnsOfFile = async (file: ArrayBuffer, columns: readonly string[]): Promise<ExportedColumn[]> => {
  const metadata = parquetMetadata(file);
  const rows = Number(metadata.num_rows);
  const found = new Map(
    columns.map((name) => [
      name,
      isNumber(metadata, name) ? new Float64Array(rows).fill(NaN) : new Array<string | undefined>(rows).fill(undefined),
    ]),
  );
  await parquetRead({
    file,
    metadata,
    columns: [...columns],
    parsers,
    onChunk: ({ columnName, columnData, rowStart }) => {
      const column = found.get(columnName)!;
      for (let index = 0; index < columnData.length; index++) {
        const value: unknown = columnData[index];
        if (value === null || value === undefined) continue;
        if (column instanceof Float64Array) column[rowStart + index] = Number(value);
        else column[rowStart + index] = typeof value === "string" ? value : JSON.stringify(value);
      }
    },
  });
  return columns.map((name) => found.get(name)!);
};

const joined = (parts: readonly ExportedColumn[]): ExportedColumn => {
  const numbers = parts.filter((part) => part instanceof Float64Array);
  if (numbers.length < parts.length) return parts.flatMap((part) => [...part] as (string | undefined)[]);
  const whole = new Float64Array(numbers.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of numbers) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
};

/**
 * The columns over all files of an export, in their order; without any file, empty text columns.
 * @throws RangeError for a column that a file does not have
 */
export const readParquetColumns = async (
  files: AsyncIterable<ArrayBuffer>,
  columns: readonly string[],
): Promise<Record<string, ExportedColumn>> => {
  const parts: ExportedColumn[][] = [];
  for await (const file of files) parts.push(await columnsOfFile(file, columns));
  return Object.fromEntries(
    columns.map((name, index) => [name, parts.length === 0 ? [] : joined(parts.map((part) => part[index]!))]),
  );
};
