/** An engine that runs SQL over Parquet files, and the plain values that rows of any engine become. */
import type { Dialect } from "@ebb/lake/dialect";

/** What a column holds, as far as engines agree on it: the width of an integer and the scale of a decimal do not count. */
export type Shape =
  | "integer"
  | "double"
  | "decimal"
  | "text"
  | "boolean"
  | "date"
  | "timestamp"
  | { readonly list: Shape }
  | { readonly struct: readonly { readonly name: string; readonly shape: Shape }[] };

/**
 * A value that compares across engines: integers are bigint, doubles numbers, decimals text without trailing zeros, dates
 * `YYYY-MM-DD`, timestamps UTC `YYYY-MM-DDTHH:MM:SS.ffffffZ`, lists arrays, structs objects.
 */
export type Plain = null | boolean | bigint | number | string | readonly Plain[] | { readonly [field: string]: Plain };

export interface Rows {
  readonly columns: readonly { readonly name: string; readonly shape: Shape }[];
  readonly rows: readonly (readonly Plain[])[];
}

export type EngineName = "duckdb" | "spark-3.5" | "spark-4.1" | "trino";

export interface Engine {
  /** Name and version, such as `Spark 3.5.9`. */
  readonly title: string;
  readonly dialect: Dialect;
  /**
   * A table of a Parquet file, or of all the Parquet files below a folder, where folders named `key=value` are text
   * columns. Timestamps are UTC and hold milliseconds.
   */
  load(table: string, parquet: string): Promise<void>;
  /** Names a SELECT: `view` runs it whenever it is read, `table` once. */
  define(name: string, kind: "view" | "table", sql: string): Promise<void>;
  /** Rows of a SELECT, in the engine's order. @throws Error with the engine's message */
  rows(sql: string): Promise<Rows>;
  /** Forgets every table and view. */
  clear(): Promise<void>;
  stop(): Promise<void>;
  /** Ends it at once, whatever it is at: what is asked of it fails. */
  kill(): void;
}

/** `2026-01-31 08:26:00.5`, with a zone of UTC or none, to `2026-01-31T08:26:00.500000Z`. */
const timestampOf = (text: string): string => {
  const [, day, time, fraction = ""] =
    /^(\d{4}-\d\d-\d\d)[ T](\d\d:\d\d:\d\d)(?:\.(\d{1,6}))?(?:Z|\+00(?::00)?| UTC)?$/.exec(text) ?? [];
  if (day === undefined) throw new TypeError(`Not a timestamp: ${text}`);
  return `${day}T${time}.${fraction.padEnd(6, "0")}Z`;
};

const decimalOf = (text: string): string => {
  const short = text.includes(".") ? text.replace(/\.?0+$/, "") : text;
  return short === "-0" ? "0" : short;
};

/** A value as an engine's client gives it (JSON, with numbers as numbers or text) to a plain one. */
export const plainOf = (shape: Shape, raw: unknown): Plain => {
  if (raw === null || raw === undefined) return null;
  if (typeof shape === "object") {
    if ("list" in shape) return (raw as unknown[]).map((item) => plainOf(shape.list, item));
    return Object.fromEntries(
      shape.struct.map((field, index) => [
        field.name,
        plainOf(field.shape, Array.isArray(raw) ? raw[index] : (raw as Record<string, unknown>)[field.name]),
      ]),
    );
  }
  const text = typeof raw === "string" ? raw : JSON.stringify(raw);
  switch (shape) {
    case "integer":
      return BigInt(text);
    case "double":
      return Number(text);
    case "decimal":
      return decimalOf(text);
    case "boolean":
      return text === "true";
    case "timestamp":
      return timestampOf(text);
    case "date":
    case "text":
      return text;
  }
};
