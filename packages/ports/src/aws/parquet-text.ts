/**
 * Values of a Parquet column as the text that the embedded home gives them (`embedded/parquet-csv.ts`, DuckDB), so that one
 * file is the same rows in both homes.
 */
import type { ParquetParsers, SchemaElement } from "hyparquet";

export type TextOf = (value: unknown) => string;

const utf8 = new TextDecoder();

/** `YYYY-MM-DD HH:MM:SS` with as many decimals as it has, UTC. */
const instantText = (units: bigint, perSecond: bigint): string => {
  const fraction = ((units % perSecond) + perSecond) % perSecond;
  const seconds = (units - fraction) / perSecond;
  const text = new Date(Number(seconds) * 1_000).toISOString().slice(0, 19).replace("T", " ");
  return text + decimalsOf(fraction, String(perSecond).length - 1);
};

const decimalsOf = (fraction: bigint, digits: number): string =>
  fraction === 0n ? "" : `.${String(fraction).padStart(digits, "0").replace(/0+$/, "")}`;

/** `HH:MM:SS` since midnight. */
const timeText = (units: bigint, perSecond: bigint): string => {
  const seconds = Number(units / perSecond);
  const parts = [Math.floor(seconds / 3_600), Math.floor(seconds / 60) % 60, seconds % 60];
  const clock = parts.map((part) => String(part).padStart(2, "0")).join(":");
  return clock + decimalsOf(units % perSecond, String(perSecond).length - 1);
};

/** Days and instants as DuckDB writes them. */
export const timeParsers = {
  timestampFromMilliseconds: (millis) => instantText(millis, 1_000n),
  timestampFromMicroseconds: (micros) => instantText(micros, 1_000_000n),
  timestampFromNanoseconds: (nanos) => instantText(nanos, 1_000_000_000n),
  dateFromDays: (days) => new Date(days * 86_400_000).toISOString().slice(0, 10),
} satisfies Partial<ParquetParsers>;

/** What the reader makes of annotated values; the rest comes as it is stored. */
export const parsers: Partial<ParquetParsers> = { ...timeParsers, jsonFromBytes: (bytes) => utf8.decode(bytes) };

/** The fewest digits that give the number again; a whole number has `.0`, as numbers with a fraction elsewhere show it. */
const floatText = (value: number, shortest: (value: number) => string): string => {
  if (Number.isNaN(value)) return "nan";
  if (!Number.isFinite(value)) return value < 0 ? "-inf" : "inf";
  if (value === 0) return Object.is(value, -0) ? "-0.0" : "0.0";
  const [mantissa, power] = shortest(value).split("e") as [string, string];
  const exponent = Number(power);
  if (exponent < -4 || exponent >= 16)
    return `${mantissa}e${exponent < 0 ? "-" : "+"}${String(Math.abs(exponent)).padStart(2, "0")}`;
  const digits = mantissa.replace(/[-.]/g, "");
  const sign = value < 0 ? "-" : "";
  if (exponent < 0) return `${sign}0.${"0".repeat(-exponent - 1)}${digits}`;
  const whole = digits.slice(0, exponent + 1).padEnd(exponent + 1, "0");
  return `${sign}${whole}.${digits.slice(exponent + 1) || "0"}`;
};

const shortestDouble = (value: number): string => value.toExponential();
/** Nine digits tell every number of 32 bits. DuckDB gives a digit more to some, which is the same number. */
const shortestFloat = (value: number): string => {
  for (let digits = 0; digits < 9; digits++) {
    const text = value.toExponential(digits);
    if (Math.fround(Number(text)) === Math.fround(value)) return text.replace(/\.?0+e/, "e");
  }
  return value.toExponential(8);
};

/** Two's complement, the highest byte first. */
const integerOf = (bytes: Uint8Array): bigint => {
  let value = 0n;
  for (const byte of bytes) value = (value << 8n) | BigInt(byte);
  return BigInt.asIntN(bytes.length * 8, value);
};

const decimalText = (units: bigint, scale: number): string => {
  const digits = String(units < 0n ? -units : units).padStart(scale + 1, "0");
  const sign = units < 0n ? "-" : "";
  return scale === 0 ? sign + digits : `${sign}${digits.slice(0, -scale)}.${digits.slice(-scale)}`;
};

/** Bytes without a meaning: what is no letter, digit or sign in ASCII as `\xAB`. */
const bytesText = (bytes: Uint8Array): string =>
  Array.from(bytes, (byte) =>
    byte >= 32 && byte <= 126 && byte !== 92 && byte !== 39 && byte !== 34
      ? String.fromCharCode(byte)
      : `\\x${byte.toString(16).toUpperCase().padStart(2, "0")}`,
  ).join("");

/** A number of JSON as it is written (ECMAScript 2026); TypeScript's library does not know it yet. */
const rawJson = (text: string): unknown => (JSON as unknown as { rawJSON(text: string): unknown }).rawJSON(text);

/** Lists, structs and maps: JSON in which whole numbers keep all their digits. */
const nestedText = (value: unknown): string =>
  JSON.stringify(value, (_, each: unknown) => {
    if (typeof each === "bigint") return rawJson(String(each));
    if (each instanceof Uint8Array) return bytesText(each);
    return each;
  });

const isDecimal = ({ converted_type: converted, logical_type: logical }: SchemaElement): boolean =>
  converted === "DECIMAL" || logical?.type === "DECIMAL";

/** Units a second of a column of times; `undefined` for any other. */
const timeUnits = ({ converted_type: converted, logical_type: logical }: SchemaElement): bigint | undefined => {
  if (logical?.type === "TIME") return { MILLIS: 1_000n, MICROS: 1_000_000n, NANOS: 1_000_000_000n }[logical.unit];
  if (converted === "TIME_MILLIS") return 1_000n;
  return converted === "TIME_MICROS" ? 1_000_000n : undefined;
};

const textOfAny: TextOf = (value) => {
  if (typeof value === "string") return value;
  if (typeof value === "number" || typeof value === "bigint" || typeof value === "boolean") return String(value);
  return value instanceof Uint8Array ? bytesText(value) : nestedText(value);
};

/**
 * How a column's values are read and told. The reader makes floating-point numbers of decimals: it is given the column
 * without that annotation, and with all its digits.
 * @param element of the column as the file has it
 */
export const columnText = (element: SchemaElement): { readonly element: SchemaElement; readonly textOf: TextOf } => {
  if (element.num_children !== undefined) return { element, textOf: nestedText };
  if (isDecimal(element)) {
    const { converted_type: _converted, logical_type: logical, ...plain } = element;
    const scale = element.scale ?? (logical?.type === "DECIMAL" ? logical.scale : 0);
    const textOf: TextOf = (value) =>
      decimalText(value instanceof Uint8Array ? integerOf(value) : BigInt(value as number | bigint), scale);
    return { element: plain, textOf };
  }
  const perSecond = timeUnits(element);
  if (perSecond !== undefined)
    return { element, textOf: (value) => timeText(BigInt(value as number | bigint), perSecond) };
  if (element.type === "FLOAT" || element.logical_type?.type === "FLOAT16")
    return { element, textOf: (value) => floatText(value as number, shortestFloat) };
  if (element.type === "DOUBLE") return { element, textOf: (value) => floatText(value as number, shortestDouble) };
  if (element.converted_type === "ENUM" || element.logical_type?.type === "ENUM")
    return { element, textOf: (value) => (value instanceof Uint8Array ? utf8.decode(value) : textOfAny(value)) };
  return { element, textOf: textOfAny };
};
