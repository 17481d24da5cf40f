/** What may land: the check that both homes run on every line of the stream, and what becomes of a line that fails. */
import { type ReceiptId, digest } from "@ebb/core/ids";
import { STREAM_SCHEMA_VERSION } from "@ebb/core/kinds";
import type { Refusal } from "@ebb/core/reasons";
import { StreamEvent } from "@ebb/core/stream-event";
import type { Column } from "./columns.ts";
import { rawEventsColumns } from "./raw-events.ts";

const utf8 = new TextDecoder("utf-8", { fatal: true });

const parsed = (line: Uint8Array): { value: unknown } | { refusal: Refusal } => {
  let text: string;
  try {
    text = utf8.decode(line);
  } catch {
    return { refusal: { code: "invalid_encoding", message: "The line is not valid UTF-8." } };
  }
  try {
    return { value: JSON.parse(text) };
  } catch {
    return { refusal: { code: "unreadable_record", message: "The line is not JSON." } };
  }
};

/** Bounds of the column types that are narrower than a JSON number, exclusive. */
const bounds: Partial<Record<string, number>> = { int: 2 ** 31, "decimal(18,6)": 1e12 };
interface Bounded {
  readonly name: string;
  readonly below: number;
}
const boundedOf = (columns: readonly Column[]): Bounded[] =>
  columns.flatMap(({ name, type }) => {
    const below = typeof type === "string" ? bounds[type] : undefined;
    return below === undefined ? [] : [{ name, below }];
  });
const boundedColumns = boundedOf(rawEventsColumns);
const boundedLists = rawEventsColumns.flatMap(({ name, type }) =>
  typeof type === "string" ? [] : [{ name, fields: boundedOf(type.listOf) }],
);

const tooLargeIn = (row: Readonly<Record<string, unknown>>, columns: readonly Bounded[]): string | undefined =>
  columns.find(({ name, below }) => Math.abs(Number(row[name] ?? 0)) >= below)?.name;

/** The field whose number does not fit its column: converters fail on it, or silently write nothing. */
const unfitField = (event: Readonly<Record<string, unknown>>): string | undefined => {
  const column = tooLargeIn(event, boundedColumns);
  if (column !== undefined) return column;
  for (const { name, fields } of boundedLists)
    for (const [index, row] of ((event[name] ?? []) as Record<string, unknown>[]).entries()) {
      const field = tooLargeIn(row, fields);
      if (field !== undefined) return `${name}.${index}.${field}`;
    }
  return undefined;
};

/** Why a line of the stream may not land; `undefined` when it may. Never names a value. */
export const refusalOf = (line: Uint8Array): Refusal | undefined => {
  const read = parsed(line);
  if ("refusal" in read) return read.refusal;
  const checked = StreamEvent.safeParse(read.value);
  if (checked.success) {
    const field = unfitField(checked.data);
    return field === undefined ? undefined : { ...conversionFailed, field };
  }
  const issue = checked.error.issues[0];
  const field = issue?.path.map(String).join(".") ?? "";
  return {
    code: "unreadable_record",
    ...(field !== "" && { field }),
    message: `Not a stream event: ${field === "" ? "" : `${field}: `}${issue?.message ?? "wrong shape"}.`,
  };
};

/** The refusal of an event that is well-formed, but which the conversion to Parquet does not take. */
export const conversionFailed: Refusal = {
  code: "conversion_failed",
  message: "The event could not be converted to the lake's columns: a number is too large for its column.",
};

/** How the ids of receipts begin that landing makes for what it puts into quarantine. */
export const LANDING_RECEIPTS = "rcp_land_";

/** @param parts what names the items, so that putting them again changes nothing */
export const landingReceipt = (...parts: readonly string[]): ReceiptId =>
  `${LANDING_RECEIPTS}${digest(...parts)}` as ReceiptId;

/** The line as the quarantine keeps it (the shape of `QuarantinedItem` in the ports). */
export interface Unlandable extends Refusal {
  readonly receiptId: ReceiptId;
  readonly rowNumber: number;
  readonly source: string;
  readonly original: Uint8Array;
  readonly schemaVersion: number;
  readonly quarantinedAtMs: number;
}

const textField = (value: unknown, name: string): string | undefined => {
  if (typeof value !== "object" || value === null) return undefined;
  const field: unknown = Reflect.get(value, name);
  return typeof field === "string" && field.length <= 256 ? field : undefined;
};

/**
 * A line that could not land, for the quarantine. Its receipt cannot be trusted, and its number there would meet the row
 * numbers of refused rows, so the item is named by its bytes: putting it again changes nothing.
 */
export const unlandable = (line: Uint8Array, refusal: Refusal, atMs: number): Unlandable => {
  const read = parsed(line);
  const value = "value" in read ? read.value : undefined;
  const receipt = textField(value, "receipt_id");
  const origin = receipt !== undefined && /^(rcp|upl)_\w+$/.test(receipt) ? ` It came with ${receipt}.` : "";
  return {
    ...refusal,
    message: refusal.message + origin,
    receiptId: landingReceipt("land", Buffer.from(line).toString("base64")),
    rowNumber: 0,
    source: textField(value, "source") ?? "unknown",
    original: line,
    schemaVersion: STREAM_SCHEMA_VERSION,
    quarantinedAtMs: atMs,
  };
};

const NEWLINE = 0x0a;

/** The lines of a stream record that are not empty, without their newlines. Views on the same bytes. */
export function* linesOf(data: Uint8Array): Generator<Uint8Array> {
  for (let from = 0; from < data.length;) {
    const found = data.indexOf(NEWLINE, from);
    const to = found === -1 ? data.length : found;
    if (to > from) yield data.subarray(from, to);
    from = to + 1;
  }
}
