/** Second phase of an upload: one partition of the spool, whole, part by part. Safe to repeat from its beginning. */
import { hash } from "node:crypto";
import { customerErased } from "@ebb/core/erasure";
import { eventOf, readEventRow } from "@ebb/core/files/event-rows";
import { tooLarge } from "@ebb/core/files/file-orders";
import { FieldReader, isRefusal } from "@ebb/core/files/rows";
import { limits } from "@ebb/core/limits";
import { loadLanguages } from "@ebb/core/sentiment";
import { OrderRows } from "./order-rows.ts";
import { PartWriter } from "./part-writer.ts";
import type { PartSums } from "./part-sums.ts";
import { addSums, noSums } from "./part-sums.ts";
import { recordReader } from "./record-reader.ts";
import type { Place, Spool } from "./spool.ts";
import { eachFrame } from "./spool.ts";
import type { Checkpoint, UploadRun } from "./upload-run.ts";
import { writeOrders } from "./write-orders.ts";

/** A partition up to this size is held in memory as it is read; a larger one is looked through first. */
const WHOLE_BYTES = 12_000_000;
/** Rows of one part: a transaction of the order book, and an append of the log. Small enough to be short-lived. */
const PART_ROWS = 4_000;
const PART_ORDERS = 1_000;
/** Parts on their way to disk while the next one is made: a part takes less time than a disk does for two syncs. */
const PARTS_ON_THEIR_WAY = 3;

/** What the rows of a partition add up to. @throws TransientError */
export const writePartition = async (run: UploadRun, spool: Spool, checkpoint: Checkpoint): Promise<PartSums> => {
  const { layout } = run.rowContext(checkpoint.shape);
  if (layout.shape === "posts") await loadLanguages();
  const work = new PartitionWork(run, checkpoint, spool);
  if (layout.shape !== "order_lines" && layout.shape !== "orders") await work.writeEvents();
  else if ((await spool.sizeOf(checkpoint.done)) <= WHOLE_BYTES) await work.writeOrders({ passes: 1, pass: 0 });
  else await work.writeLarge();
  return await work.settled();
};

/** Which rows of a partition are taken at a time. */
interface Selection {
  readonly passes: number;
  readonly pass: number;
  /** Hashes under which very many rows stand, and the orders among those that are over the limit. */
  readonly crowded?: ReadonlySet<number>;
  readonly leftOut?: ReadonlySet<string>;
}

class PartitionWork {
  readonly #run: UploadRun;
  readonly #checkpoint: Checkpoint;
  readonly #spool: Spool;
  readonly #rows: OrderRows;
  #parts = 0;
  #sums: PartSums = noSums;
  /** Events of all parts so far. */
  #events = 0;
  /** The oldest first. */
  readonly #appending: Promise<PartSums>[] = [];

  constructor(run: UploadRun, checkpoint: Checkpoint, spool: Spool) {
    this.#run = run;
    this.#checkpoint = checkpoint;
    this.#spool = spool;
    this.#rows = new OrderRows(checkpoint.shape, run.rowContext(checkpoint.shape));
  }

  #nextPart(): PartWriter {
    const { shape, done } = this.#checkpoint;
    return new PartWriter(this.#run, shape, done, this.#parts++);
  }

