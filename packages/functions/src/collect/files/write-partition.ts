/** Second phase of an upload: one partition of the spool, whole, part by part. Safe to repeat from its beginning. */
import { eventOf, readEventRow } from "@ebb/core/files/event-rows";
import { tooLarge } from "@ebb/core/files/file-orders";
import { FieldReader, isRefusal, readOrderRow } from "@ebb/core/files/rows";
import { limits } from "@ebb/core/limits";
import type { Refusal } from "@ebb/core/reasons";
import { recordReader } from "./file-shape.ts";
import type { PartSums, Place } from "./part-writer.ts";
import { PartWriter, addSums, noSums } from "./part-writer.ts";
import type { Spool } from "./spool.ts";
import { eachFrame } from "./spool.ts";
import type { Checkpoint, UploadRun } from "./upload-run.ts";
import type { PlacedGroup } from "./write-orders.ts";
import { groupKeyOf, partsOf, writeOrders } from "./write-orders.ts";

/** A partition up to this size is held in memory as it is read; a larger one is looked through first. */
const WHOLE_BYTES = 12_000_000;
/** Rows that are written to quarantine, or as events of their own, at a time. */
const ROWS_A_PART = 5_000;

/** What the rows of a partition add up to. @throws TransientError */
export const writePartition = async (run: UploadRun, spool: Spool, checkpoint: Checkpoint): Promise<PartSums> => {
  const partition = checkpoint.done;
  const { layout } = run.rowContext(checkpoint.shape);
  const work = new PartitionWork(run, checkpoint, spool, partition);
  if (layout.shape !== "order_lines" && layout.shape !== "orders") await work.writeEvents();
  else if ((await spool.sizeOf(partition)) <= WHOLE_BYTES) await work.writeOrders(1, 0, new Set());
  else await work.writeLarge();
  return work.sums;
};

class PartitionWork {
  readonly #run: UploadRun;
  readonly #checkpoint: Checkpoint;
  readonly #spool: Spool;
  readonly #partition: number;
  readonly #read: ReturnType<typeof recordReader>;
  readonly #fields: FieldReader;
  #parts = 0;
  sums: PartSums = noSums;

  constructor(run: UploadRun, checkpoint: Checkpoint, spool: Spool, partition: number) {
    this.#run = run;
    this.#checkpoint = checkpoint;
    this.#spool = spool;
    this.#partition = partition;
    this.#read = recordReader(checkpoint.shape);
    this.#fields = new FieldReader(run.rowContext(checkpoint.shape));
  }

