/** Second phase for files of orders: what the rows say goes into the order book, and changed orders become events. */
import type { FileOrderState } from "@ebb/core/files/file-orders";
import { bookKeyOf, reconcile, rowIdsOf, snapshotOf, tooLarge, uploadsByRow } from "@ebb/core/files/file-orders";
import { customerErased } from "@ebb/core/erasure";
import { decodeContent } from "@ebb/core/files/order-content";
import { limits } from "@ebb/core/limits";
import type { Refusal } from "@ebb/core/reasons";
import { TransientError } from "@ebb/ports";
import type { OrderRows, PlacedGroup } from "./order-rows.ts";
import type { PartWriter, UnnumberedJson } from "./part-writer.ts";
import type { Place } from "./spool.ts";
import type { UploadRun } from "./upload-run.ts";

/** An order that many uploads change at once is tried again this often. */
const ATTEMPTS = 50;

/**
 * Puts the orders of one part into the order book, and their snapshots into the part. What a row becomes is garbage
 * before the next order is read: an order is kept as the text that it became, and read again where that was no use.
 * @param lists places of rows, those of one order in one list
 * @throws TransientError
 */
export const writeOrders = async (
  run: UploadRun,
  writer: PartWriter,
  rows: OrderRows,
  lists: readonly (readonly number[])[],
  at: (place: number) => Place,
): Promise<void> => {
  const { source } = run.upload;
  const keyOf = ({ customerKey, orderId }: { customerKey: string; orderId: string }) =>
    bookKeyOf(source, customerKey, orderId);
  const erased = await run.lookForErased();
  let pending = lists;
  for (let attempt = 0; pending.length > 0; attempt++) {
    if (attempt === ATTEMPTS) throw new TransientError("other uploads keep changing the same orders");
    const firsts = pending.map((places) => rows.firstOrderOf({ places, at }));
    const keys = new Set(firsts.flatMap((first) => (first === undefined ? [] : [keyOf(first)])));
    const stored = await run.ports.orderBook.read([...keys]);
    const outcomes: Outcome[] = [];
    // Where an id stands for two customers, or two ids share a hash, the others have their turn next.
    const later: (readonly number[])[] = [];
    for (const places of pending) {
      const { groups, refused } = rows.groupsOf({ places, at });
      for (const { place, refusal } of refused) writer.quarantine(at(place), refusal);
      for (const group of groups) {
        const key = keyOf(group);
        if (erased.has(group.customerKey)) outcomes.push(erasedOutcome(group));
        else if (keys.has(key)) outcomes.push(outcomeOf(run, writer, stored.get(key), group));
        else later.push(group.places);
      }
    }
    const writes = outcomes.flatMap((outcome) => (outcome.write === undefined ? [] : [outcome.write]));
    const written = writes.length === 0 ? undefined : await run.ports.orderBook.write(writes);
    for (const outcome of outcomes)
      if (outcome.write !== undefined && written?.get(outcome.write.key) !== "written") later.push(outcome.places);
      else settle(writer, outcome, at);
    pending = later;
  }
};

/** What becomes of the rows of one order. */
interface Outcome {
  readonly places: readonly number[];
  /** What the order book is to hold; absent where it holds it. */
  readonly write?: FileOrderState;
  readonly event?: UnnumberedJson | undefined;
  readonly accepted: number;
  readonly duplicate: number;
  readonly refused?: { readonly refusal: Refusal; readonly places: readonly number[] };
}

const outcomeOf = (
  run: UploadRun,
  writer: PartWriter,
  stored: FileOrderState | undefined,
  group: PlacedGroup,
): Outcome => {
  const { uploadId, source } = run.upload;
  const { mode = "append" } = run.options;
  const refund = writer.isRefund(group.orderId);
  const result = reconcile(stored, group, { source, uploadId, mode, refund });
  if ("refusal" in result) return refusedOutcome(run, stored, group, result.refusal);
  const { order, changed, emit, accepted, duplicate } = result;
  const event = emit ? writer.encode(snapshotOf(order, writer.eventContext), order.linesJson) : undefined;
  // A UTF-16 unit has at most three bytes of UTF-8: most events need not be measured.
  if (event !== undefined && (event.head.length + event.rest.length) * 3 > limits.eventBytes)
    if (Buffer.byteLength(event.head) + Buffer.byteLength(event.rest) > limits.eventBytes - NUMBER_BYTES)
      return refusedOutcome(run, stored, group, tooLarge);
  const { key, version, content } = order;
  return { places: group.places, ...(changed ? { write: { key, version, content } } : {}), event, accepted, duplicate };
};

/** The order book learns nothing of it. */
const erasedOutcome = ({ places }: PlacedGroup): Outcome => ({
  places,
  accepted: 0,
  duplicate: 0,
  refused: { refusal: customerErased, places },
});

const NO_ROWS: ReadonlyMap<string, string> = new Map();

/** Room for the receipt number, which an event gets last. */
const NUMBER_BYTES = 64;

/** The rows of the order are refused, but for those that were taken before. */
const refusedOutcome = (
  run: UploadRun,
  stored: FileOrderState | undefined,
  group: PlacedGroup,
  refusal: Refusal,
): Outcome => {
  const { uploadId } = run.upload;
  const uploadOf = stored === undefined ? NO_ROWS : uploadsByRow(decodeContent(stored.content));
  const places: number[] = [];
  let accepted = 0;
  let duplicate = 0;
  for (const [index, id] of rowIdsOf(group).entries()) {
    const from = uploadOf.get(id);
    if (from === undefined) places.push(group.places[index]!);
    else if (from === uploadId) accepted++;
    else duplicate++;
  }
  return { places: group.places, accepted, duplicate, refused: { refusal, places } };
};

/** Counts the rows and adds the event, once the order book holds the order. */
const settle = (writer: PartWriter, outcome: Outcome, at: (place: number) => Place): void => {
  const { event, accepted, duplicate, refused } = outcome;
  writer.count(accepted, duplicate);
  if (event !== undefined) writer.add(event);
  for (const place of refused?.places ?? []) writer.quarantine(at(place), refused!.refusal);
};
