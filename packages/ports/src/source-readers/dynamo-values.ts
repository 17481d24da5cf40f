/** Attributes of DynamoDB items as cells: found by a path, written as text of the type that the declaration gives. */
import type { AttributeValue } from "@aws-sdk/client-dynamodb";
import type { Cell, SourceType } from "../source-ports.ts";

export type Item = Readonly<Record<string, AttributeValue>>;

/** The attribute at a path such as `customer.id`, through maps alone; a list has rows of its own. */
export const attributeAt = (item: Item | undefined, path: readonly string[]): AttributeValue | undefined => {
  let at: Item | undefined = item;
  for (const [index, name] of path.entries()) {
    const value: AttributeValue | undefined = at !== undefined && Object.hasOwn(at, name) ? at[name] : undefined;
    if (index === path.length - 1 || value === undefined) return value;
    at = value.M;
  }
  return undefined;
};

/** A number as JSON: text where a double would not give the same digits again. */
const jsonNumber = (text: string): number | string => (String(Number(text)) === text ? Number(text) : text);
/** Exports have bytes as base64, which the type of the SDK does not tell. */
const hex = (bytes: Uint8Array | string): string =>
  (typeof bytes === "string" ? Buffer.from(bytes, "base64") : Buffer.from(bytes)).toString("hex");

/** Plain JSON of an attribute; names of maps and members of sets in order, so that equal values have equal text. */
const plain = (value: AttributeValue): unknown => {
  if (value.S !== undefined) return value.S;
  if (value.N !== undefined) return jsonNumber(value.N);
  if (value.BOOL !== undefined) return value.BOOL;
  if (value.B !== undefined) return hex(value.B);
  if (value.L !== undefined) return value.L.map(plain);
  if (value.M !== undefined)
    return Object.fromEntries(
      Object.entries(value.M)
        .toSorted(([a], [b]) => (a < b ? -1 : 1))
        .map(([name, inner]) => [name, plain(inner)]),
    );
  if (value.SS !== undefined) return value.SS.toSorted();
  if (value.NS !== undefined) return value.NS.toSorted().map(jsonNumber);
  if (value.BS !== undefined) return value.BS.map(hex).toSorted();
  return null;
};

/**
 * An attribute as text of a type. What is none of that type stays as it is: whoever makes the row finds it out and
 * counts it. Numbers keep every digit; maps, lists and sets are JSON; binary is hexadecimal.
 */
export const cellOfAttribute = (value: AttributeValue | undefined, type: SourceType): Cell => {
  if (value === undefined || value.NULL === true) return null;
  if (type === "timestamp" || type === "date") {
    const instant = value.N === undefined ? instantOf(value.S ?? "") : instantOfNumber(value.N);
    if (instant !== undefined) return type === "date" ? instant.slice(0, 10) : instant;
  }
  if (value.S !== undefined) return value.S;
  if (value.N !== undefined) return value.N;
  if (value.BOOL !== undefined) return String(value.BOOL);
  if (value.B !== undefined) return hex(value.B);
  return JSON.stringify(plain(value));
};

const ISO = /^(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d)(?::(\d\d)(?:\.(\d+))?)?\s?(Z|[+-]\d\d(?::?\d\d)?)?)?$/i;

/** ISO 8601 as `YYYY-MM-DD HH:MM:SS[.ffffff]` in UTC; without a zone it is UTC already. */
const instantOf = (text: string): string | undefined => {
  const parts = ISO.exec(text);
  if (parts === null) return undefined;
  const [, day, minutes = "00:00", seconds = "00", fraction = "", zone = "Z"] = parts;
  const tail = fraction.slice(0, 6).replace(/0+$/, "");
  const local = `${day} ${minutes}:${seconds}`;
  const written = (instant: string): string => (tail === "" ? instant : `${instant}.${tail}`);
  if (zone.toUpperCase() === "Z") return written(local);
  const sign = zone.startsWith("-") ? 1 : -1;
  const offset = Number(zone.slice(1, 3)) * 60 + Number(zone.slice(3).replace(":", "") || 0);
  const shifted = new Date(Date.parse(`${local.replace(" ", "T")}Z`) + sign * offset * 60_000);
  return Number.isNaN(shifted.getTime()) ? undefined : written(writtenUtc(shifted).slice(0, 19));
};

/** From here on a number of milliseconds is meant (5138 in seconds, 1973 in milliseconds). */
const MILLISECONDS_FROM = 100_000_000_000;

/** Seconds of Unix time, or milliseconds; no digit of a fraction is lost down to microseconds. */
const instantOfNumber = (text: string): string | undefined => {
  const parts = /^(-?\d{1,15})(?:\.(\d+))?$/.exec(text);
  if (parts === null) return undefined;
  const whole = Number(parts[1]);
  const isMs = Math.abs(whole) >= MILLISECONDS_FROM;
  const micros =
    BigInt(parts[1]!) * (isMs ? 1_000n : 1_000_000n) +
    (text.startsWith("-") ? -1n : 1n) * BigInt((parts[2] ?? "").padEnd(6, "0").slice(0, isMs ? 3 : 6));
  const rest = ((micros % 1_000_000n) + 1_000_000n) % 1_000_000n;
  const at = new Date(Number((micros - rest) / 1_000n));
  if (Number.isNaN(at.getTime()) || at.getUTCFullYear() > 9999 || at.getUTCFullYear() < 1) return undefined;
  const tail = String(rest).padStart(6, "0").replace(/0+$/, "");
  return `${writtenUtc(at).slice(0, 19)}${tail === "" ? "" : `.${tail}`}`;
};

const writtenUtc = (at: Date): string => at.toISOString().replace("T", " ").replace("Z", "");
