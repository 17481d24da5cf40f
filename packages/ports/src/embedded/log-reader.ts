/** Reading log.db from any thread, with a connection of its own. */
import path from "node:path";
import type { DatabaseSync, StatementSync } from "node:sqlite";
import type { ReceiptId } from "@ebb/core/ids";
import type { ReasonCode } from "@ebb/core/reasons";
import type { Ledger, LedgerLine, Quarantine, QuarantinedItem, Replayed } from "../ports.ts";
import { decodeCursor, encodeCursor } from "./cursor.ts";
import type { LogHead } from "./event-log.ts";
import { LOG_FILE, logMigrations } from "./log-schema.ts";
import { openDatabase, portCall } from "./sqlite.ts";

export interface LogRecord {
  readonly seq: number;
  readonly arrivedAtMs: number;
  /** Ordinal of its first event among all events ever appended, from 0. */
  readonly firstNumber: number;
  readonly events: number;
  /** JSON lines, UTF-8, without a final line break. */
  readonly data: Uint8Array;
}

/** A read-only view of the log: its records for consumers, its ledger and its quarantine. The log must exist. */
export class LogReader {
  readonly #db: DatabaseSync;
  readonly #read: StatementSync;
  readonly #head: StatementSync;

  constructor(folder: string) {
    this.#db = openDatabase(path.join(folder, LOG_FILE), {
      migrations: logMigrations,
      readOnly: true,
      cacheKib: 2_048, // read once, in order
    });
    this.#read = this.#db.prepare(
      "SELECT seq, arrived_at_ms, first_number, events, data FROM records WHERE seq > ? AND seq <= ? ORDER BY seq LIMIT ?",
    );
    this.#read.setReturnArrays(true);
    this.#head = this.#db.prepare("SELECT seq, first_number + events AS events FROM records ORDER BY seq DESC LIMIT 1");
  }

  /**
   * Records after `afterSeq`, oldest first: at most `maxRecords`, and no further once they hold `maxBytes`.
   * @param throughSeq the head of the log (`EmbeddedEventLog.head`), for whoever acts on what it reads: newer records may
   *   be committed and not yet on disk, and what is done with them must not outlive them
   */
  read(afterSeq: number, maxRecords: number, maxBytes: number, throughSeq = Number.MAX_SAFE_INTEGER): LogRecord[] {
    return portCall(() => {
      const records: LogRecord[] = [];
      let bytes = 0;
      for (const row of this.#read.iterate(afterSeq, throughSeq, maxRecords) as unknown as Iterable<RecordRow>) {
        const [seq, arrivedAtMs, firstNumber, events, data] = row;
        records.push({ seq, arrivedAtMs, firstNumber, events, data });
        bytes += data.length;
        if (bytes >= maxBytes) break;
      }
      return records;
    });
  }

  head(): LogHead {
    const row = portCall(() => this.#head.get()) as LogHead | undefined;
    return { seq: row?.seq ?? 0, events: row?.events ?? 0 };
  }

  ledger(): Ledger {
    return new SqliteLedger(this.#db);
  }

  /** @param write writes go to the thread that owns the log */
  quarantine(write: Pick<Quarantine, "put" | "markReplayed">): Quarantine {
    return new SqliteQuarantine(this.#db, write);
  }

  close(): void {
    this.#db.close();
  }
}

type RecordRow = [seq: number, arrivedAtMs: number, firstNumber: number, events: number, data: Uint8Array];

interface ReceiptRow {
  readonly id: number;
  readonly receipt: ReceiptId;
  readonly channel: LedgerLine["channel"];
  readonly source: string;
  readonly received: number;
  readonly quarantined: number;
  readonly accepted: number | null;
  readonly duplicate: number | null;
  readonly received_at_ms: number;
}

const lineOf = (row: ReceiptRow): LedgerLine => ({
  receiptId: row.receipt,
  channel: row.channel,
  source: row.source,
  received: row.received,
  appended: row.received - row.quarantined,
  quarantined: row.quarantined,
  ...(row.accepted === null || row.duplicate === null ? {} : { accepted: row.accepted, duplicate: row.duplicate }),
  receivedAtMs: row.received_at_ms,
});

class SqliteLedger implements Ledger {
  readonly #one: StatementSync;
  readonly #page: StatementSync;

  constructor(db: DatabaseSync) {
    this.#one = db.prepare("SELECT * FROM receipts WHERE receipt = ?");
    this.#page = db.prepare("SELECT * FROM receipts WHERE id < ? ORDER BY id DESC LIMIT ?");
  }

  async read(receiptId: ReceiptId): Promise<LedgerLine | undefined> {
    const row = portCall(() => this.#one.get(receiptId)) as ReceiptRow | undefined;
    return row === undefined ? undefined : lineOf(row);
  }

  async list(query: { limit: number; cursor?: string | undefined }): Promise<{ lines: LedgerLine[]; cursor?: string }> {
    const [before] = decodeCursor(query.cursor, ["number"]) ?? [Number.MAX_SAFE_INTEGER];
    const rows = portCall(() => this.#page.all(before as number, query.limit)) as unknown as ReceiptRow[];
    const last = rows.length === query.limit ? rows.at(-1) : undefined;
    return { lines: rows.map(lineOf), ...(last === undefined ? {} : { cursor: encodeCursor([last.id]) }) };
  }
}

interface QuarantineRow {
  readonly receipt: ReceiptId;
  readonly row_number: number;
  readonly code: ReasonCode;
  readonly field: string | null;
  readonly message: string;
  readonly source: string;
  readonly schema_version: number;
  readonly quarantined_at_ms: number;
  readonly original: Uint8Array;
  readonly replay_receipt: ReceiptId | null;
  readonly replay_outcome: Replayed["outcome"] | null;
  readonly replayed_at_ms: number | null;
}

const itemOf = (row: QuarantineRow): QuarantinedItem => ({
  receiptId: row.receipt,
  rowNumber: row.row_number,
  code: row.code,
  ...(row.field === null ? {} : { field: row.field }),
  message: row.message,
  source: row.source,
  original: row.original,
  schemaVersion: row.schema_version,
  quarantinedAtMs: row.quarantined_at_ms,
  ...(row.replay_receipt === null || row.replay_outcome === null
    ? {}
    : { replayed: { receiptId: row.replay_receipt, outcome: row.replay_outcome, atMs: row.replayed_at_ms ?? 0 } }),
});

class SqliteQuarantine implements Quarantine {
  readonly put: Quarantine["put"];
  readonly markReplayed: Quarantine["markReplayed"];
  readonly #ofOne: StatementSync;
  readonly #ofAll: StatementSync;
  readonly #countsOfOne: StatementSync;
  readonly #countsOfAll: StatementSync;

  constructor(db: DatabaseSync, write: Pick<Quarantine, "put" | "markReplayed">) {
    this.put = (items) => write.put(items);
    this.markReplayed = (marks) => write.markReplayed(marks);
    const page = (where: string) =>
      db.prepare(
        `SELECT * FROM quarantine WHERE ${where} AND (:code IS NULL OR code = :code)
           AND quarantined_at_ms >= :since AND (:open = 0 OR replay_receipt IS NULL)
         ORDER BY receipt, row_number LIMIT :limit`,
      );
    this.#ofOne = page("receipt = :receipt AND row_number > :row");
    this.#ofAll = page("(receipt, row_number) > (:receipt, :row)");
    this.#countsOfOne = db.prepare("SELECT code, count(*) AS items FROM quarantine WHERE receipt = ? GROUP BY code");
    this.#countsOfAll = db.prepare("SELECT code, count(*) AS items FROM quarantine GROUP BY code");
  }

  async list(query: Parameters<Quarantine["list"]>[0]): Promise<{ items: QuarantinedItem[]; cursor?: string }> {
    const [receipt, row] = decodeCursor(query.cursor, ["string", "number"]) ?? [query.receiptId ?? "", -1];
    const statement = query.receiptId === undefined ? this.#ofAll : this.#ofOne;
    const rows = portCall(() =>
      statement.all({
        receipt: query.receiptId ?? (receipt as string),
        row: row as number,
        code: query.code ?? null,
        since: query.sinceMs ?? 0,
        open: query.open === true ? 1 : 0,
        limit: query.limit,
      }),
    ) as unknown as QuarantineRow[];
    const last = rows.length === query.limit ? rows.at(-1) : undefined;
    return {
      items: rows.map(itemOf),
      ...(last === undefined ? {} : { cursor: encodeCursor([last.receipt, last.row_number]) }),
    };
  }

  async counts(query: { receiptId?: ReceiptId | undefined }): Promise<Record<string, number>> {
    const rows = portCall(() =>
      query.receiptId === undefined ? this.#countsOfAll.all() : this.#countsOfOne.all(query.receiptId),
    ) as unknown as { code: string; items: number }[];
    return Object.fromEntries(rows.map((row) => [row.code, row.items]));
  }
}
