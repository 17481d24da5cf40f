/**
 * The durable log of one machine: log.db, written by the one thread that owns this object. Other threads append
 * through it (`event-log-remote.ts`) and read with connections of their own (`log-reader.ts`).
 */
import path from "node:path";
import type { DatabaseSync, StatementSync } from "node:sqlite";
import { limits } from "@ebb/core/limits";
import type { Appended, EncodedEvent, EventLog, QuarantinedItem, ReceiptPart } from "../ports.ts";
import { GroupCommit } from "./group-commit.ts";
import { LOG_FILE, logMigrations } from "./log-schema.ts";
import { SeenIds, eventIdsOf, idBytesOf } from "./seen-ids.ts";
import { openDatabase, portCall } from "./sqlite.ts";

export interface LogHead {
  /** Sequence number of the newest record; 0 on an empty log. */
  readonly seq: number;
  /** Events ever appended. */
  readonly events: number;
}

export interface EventLogOptions {
  /** Stamps the arrival of records. Epoch milliseconds. */
  readonly now?: () => number;
  /** The file's largest size in bytes; appends beyond it reject like those on a full disk. */
  readonly maxBytes?: number;
}

/** Rows deleted in one transaction: a trim never keeps the appenders waiting for long. */
const TRIM_ROWS = 200;

export class EmbeddedEventLog implements EventLog {
  readonly #db: DatabaseSync;
  readonly #commits: GroupCommit;
  readonly #seen: SeenIds;
  readonly #now: () => number;
  readonly #listeners = new Set<(head: LogHead) => void>();
  readonly #insertRecord: StatementSync;
  readonly #findPart: StatementSync;
  readonly #addReceipt: StatementSync;
  readonly #insertPart: StatementSync;
  readonly #insertQuarantined: StatementSync;
  #head: LogHead;
  /** The head as the transaction under way will leave it. */
  #nextHead: LogHead;

