/** Types of MySQL and MariaDB, the text in which each is read, and the column of the lake that holds it. */
import type { FieldPacket } from "mysql2";
import mysql from "mysql2";
import type { SourceField, SourceType } from "../source-ports.ts";
import type { SqlWords } from "./sql-text.ts";

const { Types } = mysql;
const UNSIGNED = 32;
const BINARY_SET = 63;

interface Described {
  readonly type: string;
  readonly lake: SourceType;
}

/** A field by what a result says of it: it holds for tables, views and queries alike. */
export const fieldOfMysql = (name: string, packet: FieldPacket): SourceField => ({ name, ...describe(packet) });

const describe = (packet: FieldPacket): Described => {
  const { columnType, columnLength = 0, decimals = 0, flags } = packet;
  const unsigned = (Number(flags) & UNSIGNED) !== 0;
  const sign = unsigned ? " unsigned" : "";
  const isBinary = packet.characterSet === BINARY_SET;
  switch (columnType) {
    case Types.TINY:
      return { type: `tinyint${sign}`, lake: "int" };
    case Types.SHORT:
      return { type: `smallint${sign}`, lake: "int" };
    case Types.INT24:
      return { type: `mediumint${sign}`, lake: "int" };
    case Types.LONG:
      return { type: `int${sign}`, lake: unsigned ? "bigint" : "int" };
    case Types.LONGLONG:
      return { type: `bigint${sign}`, lake: unsigned ? "decimal(20,0)" : "bigint" };
    case Types.YEAR:
      return { type: "year", lake: "int" };
    case Types.FLOAT:
      return { type: "float", lake: "double" };
    case Types.DOUBLE:
      return { type: "double", lake: "double" };
    case Types.DECIMAL:
    case Types.NEWDECIMAL: {
      // The length of its text: digits, a sign unless unsigned, a point where there are decimals.
      const precision = columnLength - (unsigned ? 0 : 1) - (decimals > 0 ? 1 : 0);
      const type = `decimal(${precision},${decimals})${sign}`;
      return { type, lake: precision >= 1 && precision <= 38 ? `decimal(${precision},${decimals})` : "string" };
    }
    case Types.DATE:
    case Types.NEWDATE:
      return { type: "date", lake: "date" };
    case Types.DATETIME:
      return { type: "datetime", lake: "timestamp" };
    case Types.TIMESTAMP:
      return { type: "timestamp", lake: "timestamp" };
    case Types.BIT:
      return { type: "bit", lake: "string" };
    case Types.TINY_BLOB:
    case Types.MEDIUM_BLOB:
    case Types.LONG_BLOB:
    case Types.BLOB:
      return isBinary ? { type: "blob", lake: "string" } : { type: "text", lake: "string" };
    case Types.STRING:
    case Types.VARCHAR:
    case Types.VAR_STRING:
      return isBinary ? { type: "binary", lake: "string" } : { type: "char", lake: "string" };
    case undefined:
    default:
      return { type: "text", lake: "string" };
  }
};

/** The expression that gives a field as the text that the lake's column is read from. */
export const mysqlExpression = (
  { type }: SourceField,
  name: string,
  timezone: string | undefined,
  { value }: SqlWords,
): string => {
  if (type === "blob" || type === "binary" || type === "bit") return `LOWER(HEX(${name}))`;
  if (type === "float") return `CAST(${name} AS DOUBLE)`; // its own text has six digits
  // TIMESTAMP is an instant and the session's zone is UTC; DATETIME is what a clock showed.
  if (type === "datetime" && timezone !== undefined) return `CONVERT_TZ(${name}, ${value(timezone)}, '+00:00')`;
  return name;
};
