/** The inner boundary of the score stage: what of a stream record is an order event, and what cannot be read. */
import { createHash } from "node:crypto";
import type { KinesisStreamRecord } from "aws-lambda";
import { z } from "zod";
import type { CustomerKey, ReceiptId } from "@ebb/core/ids";
import { STREAM_SCHEMA_VERSION, orderKinds } from "@ebb/core/kinds";
import type { OrderEvent } from "@ebb/core/orders";
import { StreamEvent } from "@ebb/core/stream-event";
import type { QuarantinedItem } from "@ebb/ports";
import { bytesOf, eventBytesOf } from "../runtime/stream-records.ts";

/** Only what scoring reads: other fields are not looked at, an order's lines above all. */
const ScoredEvent = StreamEvent.pick({
  event_id: true,
  kind: true,
  source: true,
  occurred_at: true,
  customer_key: true,
  order_id: true,
  order_rank: true,
  order_version: true,
  refund_id: true,
  full_refund: true,
  reporting_minor: true,
});

type ScoredEvent = z.infer<typeof ScoredEvent>;

/** The check alone, compiled ahead: nothing is copied. */
const checker = z.compile(ScoredEvent);

export interface ReceivedEvent {
  readonly customerKey: CustomerKey;
  readonly event: OrderEvent;
  /** Of the stream record that holds it. */
  readonly sequenceNumber: string;
}

export interface ReadRecord {
  /** Order events of known customers. */
  readonly events: readonly ReceivedEvent[];
  readonly unreadable: readonly QuarantinedItem[];
}

/** Reads one record. What cannot be read is answered, never thrown: sent again it would be no better. */
export const readRecord = (record: KinesisStreamRecord, nowMs: number): ReadRecord => {
  const { sequenceNumber } = record.kinesis;
  const bytes = bytesOf(record.kinesis);
  const events: ReceivedEvent[] = [];
  const unreadable: QuarantinedItem[] = [];
  let lines: Buffer[];
  try {
    lines = eventBytesOf(bytes);
  } catch {
    return {
      events,
      unreadable: [refused(bytes, 0, "The stream record is broken: its events cannot be told apart.", bytes, nowMs)],
    };
  }
  for (let index = 0; index < lines.length; index++) {
    const read = readEvent(lines[index]!);
    if (typeof read === "string") unreadable.push(refused(bytes, index, read, Buffer.from(lines[index]!), nowMs));
    else if (read.customer_key !== undefined && orderKinds.has(read.kind))
      events.push({ customerKey: read.customer_key as CustomerKey, event: read, sequenceNumber });
  }
  return { events, unreadable };
};

/** The event, or what is wrong with it in words that hold none of its values. */
const readEvent = (line: Buffer): ScoredEvent | string => {
  let event: ScoredEvent;
  try {
    event = JSON.parse(withoutLines(line)) as ScoredEvent; // checked below
  } catch {
    return "The event on the stream is not JSON.";
  }
  if (!z.validate(checker, event)) {
    const issues = ScoredEvent.safeParse(event).error?.issues ?? [];
    const paths = issues.map((issue) => issue.path.join(".") || "the event");
    return `The event on the stream is not of schema version ${STREAM_SCHEMA_VERSION}: ${[...new Set(paths)].join(", ")}.`;
  }
  const { kind, order_id, customer_key } = event;
  if (customer_key !== undefined && orderKinds.has(kind) && kind !== "order_refunded" && order_id === undefined)
    return "The order event on the stream names no order: order_id.";
  return event;
};

const LINES = Buffer.from(',"lines":[');
const [LIST_END, OBJECT_END] = [0x5d, 0x7d];

/**
 * The text of an event without an order's lines where they come last, as they do when the front door has written the
 * event: 9 of 10 bytes need not be decoded and parsed then. Inside a string the quotes would be escaped, and `lines` is
 * the only list of an event, so that what is found is the key and the last bracket closes its list.
 */
export const withoutLines = (line: Buffer): string => {
  const { length } = line;
  if (line[length - 1] !== OBJECT_END || line[length - 2] !== LIST_END) return line.toString("utf8");
  const at = line.indexOf(LINES);
  return at < 0 ? line.toString("utf8") : `${line.toString("utf8", 0, at)}}`;
};

/** The receipt is unknown, so the item is named by the record's bytes: a redelivery puts the same item again. */
const refused = (
  record: Buffer,
  rowNumber: number,
  message: string,
  original: Uint8Array,
  quarantinedAtMs: number,
): QuarantinedItem => ({
  receiptId: `rec_${createHash("sha256").update(record).digest("hex").slice(0, 32)}` as ReceiptId,
  rowNumber,
  code: "unreadable_record",
  message,
  source: "stream",
  original,
  schemaVersion: STREAM_SCHEMA_VERSION,
  quarantinedAtMs,
});
