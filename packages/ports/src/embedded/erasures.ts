/**
 * erasures.db: the erasures, what they have still to do, and their receipts. Whom an erasure is about stands here until
 * it is done, and then nowhere: a backup that was taken meanwhile goes on with it where it is restored.
 */
import path from "node:path";
import type { DatabaseSync, StatementSync } from "node:sqlite";
import { ErasureReceipt } from "@ebb/core/erasure";
import type { Erasure, ErasureStore, Subject } from "../erasure-ports.ts";
import { decodeCursor, encodeCursor } from "./cursor.ts";
import { compactDatabase } from "./compact-database.ts";
import { inTransaction, openDatabase, portCall } from "./sqlite.ts";

export const ERASURES_FILE = "erasures.db";

const migrations: readonly string[] = [
  `
  -- one row an erasure, in the order in which they were asked for
  CREATE TABLE erasures (
    id INTEGER PRIMARY KEY,
    erasure TEXT NOT NULL UNIQUE,
    state TEXT NOT NULL,
    requested_at_ms INTEGER NOT NULL,
    ended_at_ms INTEGER,
    customers INTEGER NOT NULL,
    step TEXT,
    receipt TEXT
  );
  -- one row a person, until the erasure is done
  CREATE TABLE subjects (erasure TEXT NOT NULL, customer_key TEXT NOT NULL, subject TEXT NOT NULL,
    PRIMARY KEY (erasure, customer_key)) WITHOUT ROWID;
  -- one row a step that is done, until the erasure is: its answer, as JSON
  CREATE TABLE answers (erasure TEXT NOT NULL, step TEXT NOT NULL, answer TEXT NOT NULL,
    PRIMARY KEY (erasure, step)) WITHOUT ROWID;
  `,
];

interface Row {
  readonly id: number;
  readonly erasure: string;
  readonly state: Erasure["state"];
  readonly requested_at_ms: number;
  readonly ended_at_ms: number | null;
  readonly customers: number;
  readonly step: string | null;
  readonly receipt: string | null;
}

const erasureOf = (row: Row): Erasure => ({
  erasureId: row.erasure,
  state: row.state,
  requestedAtMs: row.requested_at_ms,
  customers: row.customers,
  ...(row.ended_at_ms === null ? {} : { endedAtMs: row.ended_at_ms }),
  ...(row.step === null ? {} : { step: row.step }),
  ...(row.receipt === null ? {} : { receipt: ErasureReceipt.parse(JSON.parse(row.receipt)) }),
});

export class EmbeddedErasures implements ErasureStore {
  readonly #db: DatabaseSync;
  readonly #request: StatementSync;
  readonly #get: StatementSync;
  readonly #list: StatementSync;
  readonly #unfinished: StatementSync;
  readonly #putSubject: StatementSync;
  readonly #subjects: StatementSync;
  readonly #pending: StatementSync;
  readonly #progress: StatementSync;
  readonly #answer: StatementSync;
  readonly #remember: StatementSync;