  /** The next parts are made while this one is appended. */
  async #append(writer: PartWriter, rowsAreEvents: boolean): Promise<void> {
    while (this.#appending.length >= PARTS_ON_THEIR_WAY) await this.#settleOldest();
    const appending = writer.append(this.#checkpoint.events + this.#events, rowsAreEvents);
    this.#events += writer.events;
    appending.catch(() => undefined); // `settled` throws it
    this.#appending.push(appending);
  }

  async #settleOldest(): Promise<void> {
    try {
      this.#sums = addSums(this.#sums, await this.#appending.shift()!);
    } catch (error) {
      await Promise.allSettled(this.#appending); // nothing is under way any more when it is tried again
      throw error;
    }
    await this.#run.keepLease();
  }

  /** What the parts add up to, once all are durable. @throws TransientError */
  async settled(): Promise<PartSums> {
    while (this.#appending.length > 0) await this.#settleOldest();
    return this.#sums;
  }

  /**
   * Gathers rows by the hash of their order id, and only then reads them, an order at a time. Parts are cut by the rows alone, so that a second run makes the same.
   */
  async writeOrders({ passes, pass, crowded, leftOut }: Selection): Promise<void> {
    const chunks: Buffer[] = [];
    const gathered = new Map<number, number[]>();
    const hashOf = this.#rows.hashOf;
    for await (const frames of this.#spool.read(this.#checkpoint.done)) {
      const base = chunks.length * CHUNK_SPAN;
      chunks.push(frames);
      eachFrame(frames, (bytes, start, end) => {
        const hash = hashOf(bytes, start, end);
        if (passes > 1 && passOf(hash, passes) !== pass) return;
        if (crowded?.has(hash)) {
          const key = this.#rows.orderOf(bytes, start, end);
          if (key === undefined || leftOut?.has(key)) return;
        }
        const places = gathered.get(hash);
        if (places === undefined) gathered.set(hash, [base + start]);
        else places.push(base + start);
      });
    }
    const placeAt = (place: number): Place => {
      const bytes = chunks[Math.floor(place / CHUNK_SPAN)]!;
      const start = place % CHUNK_SPAN;
      return { bytes, start, end: start + bytes.readUInt32LE(start - 4), rowNumber: bytes.readUInt32LE(start - 8) };
    };
    // Every partition has a first part, so that an upload without rows has a line in the ledger as well.
    let batch: number[][] = [];
    let rows = 0;
    let first = true;
    const flush = async (): Promise<void> => {
      const writer = this.#nextPart();
      await writeOrders(this.#run, writer, this.#rows, batch, placeAt);
      await this.#append(writer, false);
      batch = [];
      rows = 0;
      first = false;
    };
    for (const places of gathered.values()) {
      batch.push(places);
      rows += places.length;
      if (rows >= PART_ROWS || batch.length === PART_ORDERS) await flush();
    }
    if (first || rows > 0) await flush();
  }

  /**
   * A partition that is too large for memory holds a few orders of very many rows. Those are over the limit of an
   * order and go to quarantine as they are read; the others are taken in several passes.
   */
  async writeLarge(): Promise<void> {
    const crowded = new Set<number>();
    const sizes = new Map<number, { rows: number; bytes: number }>();
    await this.#each(({ bytes, start, end }) => addSize(sizes, this.#rows.hashOf(bytes, start, end), end - start));
    let rest = 0;
    for (const [hash, size] of sizes)
      if (isCrowd(size)) crowded.add(hash);
      else rest += size.bytes;
    sizes.clear();

    const orders = new Map<string, { rows: number; bytes: number }>();
    await this.#each(({ bytes, start, end }) => {
      if (!crowded.has(this.#rows.hashOf(bytes, start, end))) return;
      const key = this.#rows.orderOf(bytes, start, end);
      if (key !== undefined) addSize(orders, key, end - start);
    });
    const leftOut = new Set<string>();
    for (const [key, size] of orders)
      if (isCrowd(size)) leftOut.add(key);
      else rest += size.bytes;
    orders.clear();

    const passes = Math.max(2, Math.ceil(rest / (WHOLE_BYTES / 2)));
    for (let pass = 0; pass < passes; pass++) await this.writeOrders({ passes, pass, crowded, leftOut });
    await this.#refuseCrowds(crowded, leftOut);
  }

  /** The rows that no pass has taken: those of too large orders, and faulty ones in their company. */
  async #refuseCrowds(crowded: ReadonlySet<number>, leftOut: ReadonlySet<string>): Promise<void> {
    await this.#run.lookForErased();
    let writer = this.#nextPart();
    let rows = 0;
    await this.#each(
      (place) => {
        const { bytes, start, end } = place;
        if (!crowded.has(this.#rows.hashOf(bytes, start, end))) return;
        const row = this.#rows.read(bytes, start, end);
        if (isRefusal(row)) writer.quarantine(place, row);
        else if (leftOut.has(this.#rows.keyOf(row))) writer.quarantine(place, tooLarge);
        else return;
        rows++;
      },
      async () => {
        if (rows < PART_ROWS) return;
        await this.#append(writer, false);
        writer = this.#nextPart();
        rows = 0;
      },
    );
    if (rows > 0) await this.#append(writer, false);
  }

  async #each(visit: (place: Place) => void, between?: () => Promise<void>): Promise<void> {
    for await (const frames of this.#spool.read(this.#checkpoint.done)) {
      eachFrame(frames, (bytes, start, end, rowNumber) => visit({ bytes, start, end, rowNumber }));
      await between?.();
    }
  }

  /** Rows that are events of their own; equal rows are counted over the partition. */
  async writeEvents(): Promise<void> {
    const read = recordReader(this.#checkpoint.shape);
    const reader = new FieldReader(this.#run.rowContext(this.#checkpoint.shape));
    const ordinals = new Map<string, number>();
    const owned = new OwnIds();
    let erased = await this.#run.lookForErased();
    let writer = this.#nextPart();
    let rows = 0;
    await this.#each(
      (place) => {
        rows++;
        const fields = read(place.bytes, place.start, place.end);
        const row = isRefusal(fields) ? fields : readEventRow(reader, fields);
        if (isRefusal(row)) return writer.quarantine(place, row);
        const ordinal = ordinals.get(row.canonical) ?? 0;
        ordinals.set(row.canonical, ordinal + 1);
        if (row.ownId !== undefined) {
          const says = owned.says(row.ownId, place);
          if (says !== undefined) return writer.countKnown(says);
        }
        const event = eventOf(row, ordinal, writer.eventContext);
        const whose = event.customer_key ?? event.anonymous_key;
        if (whose !== undefined && erased.has(whose)) return writer.quarantine(place, customerErased);
        writer.add(writer.encode(event));
      },
      async () => {
        if (rows < PART_ROWS) return;
        await this.#append(writer, true);
        erased = await this.#run.lookForErased();
        writer = this.#nextPart();
        rows = 0;
      },
    );
    if (rows > 0 || this.#parts === 1) await this.#append(writer, true);
  }
}

/** Rows that bring an id, and what those with one id said: two that are alike to the byte say the same. */
class OwnIds {
  readonly #said = new Map<string, string[]>();

  /** What the row says beside the rows of its id before it; `undefined` for the first. */
  says(id: string, { bytes, start, end }: Place): "the same" | "something else" | undefined {
    const content = hash("sha256", bytes.subarray(start, end), "base64url").slice(0, 22);
    const said = this.#said.get(id);
    if (said === undefined) {
      this.#said.set(id, [content]);
      return undefined;
    }
    if (said.includes(content)) return "the same";
    said.push(content);
    return "something else";
  }
}

/** A place in a partition is one number: which chunk, and where in it. No chunk is as long as this. */
const CHUNK_SPAN = 2 ** 22;

const addSize = <Key>(sizes: Map<Key, { rows: number; bytes: number }>, key: Key, bytes: number): void => {
  const size = sizes.get(key);
  if (size === undefined) sizes.set(key, { rows: 1, bytes });
  else {
    size.rows++;
    size.bytes += bytes;
  }
};

const isCrowd = ({ rows, bytes }: { rows: number; bytes: number }): boolean =>
  rows > limits.orderLines || bytes > WHOLE_BYTES;

/** Apart from the remainder of the same hash that chose the partition. */
const passOf = (hash: number, passes: number): number => (Math.imul(hash, 0x9e3779b1) >>> 16) % passes;
