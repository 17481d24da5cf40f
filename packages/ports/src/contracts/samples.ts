/** Sample values for the contract suites: valid, small, and told apart by a number. */
import { createHash } from "node:crypto";
import type { CustomerKey, EventId, ReceiptId } from "@ebb/core/ids";
import type { EncodedEvent, QuarantinedItem, ReceiptPart } from "../ports.ts";

const hex = (text: string): string => createHash("sha256").update(text).digest("hex").slice(0, 32);

/** A new receipt id with every call: suites may share a store that outlives them. */
let receipts = 0;
const run = `${process.pid.toString(36)}${Date.now().toString(36)}`;
export const newReceipt = (prefix: "rcp" | "upl" = "rcp"): ReceiptId =>
  `${prefix}_${hex(`${run} ${++receipts}`)}` as ReceiptId;

export const sampleCustomerKey = (name: string | number): CustomerKey =>
  `cus_${hex(`customer ${run} ${name}`)}` as CustomerKey;
export const sampleEventId = (name: string | number): EventId => `evt_${hex(`event ${run} ${name}`)}` as EventId;

export const sampleEvent = (name: string | number, padding = 0): EncodedEvent => {
  const eventId = sampleEventId(name);
  const json = JSON.stringify({
    event_id: eventId,
    name: `n ${name} ü€`,
    ...(padding > 0 ? { body: "x".repeat(padding) } : {}),
  });
  return { eventId, partitionKey: `cus_${hex(String(name).slice(-1))}`, json };
};

export const samplePart = (receiptId: ReceiptId, received: number, quarantined = 0, part = 0): ReceiptPart => ({
  receiptId,
  part,
  channel: receiptId.startsWith("upl_") ? "upload" : "http",
  source: "shop",
  received,
  quarantined,
  receivedAtMs: 1_700_000_000_000,
});

export const sampleQuarantined = (
  receiptId: ReceiptId,
  rowNumber: number,
  code: QuarantinedItem["code"],
): QuarantinedItem => ({
  receiptId,
  rowNumber,
  code,
  field: "properties.total",
  message: "total must be a number",
  source: "shop",
  original: Buffer.from([0xff, 0x00, 0x7b, rowNumber & 0xff]), // not text: the bytes count
  schemaVersion: 1,
  quarantinedAtMs: 1_700_000_000_000 + rowNumber,
});
