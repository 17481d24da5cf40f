/**
 * The durable log of one machine: log.db, written by the one thread that owns this object. Other threads append
 * through it (`event-log-remote.ts`) and read with connections of their own (`log-reader.ts`).
 */
import path from "node:path";
import type { DatabaseSync, StatementSync } from "node:sqlite";
import { limits } from "@ebb/core/limits";
import type { Appended, EncodedEvent, EventLog, QuarantinedItem, ReceiptPart, ReplayMark } from "../ports.ts";
import { type Lines, linesOf, someOf } from "./event-lines.ts";
import { GroupCommit } from "./group-commit.ts";
import { LOG_FILE, logMigrations } from "./log-schema.ts";
import { SeenIds, eventIdsOf, idBytesOf } from "./seen-ids.ts";
import { release } from "../release.ts";
import { openDatabase, portCall } from "./sqlite.ts";
import { WalSync } from "./wal-sync.ts";

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
  /**
   * The last record that any consumer has taken. A log that ends before it was put back or lost its end: it goes on after
   * it, for what came under numbers that a consumer has behind it would be passed over.
   */
  readonly continueAfter?: number;
}

/** Rows deleted in one transaction: a trim never keeps the appenders waiting for long. */
const TRIM_ROWS = 200;

export class EmbeddedEventLog implements EventLog {
  readonly #db: DatabaseSync;
  readonly #commits: GroupCommit;
  readonly #disk: WalSync;
  readonly #seen: SeenIds;
  readonly #now: () => number;
  readonly #listeners = new Set<(head: LogHead) => void>();
  readonly #insertRecord: StatementSync;
  readonly #findPart: StatementSync;
  readonly #addReceipt: StatementSync;
  readonly #insertPart: StatementSync;
  readonly #insertQuarantined: StatementSync;
  #head: LogHead;
  /** Records that consumers have taken and the log lacks at its end; 0 unless it was put back or its end was lost. */
  readonly lostRecords: number;
  /** The head as the last commit left it, which may be on its way to disk. */
  #committedHead: LogHead;
  /** The head as the transaction under way will leave it. */
  #nextHead: LogHead;

  constructor(folder: string, options: EventLogOptions = {}) {
    const file = path.join(folder, LOG_FILE);
    this.#db = openDatabase(file, {
      commitsUnsynced: true,
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
    const lastSeq = (last?.["seq"] as number | undefined) ?? 0;
    this.#head = {
      seq: Math.max(lastSeq, options.continueAfter ?? 0),
      events: (last?.["events"] as number | undefined) ?? 0,
    };
    this.lostRecords = this.#head.seq - lastSeq;
    this.#nextHead = this.#committedHead = this.#head;
    this.#seen = new SeenIds(this.#db, this.#head.events);
    this.#disk = new WalSync(file);
    this.#disk.syncNow(); // what an earlier process committed and did not live to sync
    this.#commits = new GroupCommit(this.#db, {
      disk: this.#disk,
      beforeCommit: () => this.#seen.mergeSlice(),
      committed: () => {
        this.#seen.committed();
        this.#committedHead = this.#nextHead;
      },
      rolledBack: () => {
        this.#seen.rolledBack();
        this.#nextHead = this.#committedHead;
      },
      durable: () => this.#durable(),
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
    const ids = idBytesOf(events.map((event) => event.eventId));
    return this.appendLines(part, ids, linesOf(events), quarantined);
  }

  /** `append` for events that are bytes already, which are given up with it. @param ids 16 bytes an event */
  async appendLines(
    part: ReceiptPart,
    ids: Buffer,
    lines: Lines,
    quarantined: readonly QuarantinedItem[],
  ): Promise<Appended> {
    const events = lines.ends.length;
    if (part.channel !== "upload" && part.received !== events + quarantined.length)
      throw new RangeError(
        `the ledger does not balance: ${part.received} received, ${events} appended, ${quarantined.length} quarantined`,
      );
    const bytes = lines.bytes.length + quarantined.reduce((sum, item) => sum + item.original.length, 0);
    try {
      return await this.#commits.run(() => this.#appendPart(part, ids, lines, quarantined), bytes);
    } finally {
      release(lines.bytes);
    }
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

  /** Notes down what became of quarantined items that were sent again. */
  async markReplayed(marks: readonly ReplayMark[]): Promise<void> {
    const mark = this.#db.prepare(
      "UPDATE quarantine SET replay_receipt = ?, replay_outcome = ?, replayed_at_ms = ? WHERE receipt = ? AND row_number = ?",
    );
    await this.#commits.run(() => {
      for (const { receiptId, rowNumber, replayed } of marks)
        mark.run(replayed.receiptId, replayed.outcome, replayed.atMs, receiptId, rowNumber);
    });
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

  #durable(): void {
    const grown = this.#committedHead.seq > this.#head.seq;
    this.#head = this.#committedHead;
    if (grown) for (const listener of this.#listeners) listener(this.#head);
  }

  /** Appends wait until what is answered is called. */
  hold(): () => void {
    return this.#commits.hold();
  }

  /** What is on disk. A reader may see more for a moment: it must not act on it (`LogReader.read`). */
  head(): LogHead {
    return this.#head;
  }

  /** Called when records have come to disk. Answers a function that ends it. */
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
    this.#disk.close();
  }
}

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
