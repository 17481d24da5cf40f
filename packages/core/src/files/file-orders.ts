/**
 * What the files have said about one order, and what one more file changes. Pure; the order of rows and the order of
 * files do not matter in mode `append`.
 */
import { digest, eventIdOf } from "../ids.ts";
import { STREAM_SCHEMA_VERSION, kindNames } from "../kinds.ts";
import { limits } from "../limits.ts";
import type { RateTable } from "../money.ts";
import { convertMinor, currencyDigits, rateAt } from "../money.ts";
import { ORDER_RANK } from "../orders.ts";
import type { Refusal } from "../reasons.ts";
import type { StreamEvent } from "../stream-event.ts";
import type { Head, OrderContent, StoredLine } from "./order-content.ts";
import { decodeContent, encodeContent } from "./order-content.ts";
import type { OrderRow } from "./rows.ts";
import { SEPARATOR } from "./rows.ts";

/** An event before its part numbers it. */
export type UnnumberedEvent = Omit<StreamEvent, "receipt_number">;

/** An order as the order book keeps it. */
export interface FileOrderState {
  readonly key: string;
  readonly version: number;
  readonly content: string;
}

/** A version of an order: what the book is to hold of it, and what its event says. */
export interface OrderVersion extends FileOrderState {
  readonly head: Head;
  /** The lines' JSON texts, between commas. */
  readonly linesJson: string;
  readonly totalMinor: number;
}

/** The rows of one order in one file. */
export interface OrderGroup {
  readonly orderId: string;
  readonly customerKey: string;
  readonly rows: OrderRow[];
}

export type UploadMode = "append" | "replace";

export interface Reconciled {
  readonly order: OrderVersion;
  /** The order book has to be written. */
  readonly changed: boolean;
  /** This upload answers for the snapshot of this version. */
  readonly emit: boolean;
  readonly accepted: number;
  readonly duplicate: number;
}

export const bookKeyOf = (source: string, customerKey: string, orderId: string): string =>
  [source, customerKey, orderId].join(SEPARATOR);

/** Ids of the rows of one order: equal rows are told apart by their ordinal, so their own order does not matter. */
export const rowIdsOf = (group: OrderGroup): string[] => {
  const ids = group.rows.map((row) => row.identity);
  if (new Set(ids).size === ids.length) return ids;
  const ordinals = new Map<string, number>();
  return ids.map((id, index) => {
    const ordinal = ordinals.get(id) ?? 0;
    ordinals.set(id, ordinal + 1);
    // A row that states a whole order says the same however often it stands there.
    return ordinal === 0 || group.rows[index]!.line === undefined ? id : digest(id, ordinal);
  });
};

export const tooLarge: Refusal = {
  code: "too_large",
  message: `The order has more than ${limits.orderLines.toLocaleString("en")} lines, or more than ${limits.eventBytes.toLocaleString("en")} bytes.`,
};

const least = (a: string | undefined, b: string | undefined): string | undefined =>
  a === undefined ? b : b === undefined || a < b ? a : b;

/** What rows say about the head of their order: none of it depends on their order in the file. */
const headOf = (group: OrderGroup, uploadId: string, refund: boolean): Head => {
  const [first] = group.rows;
  let last = first!.head;
  let { occurredAtMs, country, coupon } = last;
  let statedMinor: number | undefined;
  for (const { head, line, totalMinor } of group.rows) {
    if (line === undefined) statedMinor ??= totalMinor;
    if (head === last) continue;
    last = head;
    occurredAtMs = Math.min(occurredAtMs, head.occurredAtMs);
    country = least(country, head.country);
    coupon = least(coupon, head.coupon);
  }
  return {
    orderId: group.orderId,
    customerKey: group.customerKey,
    refund,
    currency: first!.head.currency,
    occurredAtMs,
    ...(country === undefined ? {} : { country }),
    ...(coupon === undefined ? {} : { coupon }),
    ...(statedMinor === undefined ? {} : { statedMinor }),
    changedBy: uploadId,
  };
};