  constructor(folder: string) {
    this.#db = openDatabase(path.join(folder, ERASURES_FILE), { migrations, personal: true, cacheKib: 1_024 });
    this.#request = this.#db.prepare(
      `INSERT INTO erasures (erasure, state, requested_at_ms, customers) VALUES (?, 'requested', ?, ?)
       ON CONFLICT (erasure) DO NOTHING`,
    );
    this.#get = this.#db.prepare("SELECT * FROM erasures WHERE erasure = ?");
    this.#list = this.#db.prepare("SELECT * FROM erasures WHERE id < ? ORDER BY id DESC LIMIT ?");
    this.#unfinished = this.#db.prepare("SELECT * FROM erasures WHERE state <> 'done' ORDER BY id");
    this.#putSubject = this.#db.prepare(
      "INSERT OR REPLACE INTO subjects (erasure, customer_key, subject) VALUES (?, ?, ?)",
    );
    this.#subjects = this.#db.prepare("SELECT subject FROM subjects WHERE erasure = ? ORDER BY customer_key");
    this.#pending = this.#db.prepare("SELECT subject FROM subjects");
    this.#progress = this.#db.prepare(
      "UPDATE erasures SET step = ?, state = 'running' WHERE erasure = ? AND state <> 'done'",
    );
    this.#answer = this.#db.prepare("SELECT answer FROM answers WHERE erasure = ? AND step = ?");
    this.#remember = this.#db.prepare("INSERT OR REPLACE INTO answers (erasure, step, answer) VALUES (?, ?, ?)");
  }

  async request(erasure: Erasure, subjects: readonly Subject[]): Promise<void> {
    const { erasureId, requestedAtMs, customers } = erasure;
    portCall(() =>
      inTransaction(this.#db, () => {
        if (this.#request.run(erasureId, requestedAtMs, customers).changes === 0) return;
        for (const subject of subjects) this.#putSubject.run(erasureId, subject.customerKey, JSON.stringify(subject));
      }),
    );
  }

  async get(erasureId: string): Promise<Erasure | undefined> {
    const row = portCall(() => this.#get.get(erasureId)) as Row | undefined;
    return row === undefined ? undefined : erasureOf(row);
  }

  async list(query: { limit: number; cursor?: string | undefined }): Promise<{ erasures: Erasure[]; cursor?: string }> {
    const [before] = decodeCursor(query.cursor, ["number"]) ?? [Number.MAX_SAFE_INTEGER];
    const rows = portCall(() => this.#list.all(before as number, query.limit)) as unknown as Row[];
    const last = rows.length === query.limit ? rows.at(-1) : undefined;
    return { erasures: rows.map(erasureOf), ...(last === undefined ? {} : { cursor: encodeCursor([last.id]) }) };
  }

  async unfinished(): Promise<Erasure[]> {
    return (portCall(() => this.#unfinished.all()) as unknown as Row[]).map(erasureOf);
  }

  async subjects(erasureId: string): Promise<Subject[]> {
    const rows = portCall(() => this.#subjects.all(erasureId)) as unknown as { subject: string }[];
    return rows.map(({ subject }) => JSON.parse(subject) as Subject);
  }

  /** Everybody whom an erasure that is not done is about: queries of the lake leave them out until then. */
  pending(): Subject[] {
    const rows = portCall(() => this.#pending.all()) as unknown as { subject: string }[];
    return rows.map(({ subject }) => JSON.parse(subject) as Subject);
  }

  async putSubjects(erasureId: string, subjects: readonly Subject[]): Promise<void> {
    portCall(() =>
      inTransaction(this.#db, () => {
        for (const subject of subjects) this.#putSubject.run(erasureId, subject.customerKey, JSON.stringify(subject));
      }),
    );
  }

  async progress(erasureId: string, step: string): Promise<void> {
    portCall(() => this.#progress.run(step, erasureId));
  }

  /** Also rewrites the file: what was deleted stays on its free pages until then. */
  async end(erasureId: string, receipt: ErasureReceipt, nowMs: number): Promise<void> {
    portCall(() =>
      inTransaction(this.#db, () => {
        this.#db
          .prepare("UPDATE erasures SET state = 'done', step = NULL, receipt = ?, ended_at_ms = ? WHERE erasure = ?")
          .run(JSON.stringify(receipt), nowMs, erasureId);
        this.#db.prepare("DELETE FROM subjects WHERE erasure = ?").run(erasureId);
        this.#db.prepare("DELETE FROM answers WHERE erasure = ?").run(erasureId);
      }),
    );
    compactDatabase(this.#db);
  }

  /** What a step answered, as JSON; `undefined` when it is not done. For `EmbeddedWorkflowContext`. */
  answer(erasureId: string, step: string): string | undefined {
    return (portCall(() => this.#answer.get(erasureId, step)) as { answer: string } | undefined)?.answer;
  }

  remember(erasureId: string, step: string, answer: string): void {
    portCall(() => this.#remember.run(erasureId, step, answer));
  }

  close(): void {
    this.#db.close();
  }
}