  #nextPart(): PartWriter {
    const { events } = this.sums;
    return new PartWriter(
      this.#run,
      this.#checkpoint.shape,
      this.#partition,
      this.#parts++,
      this.#checkpoint.events + events,
    );
  }

  async #append(writer: PartWriter, rowsAreEvents: boolean): Promise<void> {
    this.sums = addSums(this.sums, await writer.append(rowsAreEvents));
    await this.#run.keepLease();
  }

  /** The orders whose key falls to `pass` of `passes`, without those that are left out. */
  async writeOrders(passes: number, pass: number, leftOut: ReadonlySet<string>): Promise<void> {
    const groups = new Map<string, PlacedGroup>();
    const refused: { place: Place; refusal: Refusal }[] = [];
    for await (const frames of this.#spool.read(this.#partition))
      eachFrame(frames, (bytes, start, end, rowNumber) => {
        const fields = this.#read(bytes, start, end);
        const row = isRefusal(fields) ? fields : readOrderRow(this.#fields, fields);
        if (isRefusal(row)) {
          if (pass === 0) refused.push({ place: { bytes, start, end, rowNumber }, refusal: row });
          return;
        }
        const key = groupKeyOf(row);
        if (passes > 1 && (passOf(key, passes) !== pass || leftOut.has(key))) return;
        let group = groups.get(key);
        if (group === undefined) {
          group = { orderId: row.orderId, customerKey: row.customerKey, rows: [], places: [] };
          groups.set(key, group);
        }
        group.rows.push(row);
        group.places.push({ bytes, start, end, rowNumber });
      });
    // Every partition has a first part, so that an upload without rows has a line in the ledger as well.
    let writer = this.#nextPart();
    for (const { place, refusal } of refused) writer.quarantine(place, refusal);
    let open = true;
    for (const part of partsOf(groups.values())) {
      if (!open) writer = this.#nextPart();
      await writeOrders(this.#run, writer, part);
      await this.#append(writer, false);
      open = false;
    }
    if (open) await this.#append(writer, false);
  }

  /**
   * A partition that is too large for memory holds a few orders of very many rows. Those are over the limit of an
   * order and go to quarantine as they are read; the others are taken in several passes.
   */
  async writeLarge(): Promise<void> {
    const sizes = new Map<string, { rows: number; bytes: number }>();
    await this.#eachRow((key, { start, end }) => {
      if (key === undefined) return;
      const size = sizes.get(key);
      if (size === undefined) sizes.set(key, { rows: 1, bytes: end - start });
      else {
        size.rows++;
        size.bytes += end - start;
      }
    });
    const leftOut = new Set<string>();
    let rest = 0;
    for (const [key, { rows, bytes }] of sizes)
      if (rows > limits.orderLines || bytes > WHOLE_BYTES) leftOut.add(key);
      else rest += bytes;
    sizes.clear();
    const passes = Math.max(2, Math.ceil(rest / (WHOLE_BYTES / 2)));
    for (let pass = 0; pass < passes; pass++) await this.writeOrders(passes, pass, leftOut);
    let writer = this.#nextPart();
    let rows = 0;
    await this.#eachRow(
      (key, place) => {
        if (key === undefined || !leftOut.has(key)) return;
        writer.quarantine(place, tooLarge);
        rows++;
      },
      async () => {
        if (rows < ROWS_A_PART) return;
        await this.#append(writer, false);
        writer = this.#nextPart();
        rows = 0;
      },
    );
    if (rows > 0) await this.#append(writer, false);
  }

  async #eachRow(visit: (key: string | undefined, place: Place) => void, between?: () => Promise<void>): Promise<void> {
    for await (const frames of this.#spool.read(this.#partition)) {
      eachFrame(frames, (bytes, start, end, rowNumber) => {
        const fields = this.#read(bytes, start, end);
        const row = isRefusal(fields) ? fields : readOrderRow(this.#fields, fields);
        visit(isRefusal(row) ? undefined : groupKeyOf(row), { bytes, start, end, rowNumber });
      });
      await between?.();
    }
  }

  /** Rows that are events of their own; equal rows are counted over the partition. */
  async writeEvents(): Promise<void> {
    const ordinals = new Map<string, number>();
    let writer = this.#nextPart();
    let rows = 0;
    for await (const frames of this.#spool.read(this.#partition)) {
      eachFrame(frames, (bytes, start, end, rowNumber) => {
        rows++;
        const place = { bytes, start, end, rowNumber };
        const fields = this.#read(bytes, start, end);
        const row = isRefusal(fields) ? fields : readEventRow(this.#fields, fields);
        if (isRefusal(row)) return writer.quarantine(place, row);
        const ordinal = ordinals.get(row.canonical) ?? 0;
        ordinals.set(row.canonical, ordinal + 1);
        if (row.ownId !== undefined && ordinal > 0) return writer.count(0, 1);
        writer.add(writer.encode(eventOf(row, ordinal, writer.eventContext)));
      });
      if (rows < ROWS_A_PART) continue;
      await this.#append(writer, true);
      writer = this.#nextPart();
      rows = 0;
    }
    if (rows > 0 || this.#parts === 1) await this.#append(writer, true);
  }
}

/** FNV-1a over the key, apart from the hash that chose the partition. */
const passOf = (key: string, passes: number): number => {
  let hash = 0x811c9dc5 ^ passes;
  for (let at = 0; at < key.length; at++) hash = Math.imul(hash ^ key.charCodeAt(at), 0x01000193);
  return ((hash ^ (hash >>> 15)) >>> 0) % passes;
};