/** Faults that no single row has: they refuse all rows of the order in this file. */
const faultOf = (
  group: OrderGroup,
  ids: readonly string[],
  stored: Head | undefined,
  known: ReadonlyMap<string, string>,
) => {
  if (group.rows.length > limits.orderLines) return tooLarge;
  const currency = stored?.currency ?? group.rows[0]!.head.currency;
  if (group.rows.some((row) => row.head.currency !== currency))
    return {
      code: "invalid_field",
      field: "currency",
      message: "The rows of one order have more than one currency.",
    } as const;
  if (group.rows.every((row) => row.line !== undefined)) return undefined;
  const stating = new Set(ids.filter((id, index) => group.rows[index]!.line === undefined && !known.has(id)));
  if (stating.size + (stating.size > 0 && stored?.statedMinor !== undefined ? 1 : 0) > 1)
    return {
      code: "invalid_field",
      field: "order_id",
      message:
        "The order was stated before with other values. Which one holds cannot be known; mode=replace takes the file's.",
    } as const;
  return undefined;
};

const iso = (ms: number): string => new Date(ms).toISOString();

/** A line of the file as JSON: with its id, and its own time only where that is not the order's. */
const lineJson = (row: OrderRow, members: string, id: string, orderMs: number): string => {
  const { occurredAtMs } = row.head;
  const time = occurredAtMs === orderMs ? "" : `,"occurred_at":"${iso(occurredAtMs)}"`;
  return `{"line_id":"${id}",${members},"total_minor":${row.totalMinor}${time}}`;
};

/** Gives the lines of a stored order times relative to an earlier start. */
const moved = (lines: readonly StoredLine[], fromMs: number, toMs: number): readonly StoredLine[] =>
  fromMs === toMs
    ? lines
    : lines.map((line) => (line.occurred_at === undefined ? { ...line, occurred_at: iso(fromMs) } : line));

const jsonOf = (lines: readonly StoredLine[]): string => lines.map((line) => JSON.stringify(line)).join(",");

const sumOf = (lines: readonly StoredLine[]): number => lines.reduce((sum, line) => sum + line.total_minor, 0);

/** The upload that first brought each row of a stored order. */
export const uploadsByRow = ({ lines, stating, uploads }: OrderContent): ReadonlyMap<string, string> =>
  new Map([...lines.map((line) => line.line_id), ...stating].map((id, index) => [id, uploads[index]!]));

const NO_ROWS: ReadonlyMap<string, string> = new Map();

interface FileOfOrder {
  readonly source: string;
  readonly uploadId: string;
  readonly mode: UploadMode;
  readonly refund: boolean;
}

/**
 * Puts the rows of one order in one file together with what is known. A refusal refuses all of them that are not known
 * already; the stored order is left as it was.
 */
export const reconcile = (
  stored: FileOrderState | undefined,
  group: OrderGroup,
  upload: FileOfOrder,
): Reconciled | { readonly refusal: Refusal } => {
  const ids = rowIdsOf(group);
  const known = stored === undefined ? undefined : decodeContent(stored.content);
  const uploadOf = known === undefined ? NO_ROWS : uploadsByRow(known);
  const base = upload.mode === "replace" ? undefined : known;
  const fault = faultOf(group, ids, base?.head, base === undefined ? NO_ROWS : uploadOf);
  if (fault !== undefined) return { refusal: fault };

  const stated = new Set<string>();
  const added: AddedRow[] = [];
  let accepted = 0;
  let distinct = 0;
  let changed = known === undefined;
  for (const [index, row] of group.rows.entries()) {
    const id = ids[index]!;
    if (row.line === undefined) {
      if (stated.has(id)) continue;
      stated.add(id);
    }
    distinct++;
    // A row counts for the upload that first brought it, also when that upload runs a second time.
    const from = uploadOf.get(id);
    if (from === undefined || from === upload.uploadId) accepted++;
    if (from === undefined) changed = true;
    if (from === undefined || base === undefined) added.push({ row, id, uploadId: from ?? upload.uploadId });
  }
  changed ||= upload.mode === "replace" && distinct !== uploadOf.size;
  const duplicate = group.rows.length - accepted;
  if (!changed) {
    const { head, lines, uploads } = known!;
    const emit = uploads.includes(upload.uploadId) || head.changedBy === upload.uploadId;
    const order = { ...stored!, head, linesJson: jsonOf(lines), totalMinor: head.statedMinor ?? sumOf(lines) };
    return { order, changed, emit, accepted, duplicate };
  }
  const own = headOf(group, upload.uploadId, upload.refund);
  const order = nextVersion(stored, base, base === undefined ? own : merged(base.head, own), added, upload.source);
  if (order === undefined) return { refusal: tooLarge };
  if (upload.refund && order.totalMinor > 0)
    return {
      refusal: {
        code: "invalid_field",
        field: "quantity",
        message: "A cancellation has to give money back; the sum of its lines is above zero.",
      },
    };
  return { order, changed, emit: true, accepted, duplicate };
};

