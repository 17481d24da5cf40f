/** Second phase for files of orders: the rows of a partition become orders, and changed orders become events. */
import type { FileOrderState, OrderGroup } from "@ebb/core/files/file-orders";
import { bookKeyOf, reconcile, rowIdsOf, snapshotOf, tooLarge } from "@ebb/core/files/file-orders";
import type { OrderRow } from "@ebb/core/files/rows";
import { limits } from "@ebb/core/limits";
import type { Refusal } from "@ebb/core/reasons";
import { TransientError } from "@ebb/ports";
import type { PartWriter, Place, UnnumberedJson } from "./part-writer.ts";
import type { UploadRun } from "./upload-run.ts";

export interface PlacedGroup extends OrderGroup {
  /** Parallel to `rows`. */
  readonly places: Place[];
}

export const groupKeyOf = (row: Pick<OrderRow, "orderId" | "customerKey">): string =>
  `${row.orderId}\u001f${row.customerKey}`;

/** Orders and rows of one part: a transaction of the order book, and an append of the log. */
const PART_ORDERS = 1_000;
const PART_ROWS = 20_000;
/** An order that many uploads change at once is tried again this often. */
const ATTEMPTS = 50;

/** The parts of a set of orders: their cut depends on the rows alone, so that a second run makes the same ones. */
export function* partsOf(groups: Iterable<PlacedGroup>): Generator<PlacedGroup[]> {
  let part: PlacedGroup[] = [];
  let rows = 0;
  for (const group of groups) {
    part.push(group);
    rows += group.rows.length;
    if (part.length < PART_ORDERS && rows < PART_ROWS) continue;
    yield part;
    part = [];
    rows = 0;
  }
  if (part.length > 0) yield part;
}

/** Puts the orders of one part into the order book, and their snapshots into the part. */
export const writeOrders = async (
  run: UploadRun,
  writer: PartWriter,
  groups: readonly PlacedGroup[],
): Promise<void> => {
  const { source } = run.upload;
  let pending = new Map(groups.map((group) => [bookKeyOf(source, group.customerKey, group.orderId), group]));
  for (let attempt = 0; pending.size > 0; attempt++) {
    if (attempt === ATTEMPTS) throw new TransientError("other uploads keep changing the same orders");
    const stored = await run.ports.orderBook.read([...pending.keys()]);
    const outcomes = [...pending].map(([key, group]) => ({ group, ...outcomeOf(run, writer, stored.get(key), group) }));
    const changed = outcomes.flatMap(({ write }) => (write === undefined ? [] : [write]));
    const written = changed.length === 0 ? undefined : await run.ports.orderBook.write(changed);
    const conflicts = new Map<string, PlacedGroup>();
    for (const { group, write, settle } of outcomes) {
      if (write !== undefined && written?.get(write.key) !== "written") conflicts.set(write.key, group);
      else settle();
    }
    pending = conflicts;
  }
};

interface Outcome {
  /** What the order book is to hold. */
  readonly write?: FileOrderState;
  /** Counts the rows and adds the event, once the order book holds it. */
  readonly settle: () => void;
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
  if ("refusal" in result) return { settle: () => refuse(writer, uploadId, group, result) };
  const { order, changed, emit, accepted, duplicate } = result;
  let event: UnnumberedJson | undefined;
  if (emit) {
    event = writer.encode(snapshotOf(order, writer.eventContext));
    if (event.json.length * 3 > limits.eventBytes && Buffer.byteLength(event.json) > limits.eventBytes) {
      const uploadOf = new Map(stored?.rows.map((row) => [row.id, row.uploadId]));
      return {
        settle: () => refuse(writer, uploadId, group, { refusal: tooLarge, ids: rowIdsOf(source, group), uploadOf }),
      };
    }
  }
  return {
    ...(changed ? { write: order } : {}),
    settle: () => {
      writer.count(accepted, duplicate);
      if (event !== undefined) writer.add(event);
    },
  };
};

const refuse = (
  writer: PartWriter,
  uploadId: string,
  group: PlacedGroup,
  refused: {
    readonly refusal: Refusal;
    readonly ids: readonly string[];
    readonly uploadOf: ReadonlyMap<string, string>;
  },
): void => {
  for (const [index, place] of group.places.entries()) {
    const from = refused.uploadOf.get(refused.ids[index]!);
    if (from === undefined) writer.quarantine(place, refused.refusal);
    else if (from === uploadId) writer.count(1, 0);
    else writer.count(0, 1);
  }
};
