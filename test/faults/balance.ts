/** What must hold of a home once everything has gone through, told by the log's own records and plain arithmetic. */
import assert from "node:assert/strict";
import type { CustomerKey, ReceiptId } from "@ebb/core/ids";
import type { OrderEvent } from "@ebb/core/orders";
import { checkCustomer } from "../score/check-customer.ts";
import type { Answer, EmbeddedHome } from "./embedded-home.ts";
import type { Batch } from "./shop-calls.ts";
import type { Tally } from "./tally.ts";

type LoggedEvent = OrderEvent & { readonly coupon?: string; readonly receipt_id: string };

/** @param afterSeq the log's head before the schedule began */
export const eventsOf = ({ stores }: EmbeddedHome, afterSeq: number): LoggedEvent[] => {
  const events: LoggedEvent[] = [];
  for (let at = afterSeq; ;) {
    const records = stores.reader.read(at, 1_000, 10_000_000);
    if (records.length === 0) return events;
    for (const { seq, data } of records) {
      at = seq;
      for (const line of Buffer.from(data).toString().split("\n"))
        if (line !== GARBAGE) events.push(JSON.parse(line) as LoggedEvent);
    }
  }
};

/** What a foreign writer put on the log: no event, and never one. */
export const GARBAGE = '{"event_id":';

/** Adds what is wrong to the tally, and answers it in words. */
export const balance = async (
  tally: Tally,
  home: EmbeddedHome,
  afterSeq: number,
  batches: readonly Batch[],
  answers: readonly Answer[],
): Promise<string[]> => {
  const faults: string[] = [];
  const found = (kind: "lost" | "doubled" | "unbalanced" | "drifted", count: number, what: string): void => {
    if (count === 0) return;
    tally[kind] += count;
    faults.push(`${count} ${kind}: ${what}`);
  };
  const events = eventsOf(home, afterSeq);
  const wanted = new Set(batches.flatMap((batch) => batch.messageIds));
  const known = new Map<string, number>();
  for (const { coupon = "" } of events) known.set(coupon, (known.get(coupon) ?? 0) + 1);
  found("lost", [...wanted].filter((id) => !known.has(id)).length, "acknowledged events that are not on the log");
  found("doubled", [...known.values()].filter((count) => count > 1).length, "events that are on the log twice");
  found("doubled", [...known.keys()].filter((id) => !wanted.has(id)).length, "events that nobody sent");

  const ledger = home.stores.reader.ledger();
  let accepted = 0;
  let unbalanced = 0;
  for (const receipt of new Set(home.receipts)) {
    const line = await ledger.read(receipt as ReceiptId);
    if (line === undefined) continue; // never answered, and nothing was kept
    accepted += line.accepted ?? 0;
    if (line.received !== line.appended + line.quarantined) unbalanced++;
    if (line.appended !== (line.accepted ?? NaN) + (line.duplicate ?? NaN)) unbalanced++;
  }
  for (const { body } of answers) {
    const line = await ledger.read(body.receipt_id as ReceiptId);
    const same =
      line?.received === body.received && line.appended === body.appended && line.quarantined === body.quarantined;
    if (!same) unbalanced++;
  }
  found("unbalanced", unbalanced, "lines of the ledger that do not add up, or are not as they were acknowledged");
  found("unbalanced", Math.abs(accepted - events.length), "events more or less than the ledger says");

  for (const key of new Set(events.map((event) => event.customer_key as CustomerKey))) {
    const difference = await drift(home, key, events);
    if (difference !== undefined) found("drifted", 1, difference);
  }
  return faults;
};

const drift = async (
  { stores: { customers } }: EmbeddedHome,
  key: CustomerKey,
  events: readonly LoggedEvent[],
): Promise<string | undefined> => {
  try {
    await checkCustomer(customers, key, events);
    return undefined;
  } catch (error) {
    if (!(error instanceof assert.AssertionError)) throw error;
    return error.message;
  }
};