interface AddedRow {
  readonly row: OrderRow;
  readonly id: string;
  readonly uploadId: string;
}

/** @returns `undefined` for an order of too many lines */
const nextVersion = (
  stored: FileOrderState | undefined,
  base: OrderContent | undefined,
  head: Head,
  added: readonly AddedRow[],
  source: string,
): OrderVersion | undefined => {
  const old = base === undefined ? [] : moved(base.lines, base.head.occurredAtMs, head.occurredAtMs);
  const lines = old.map((line) => JSON.stringify(line));
  const uploads = base?.uploads.slice(0, old.length) ?? [];
  const stating = [...(base?.stating ?? [])];
  const statingUploads = base?.uploads.slice(old.length) ?? [];
  let linesMinor = sumOf(old);
  for (const { row, id, uploadId } of added)
    if (row.line === undefined) {
      stating.push(id);
      statingUploads.push(uploadId);
    } else {
      lines.push(lineJson(row, row.line, id, head.occurredAtMs));
      uploads.push(uploadId);
      linesMinor += row.totalMinor;
    }
  if (lines.length > limits.orderLines) return undefined;
  const linesJson = lines.join(",");
  return {
    key: stored?.key ?? bookKeyOf(source, head.customerKey, head.orderId),
    version: (stored?.version ?? 0) + 1,
    content: encodeContent(head, stating, [...uploads, ...statingUploads], linesJson),
    head,
    linesJson,
    totalMinor: head.statedMinor ?? linesMinor,
  };
};

const merged = (stored: Head, own: Head): Head => {
  const country = least(stored.country, own.country);
  const coupon = least(stored.coupon, own.coupon);
  const statedMinor = stored.statedMinor ?? own.statedMinor;
  return {
    ...own,
    refund: stored.refund,
    occurredAtMs: Math.min(stored.occurredAtMs, own.occurredAtMs),
    ...(country === undefined ? {} : { country }),
    ...(coupon === undefined ? {} : { coupon }),
    ...(statedMinor === undefined ? {} : { statedMinor }),
  };
};

/**
 * The event of an order at its version, but for its lines: they are JSON already. The same order and version give the
 * same event id, whoever emits it.
 */
export const snapshotOf = (
  { head, version, totalMinor: linesMinor }: OrderVersion,
  context: {
    readonly source: string;
    readonly uploadId: string;
    readonly receivedAtMs: number;
    readonly rates: RateTable;
  },
): UnnumberedEvent => {
  const { rates } = context;
  const digits = currencyDigits(head.currency) ?? 2;
  const totalMinor = linesMinor * (head.refund ? -1 : 1) || 0;
  const reportingMinor = convertMinor(
    totalMinor,
    rateAt(rates, head.currency, head.occurredAtMs) ?? 1,
    digits,
    currencyDigits(rates.reportingCurrency) ?? 2,
  );
  const kind = head.refund ? "order_refunded" : "order_completed";
  return {
    event_id: eventIdOf(context.source, "file-order", head.customerKey, head.orderId, version),
    kind,
    name: kindNames[kind],
    source: context.source,
    schema_version: STREAM_SCHEMA_VERSION,
    occurred_at: iso(head.occurredAtMs),
    received_at: iso(context.receivedAtMs),
    receipt_id: context.uploadId,
    ...(head.customerKey === "" ? {} : { customer_key: head.customerKey }),
    ...(head.country === undefined ? {} : { country: head.country }),
    ...(head.refund ? { refund_id: head.orderId } : { order_id: head.orderId }),
    order_rank: ORDER_RANK.file,
    order_version: version,
    currency: head.currency,
    total_minor: totalMinor,
    reporting_currency: rates.reportingCurrency,
    ...(reportingMinor === undefined ? {} : { reporting_minor: reportingMinor }),
    ...(head.coupon === undefined ? {} : { coupon: head.coupon }),
  };
};
