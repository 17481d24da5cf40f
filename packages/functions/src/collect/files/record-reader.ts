/** One record of a file as the texts of its fields, and the hash by which records are gathered. */
import { isUtf8 } from "node:buffer";
import { blankSeparated, fieldsOf } from "@ebb/core/files/csv";
import type { Layout } from "@ebb/core/files/layouts";
import { parseId } from "@ebb/core/files/values";
import type { Refusal } from "@ebb/core/reasons";
import type { FileShape } from "./file-shape.ts";
import { LONGEST_RECORD } from "./split-records.ts";

/** Texts of the fields of one record, or why it is refused. */
export type RecordReader = (bytes: Buffer, start: number, end: number) => readonly string[] | Refusal;

const NOT_ASCII = /[\x80-\uffff]/;

const malformed = (message: string): Refusal => ({ code: "malformed_row", message });

export const recordReader = (shape: FileShape): RecordReader => {
  const text = textReader(shape.encoding);
  return (bytes, start, end) => {
    if (end - start >= LONGEST_RECORD)
      return {
        code: "too_large",
        message: `The row has more than ${LONGEST_RECORD.toLocaleString("en")} bytes; what is kept of it is its beginning.`,
      };
    const record = text(bytes, start, end);
    if (record === undefined)
      return {
        code: "invalid_encoding",
        message: `The row is not ${shape.encoding.toUpperCase()}. If the file is of another encoding, send it again with encoding=windows-1252.`,
      };
    if (shape.format === "json_lines") return jsonFields(record, shape.header);
    if (shape.format === "xlsx") return cells(record, shape.width);
    const fields = shape.format === "blanks" ? blankSeparated(record) : fieldsOf(record, shape.delimiter);
    if (fields === undefined) return malformed("A quote is opened and not closed, or text follows a closing quote.");
    return fields.length === shape.width
      ? fields
      : malformed(`The row has ${fields.length} fields where the header has ${shape.width}.`);
  };
};

type TextReader = (bytes: Buffer, start: number, end: number) => string | undefined;

/** Spooled records are UTF-8, except that a single-byte encoding is kept as it is. */
const textReader = (encoding: FileShape["encoding"]): TextReader => {
  const windows = new TextDecoder("windows-1252");
  return (bytes, start, end) => {
    const latin = bytes.toString("latin1", start, end);
    if (!NOT_ASCII.test(latin)) return latin;
    const record = bytes.subarray(start, end);
    if (encoding === "windows-1252") return windows.decode(record);
    return isUtf8(record) ? bytes.toString("utf8", start, end) : undefined;
  };
};

const cells = (record: string, width: number): readonly string[] | Refusal => {
  const row = JSON.parse(record) as string[];
  if (row.length > width) return malformed(`The row has ${row.length} cells where the header has ${width}.`);
  while (row.length < width) row.push("");
  return row;
};

/** Numbers keep the digits they were written with: an id of 18 digits is no double. */
const withSources = (_key: string, value: unknown, context?: { source?: string }): unknown =>
  typeof value === "number" ? (context?.source ?? value) : value;

export const parseJsonRecord = (record: string): Readonly<Record<string, unknown>> | undefined => {
  try {
    const value: unknown = /\d{16}/.test(record) ? JSON.parse(record, withSources) : JSON.parse(record);
    return typeof value === "object" && value !== null && !Array.isArray(value)
      ? (value as Record<string, unknown>)
      : undefined;
  } catch {
    return undefined;
  }
};

const jsonFields = (record: string, names: readonly string[]): readonly string[] | Refusal => {
  const row = parseJsonRecord(record);
  if (row === undefined) return { code: "invalid_json", message: "The row is not one JSON object on one line." };
  const fields: string[] = [];
  for (const name of names) {
    const value = Object.hasOwn(row, name) ? row[name] : undefined;
    if (value === undefined || value === null) fields.push("");
    else if (typeof value === "string") fields.push(value);
    else if (typeof value === "number" || typeof value === "boolean") fields.push(String(value));
    else
      return {
        code: "invalid_field",
        field: name.slice(0, 100),
        message: "A field holds a list or an object; one value was expected.",
      };
  }
  return fields;
};

/** Which records are looked at together: a number from 0 to 2^32 - 1, equal where the layout's key columns are equal. */
export type RecordHash = (bytes: Buffer, start: number, end: number) => number;

const FNV_START = 0x811c9dc5;
const FNV_PRIME = 0x01000193;

export const recordHash = (shape: FileShape, keyColumns: readonly number[]): RecordHash => {
  const read = recordReader(shape);
  const slow: RecordHash = (bytes, start, end) => {
    const fields = read(bytes, start, end);
    let hash = FNV_START;
    if ("code" in fields) return hash; // refused rows need no company
    for (const [index, column] of keyColumns.entries()) {
      const key = (index > 0 ? "\u001f" : "") + (parseId(fields[column] ?? "") ?? "");
      for (let at = 0; at < key.length; at++) hash = Math.imul(hash ^ key.charCodeAt(at), FNV_PRIME);
    }
    return hash >>> 0;
  };
  const [column] = keyColumns;
  if (shape.format !== "delimited" || keyColumns.length !== 1 || column === undefined) return slow;
  const delimiter = shape.delimiter.charCodeAt(0);
  // Plain digits with at most one letter in front are their own normal form, and need not become a string.
  return (bytes, start, end) => {
    let at = start;
    for (let skip = column; skip > 0; at++) {
      if (at >= end || bytes[at] === 34) return slow(bytes, start, end);
      if (bytes[at] === delimiter) skip--;
    }
    let hash = FNV_START;
    for (const first = at; at < end; at++) {
      const byte = bytes[at]!;
      if (byte === delimiter) break;
      if (!(byte >= 48 && byte <= 57) && !(at === first && byte >= 65 && byte <= 90)) return slow(bytes, start, end);
      hash = Math.imul(hash ^ byte, FNV_PRIME);
    }
    return hash >>> 0;
  };
};

/** Columns that rows of one kind share. A column that the file does not have is empty in every row. */
export const keyColumnsOf = (shape: FileShape, layout: Layout): number[] =>
  layout.keyedBy.map((role) => shape.columns[role] ?? shape.width);
