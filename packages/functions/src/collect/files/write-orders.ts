/** Second phase for files of orders: what the rows say goes into the order book, and changed orders become events. */
import type { FileOrderState } from "@ebb/core/files/file-orders";
import { bookKeyOf, reconcile, rowIdsOf, snapshotOf, tooLarge, uploadsByRow } from "@ebb/core/files/file-orders";
import { decodeContent } from "@ebb/core/files/order-content";
import { limits } from "@ebb/core/limits";
import type { Refusal } from "@ebb/core/reasons";
import { TransientError } from "@ebb/ports";
import type { PlacedGroup } from "./order-rows.ts";
import type { PartWriter, UnnumberedJson } from "./part-writer.ts";
import type { Place } from "./spool.ts";
import type { UploadRun } from "./upload-run.ts";

/** An order that many uploads change at once is tried again this often. */
const ATTEMPTS = 50;

/** Puts the orders of one part into the order book, and their snapshots into the part. @throws TransientError */
export const writeOrders = async (
  run: UploadRun,
  writer: PartWriter,
  groups: readonly PlacedGroup[],
  placeAt: (place: number) => Place,
): Promise<void> => {
  const { source } = run.upload;
  let pending = new Map(groups.map((group) => [bookKeyOf(source, group.customerKey, group.orderId), group]));
  for (let attempt = 0; pending.size > 0; attempt++) {
    if (attempt === ATTEMPTS) throw new TransientError("other uploads keep changing the same orders");
    const stored = await run.ports.orderBook.read([...pending.keys()]);
    const outcomes = [...pending].map(([key, group]) => outcomeOf(run, writer, stored.get(key), group));
    const writes = outcomes.flatMap((outcome) => (outcome.write === undefined ? [] : [outcome.write]));
    const written = writes.length === 0 ? undefined : await run.ports.orderBook.write(writes);
    const conflicts = new Map<string, PlacedGroup>();
    for (const outcome of outcomes) {
      if (outcome.write !== undefined && written?.get(outcome.write.key) !== "written")
        conflicts.set(outcome.write.key, outcome.group);
      else settle(writer, outcome, placeAt);
    }
    pending = conflicts;
  }
};

/** What becomes of the rows of one order. */
interface Outcome {
  readonly group: PlacedGroup;
  /** What the order book is to hold; absent where it holds it. */
  readonly write?: FileOrderState;
  readonly event?: UnnumberedJson | undefined;
  readonly accepted: number;
  readonly duplicate: number;
  readonly refused?: { readonly refusal: Refusal; readonly indexes: readonly number[] };
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
  if (event !== undefined && event.json.length * 3 > limits.eventBytes)
    if (Buffer.byteLength(event.json) > limits.eventBytes - NUMBER_BYTES)
      return refusedOutcome(run, stored, group, tooLarge);
  return { group, ...(changed ? { write: order } : {}), event, accepted, duplicate };
};

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
  const indexes: number[] = [];
  let accepted = 0;
  let duplicate = 0;
  if (uploadOf.size === 0) return { group, accepted, duplicate, refused: { refusal, indexes: [...group.rows.keys()] } };
  for (const [index, id] of rowIdsOf(group).entries()) {
    const from = uploadOf.get(id);
    if (from === undefined) indexes.push(index);
    else if (from === uploadId) accepted++;
    else duplicate++;
  }
  return { group, accepted, duplicate, refused: { refusal, indexes } };
};

/** Counts the rows and adds the event, once the order book holds the order. */
const settle = (writer: PartWriter, outcome: Outcome, placeAt: (place: number) => Place): void => {
  const { group, event, accepted, duplicate, refused } = outcome;
  writer.count(accepted, duplicate);
  if (event !== undefined) writer.add(event);
  for (const index of refused?.indexes ?? []) writer.quarantine(placeAt(group.places[index]!), refused!.refusal);
};
