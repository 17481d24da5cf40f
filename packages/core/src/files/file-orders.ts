/**
 * What the files have said about one order, and what one more file changes. Pure; the order of rows and the order of
 * files do not matter in mode `append`.
 */
import { z } from "zod";
import { digest, eventIdOf } from "../ids.ts";
import { STREAM_SCHEMA_VERSION, kindNames } from "../kinds.ts";
import { limits } from "../limits.ts";
import type { RateTable } from "../money.ts";
import { convertMinor, currencyDigits, rateAt } from "../money.ts";
import { ORDER_RANK } from "../orders.ts";
import type { Refusal } from "../reasons.ts";
import type { StreamEvent, StreamLine } from "../stream-event.ts";
import type { OrderRow } from "./rows.ts";
import { SEPARATOR } from "./rows.ts";

/** An event before its part numbers it. */
export type UnnumberedEvent = Omit<StreamEvent, "receipt_number">;

/** An order as the order book keeps it. `rows` runs parallel to `lines`; rows that state whole orders come after. */
export interface FileOrderState {
  readonly key: string;
  readonly version: number;
  readonly rows: readonly { readonly id: string; readonly uploadId: string }[];
  readonly lines: readonly StreamLine[];
  readonly head: Readonly<Record<string, unknown>>;
}

const Head = z.object({
  orderId: z.string(),
  customerKey: z.string(),
  refund: z.boolean(),
  currency: z.string(),
  /** Of the earliest line. A line that has no time of its own has this one. */
  occurredAtMs: z.number(),
  country: z.string().optional(),
  coupon: z.string().optional(),
  /** The total that a row stating the whole order gave; the sum of the lines where absent. */
  statedMinor: z.number().optional(),
  /** The upload that wrote this version: it answers for the version's event. */
  changedBy: z.string(),
});
type Head = z.infer<typeof Head>;

/** The rows of one order in one file. */
export interface OrderGroup {
  readonly orderId: string;
  readonly customerKey: string;
  readonly rows: OrderRow[];
}

export type UploadMode = "append" | "replace";

