/** DuckDB's values as plain ones, without loss. */
import {
  DuckDBArrayValue,
  DuckDBBlobValue,
  DuckDBListValue,
  DuckDBMapValue,
  DuckDBStructValue,
  DuckDBUnionValue,
  type DuckDBValue,
} from "@duckdb/node-api";
import type { SqlValue } from "../ports.ts";

/**
 * Integers of 64 bits and more stay bigint; decimals, dates, times and timestamps become their text in SQL (UTC), so no
 * digit is lost; lists and structs become arrays and objects; blobs become hex.
 */
export const sqlValueOf = (value: DuckDBValue): SqlValue => {
  if (value === null || typeof value !== "object") return value;
  if (value instanceof DuckDBListValue || value instanceof DuckDBArrayValue) return value.items.map(sqlValueOf);
  if (value instanceof DuckDBStructValue)
    return Object.fromEntries(Object.entries(value.entries).map(([name, entry]) => [name, sqlValueOf(entry)]));
  if (value instanceof DuckDBMapValue)
    return value.entries.map((entry) => ({ key: sqlValueOf(entry.key), value: sqlValueOf(entry.value) }));
  if (value instanceof DuckDBUnionValue) return { [value.tag]: sqlValueOf(value.value) };
  if (value instanceof DuckDBBlobValue) return Buffer.from(value.bytes).toString("hex");
  return value.toString();
};