  constructor(folder: string, options: EventLogOptions = {}) {
    this.#db = openDatabase(path.join(folder, LOG_FILE), {
      migrations: logMigrations,
      personal: true, // quarantined originals are whatever was sent
      // Records are large: 16 KiB pages take 5.6 µs of CPU where 4 KiB pages take 8.8 µs (for 1.8 KB an event).
      pageSize: 16_384,
      checkpointBytes: 32_000_000,
      maxBytes: options.maxBytes,
      cacheKib: 16_384, // the id filter leaves few look-ups to the index
    });
    this.#now = options.now ?? Date.now;
    const last = this.#db
      .prepare("SELECT seq, first_number + events AS events FROM records ORDER BY seq DESC LIMIT 1")
      .get();
    this.#head = {
      seq: (last?.["seq"] as number | undefined) ?? 0,
      events: (last?.["events"] as number | undefined) ?? 0,
    };
    this.#nextHead = this.#head;
    this.#seen = new SeenIds(this.#db, this.#head.events);
    this.#commits = new GroupCommit(this.#db, {
      beforeCommit: () => this.#seen.mergeSlice(),
      committed: () => this.#committed(),
      rolledBack: () => {
        this.#seen.rolledBack();
        this.#nextHead = this.#head;
      },
    });
    this.#insertRecord = this.#db.prepare(
      "INSERT INTO records (seq, arrived_at_ms, first_number, events, data) VALUES (?, ?, ?, ?, ?)",
    );
    this.#findPart = this.#db.prepare(
      `SELECT parts.appended, parts.duplicates FROM receipts JOIN parts ON parts.receipt_id = receipts.id
       WHERE receipts.receipt = ? AND parts.part = ?`,
    );
    this.#addReceipt = this.#db.prepare(
      `INSERT INTO receipts (receipt, channel, source, received, quarantined, accepted, duplicate, received_at_ms)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?)
       ON CONFLICT (receipt) DO UPDATE SET received = received + excluded.received,
         quarantined = quarantined + excluded.quarantined, accepted = accepted + excluded.accepted,
         duplicate = duplicate + excluded.duplicate
       RETURNING id`,
    );
    this.#insertPart = this.#db.prepare(
      "INSERT INTO parts (receipt_id, part, appended, duplicates) VALUES (?, ?, ?, ?)",
    );
    this.#insertQuarantined = this.#db.prepare(
      `INSERT INTO quarantine (receipt, row_number, code, field, message, source, schema_version, quarantined_at_ms, original)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (receipt, row_number) DO NOTHING`,
    );
  }

  /**
   * `appended` counts every event of the part, those already on the log included: appended = accepted + duplicate.
   * What waits for the commit is bytes outside the JavaScript heap, and nothing of what it was made from.
   * @throws RangeError for an event id of another form, or where an HTTP part does not balance
   */
  async append(
    part: ReceiptPart,
    events: readonly EncodedEvent[],
    quarantined: readonly QuarantinedItem[],
  ): Promise<Appended> {
    if (part.channel !== "upload" && part.received !== events.length + quarantined.length)
      throw new RangeError(
        `the ledger does not balance: ${part.received} received, ${events.length} appended, ${quarantined.length} quarantined`,
      );
    const ids = idBytesOf(events.map((event) => event.eventId));
    const lines = linesOf(events);
    const bytes = lines.bytes.length + quarantined.reduce((sum, item) => sum + item.original.length, 0);
    return this.#appending(part, ids, lines, quarantined, bytes);
  }

  /** Apart from `append`, so that what waits holds these arguments alone. */
  #appending(
    part: ReceiptPart,
    ids: Buffer,
    lines: Lines,
    quarantined: readonly QuarantinedItem[],
    bytes: number,
  ): Promise<Appended> {
    return this.#commits.run(() => this.#appendPart(part, ids, lines, quarantined), bytes);
  }

  #appendPart(part: ReceiptPart, ids: Buffer, lines: Lines, quarantined: readonly QuarantinedItem[]): Appended {
    const known = this.#findPart.get(part.receiptId, part.part);
    if (known !== undefined)
      return { appended: known["appended"] as number, duplicates: eventIdsOf(known["duplicates"] as Uint8Array) };

    const isNew = this.#seen.takeNew(ids);
    const duplicates = pick(ids, isNew, false);
    const count = ids.length / 16;
    const duplicate = duplicates.length / 16;
    this.#appendRecords(pick(ids, isNew, true), duplicate === 0 ? lines : someOf(lines, isNew));
    this.#putQuarantined(quarantined);
    const settled = part.channel === "upload" ? [null, null] : [count - duplicate, duplicate];
    const receipt = this.#addReceipt.get(
      part.receiptId,
      part.channel,
      part.source,
      part.received,
      part.quarantined,
      settled[0]!,
      settled[1]!,
      part.receivedAtMs,
    ) as { id: number };
    this.#insertPart.run(receipt.id, part.part, count, duplicates);
    return { appended: count, duplicates: eventIdsOf(duplicates) };
  }

  #appendRecords(ids: Buffer, { bytes, ends }: Lines): void {
    let first = 0;
    let from = 0;
    const close = (end: number, to: number) => {
      if (end === first) return;
      const { seq, events: firstNumber } = this.#nextHead;
      const data = bytes.subarray(from, to - 1); // without the last line break
      this.#insertRecord.run(seq + 1, this.#now(), firstNumber, end - first, data);
      this.#seen.store(seq + 1, ids.subarray(first * 16, end * 16));
      this.#nextHead = { seq: seq + 1, events: firstNumber + end - first };
      first = end;
      from = to;
    };
    let before = 0;
    for (let index = 0; index < ends.length; index++) {
      if (index - first >= limits.recordEvents || ends[index]! - from > limits.recordBytes) close(index, before);
      before = ends[index]!;
    }
    close(ends.length, before);
  }

  /** Quarantined items without a part: a stream record that cannot be read, a failed conversion. */
  async quarantine(items: readonly QuarantinedItem[]): Promise<void> {
    await this.#commits.run(
      () => this.#putQuarantined(items),
      items.reduce((sum, item) => sum + item.original.length, 0),
    );
  }

  #putQuarantined(items: readonly QuarantinedItem[]): void {
    for (const item of items)
      this.#insertQuarantined.run(
        item.receiptId,
        item.rowNumber,
        item.code,
        item.field ?? null,
        item.message,
        item.source,
        item.schemaVersion,
        item.quarantinedAtMs,
        item.original,
      );
  }

  #committed(): void {
    this.#seen.committed();
    const grown = this.#nextHead.seq > this.#head.seq;
    this.#head = this.#nextHead;
    if (grown) for (const listener of this.#listeners) listener(this.#head);
  }

  head(): LogHead {
    return this.#head;
  }

  /** Called after every commit that added records. Answers a function that ends it. */
  onAppend(listener: (head: LogHead) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /**
   * Removes records with a sequence number below `beforeSeq` that arrived before `keepFromMs`: the caller passes what
   * every consumer has read, and the retention. The newest record stays, so that numbers go on from it. What was seen
   * is remembered for good. Answers how many went.
   */
  async trim(beforeSeq: number, keepFromMs: number): Promise<number> {
    const remove = this.#db.prepare(
      `DELETE FROM records WHERE seq IN (SELECT seq FROM records WHERE seq < ? AND arrived_at_ms < ? ORDER BY seq LIMIT ?)`,
    );
    return await this.#inSteps(() => remove.run(Math.min(beforeSeq, this.#head.seq), keepFromMs, TRIM_ROWS));
  }

  /** Removes quarantined items older than `beforeMs`: originals are kept for a stated time. Answers how many went. */
  async expireQuarantine(beforeMs: number): Promise<number> {
    const remove = this.#db.prepare(
      "DELETE FROM quarantine WHERE id IN (SELECT id FROM quarantine WHERE quarantined_at_ms < ? LIMIT ?)",
    );
    return await this.#inSteps(() => remove.run(beforeMs, TRIM_ROWS));
  }

  async #inSteps(step: () => { changes: number | bigint }): Promise<number> {
    for (let total = 0; ;) {
      const changes = Number((await this.#commits.run(step)).changes);
      total += changes;
      if (changes < TRIM_ROWS) return total;
    }
  }

  close(): void {
    this.#commits.flush();
    portCall(() => this.#db.close());
  }
}

/** JSON lines of events, UTF-8, each with its line break. */
interface Lines {
  readonly bytes: Buffer;
  /** Where each line ends, its line break included. */
  readonly ends: Uint32Array;
}

const LINE_BREAK = 0x0a;

const linesOf = (events: readonly EncodedEvent[]): Lines => {
  const ends = new Uint32Array(events.length);
  let size = 0;
  for (let index = 0; index < events.length; index++) ends[index] = size += Buffer.byteLength(events[index]!.json) + 1;
  const bytes = Buffer.allocUnsafeSlow(size);
  for (let index = 0; index < events.length; index++) {
    const end = ends[index]! - 1;
    bytes.write(events[index]!.json, index === 0 ? 0 : ends[index - 1]!);
    bytes[end] = LINE_BREAK;
  }
  return { bytes, ends };
};

const someOf = ({ bytes, ends }: Lines, wanted: readonly boolean[]): Lines => {
  const kept: Buffer[] = [];
  const keptEnds: number[] = [];
  let size = 0;
  for (let index = 0; index < ends.length; index++) {
    if (wanted[index] !== true) continue;
    const line = bytes.subarray(index === 0 ? 0 : ends[index - 1]!, ends[index]);
    kept.push(line);
    keptEnds.push((size += line.length));
  }
  return { bytes: Buffer.concat(kept, size), ends: Uint32Array.from(keptEnds) };
};

/** The ids (16 bytes each) whose flag is `wanted`. */
const pick = (ids: Buffer, flags: readonly boolean[], wanted: boolean): Buffer => {
  const count = flags.reduce((sum, flag) => sum + (flag === wanted ? 1 : 0), 0);
  if (count === flags.length) return ids;
  const picked = Buffer.allocUnsafe(count * 16);
  let at = 0;
  for (const [index, flag] of flags.entries())
    if (flag === wanted) at += ids.copy(picked, at, index * 16, index * 16 + 16);
  return picked;
};