export interface Reconciled {
  readonly order: FileOrderState;
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
  let occurredAtMs = Infinity;
  let country: string | undefined;
  let coupon: string | undefined;
  let statedMinor: number | undefined;
  for (const row of group.rows) {
    occurredAtMs = Math.min(occurredAtMs, row.occurredAtMs);
    country = least(country, row.country);
    coupon = least(coupon, row.coupon);
    statedMinor ??= row.statedMinor;
  }
  return {
    orderId: group.orderId,
    customerKey: group.customerKey,
    refund,
    currency: first!.currency,
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
  const currency = stored?.currency ?? group.rows[0]!.currency;
  if (group.rows.some((row) => row.currency !== currency))
    return {
      code: "invalid_field",
      field: "currency",
      message: "The rows of one order have more than one currency.",
    } as const;
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

/** A line of the file as the book keeps it: its id, and its own time only where that is not the order's. */
const lineOf = (row: OrderRow, id: string, orderMs: number): StreamLine =>
  row.occurredAtMs === orderMs && id === row.identity
    ? row.line!
    : { ...row.line!, line_id: id, ...(row.occurredAtMs === orderMs ? {} : { occurred_at: iso(row.occurredAtMs) }) };

/** Gives the lines of a stored order times relative to an earlier start. */
const moved = (lines: readonly StreamLine[], fromMs: number, toMs: number): readonly StreamLine[] =>
  fromMs === toMs
    ? lines
    : lines.map((line) => (line.occurred_at === undefined ? { ...line, occurred_at: iso(fromMs) } : line));

/**
 * Puts the rows of one order in one file together with what is known. A refusal refuses all of them that are not known
 * already; the stored order is left as it was.
 */
export const reconcile = (
  stored: FileOrderState | undefined,
  group: OrderGroup,
  upload: { readonly source: string; readonly uploadId: string; readonly mode: UploadMode; readonly refund: boolean },
): Reconciled | { readonly refusal: Refusal } => {
  const ids = rowIdsOf(group);
  const uploadOf = new Map(stored?.rows.map((row) => [row.id, row.uploadId]));
  const storedHead = stored === undefined ? undefined : Head.parse(stored.head);
  const base = upload.mode === "replace" ? undefined : storedHead;
  const fault = faultOf(group, ids, base, upload.mode === "replace" ? new Map<string, string>() : uploadOf);
  if (fault !== undefined) return { refusal: fault };

  const own = headOf(group, upload.uploadId, upload.refund);
  const head: Head = base === undefined ? own : merged(base, own);
  const kept = upload.mode === "replace" ? undefined : stored;
  const rows = [...(kept?.rows.slice(0, kept.lines.length) ?? [])];
  const stating = [...(kept?.rows.slice(kept.lines.length) ?? [])];
  const lines = [
    ...(kept === undefined || base === undefined ? [] : moved(kept.lines, base.occurredAtMs, head.occurredAtMs)),
  ];
  const present = new Set<string>();
  let accepted = 0;
  let changed = stored === undefined;
  for (const [index, id] of ids.entries()) {
    if (present.has(id)) continue;
    present.add(id);
    // A row counts for the upload that first brought it, also when that upload runs a second time.
    const uploadId = uploadOf.get(id) ?? upload.uploadId;
    if (uploadId === upload.uploadId) accepted++;
    changed ||= !uploadOf.has(id);
    if (kept !== undefined && uploadOf.has(id)) continue;
    const row = group.rows[index]!;
    if (row.line === undefined) stating.push({ id, uploadId });
    else {
      rows.push({ id, uploadId });
      lines.push(lineOf(row, id, head.occurredAtMs));
    }
  }
  changed ||= upload.mode === "replace" && present.size !== uploadOf.size;
  if (!changed) {
    const mine =
      stored!.rows.some((row) => row.uploadId === upload.uploadId) || storedHead!.changedBy === upload.uploadId;
    return { order: stored!, changed, emit: mine, accepted, duplicate: group.rows.length - accepted };
  }
  if (lines.length > limits.orderLines) return { refusal: tooLarge };
  const order: FileOrderState = {
    key: stored?.key ?? bookKeyOf(upload.source, group.customerKey, group.orderId),
    version: (stored?.version ?? 0) + 1,
    rows: [...rows, ...stating],
    lines,
    head,
  };
  if (upload.refund && totalOf(order, head) > 0)
    return {
      refusal: {
        code: "invalid_field",
        field: "quantity",
        message: "A cancellation has to give money back; the sum of its lines is above zero.",
      },
    };
  return { order, changed, emit: true, accepted, duplicate: group.rows.length - accepted };
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

const totalOf = (order: FileOrderState, head: Head): number =>
  head.statedMinor ?? order.lines.reduce((sum, line) => sum + line.total_minor, 0);

/** The snapshot of an order at its version. The same order and version give the same event id, whoever emits it. */
export const snapshotOf = (
  order: FileOrderState,
  context: {
    readonly source: string;
    readonly uploadId: string;
    readonly receivedAtMs: number;
    readonly rates: RateTable;
  },
): UnnumberedEvent => {
  const head = Head.parse(order.head);
  const { rates } = context;
  const digits = currencyDigits(head.currency) ?? 2;
  const totalMinor = totalOf(order, head) * (head.refund ? -1 : 1) || 0;
  const reportingMinor = convertMinor(
    totalMinor,
    rateAt(rates, head.currency, head.occurredAtMs) ?? 1,
    digits,
    currencyDigits(rates.reportingCurrency) ?? 2,
  );
  const kind = head.refund ? "order_refunded" : "order_completed";
  return {
    event_id: eventIdOf(context.source, "file-order", head.customerKey, head.orderId, order.version),
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
    order_version: order.version,
    currency: head.currency,
    total_minor: totalMinor,
    reporting_currency: rates.reportingCurrency,
    ...(reportingMinor === undefined ? {} : { reporting_minor: reportingMinor }),
    ...(head.coupon === undefined ? {} : { coupon: head.coupon }),
    ...(order.lines.length === 0 ? {} : { lines: [...order.lines] }),
  };
};
