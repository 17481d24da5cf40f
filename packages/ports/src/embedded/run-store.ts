/**
 * runs.db: the trail of the batch runs, the right to run, and what the steps of each run answered. Written by the one
 * process that runs, read by the front door.
 */
import path from "node:path";
import type { DatabaseSync, StatementSync } from "node:sqlite";
import type { Run, RunStore } from "../batch-ports.ts";
import { decodeCursor, encodeCursor } from "./cursor.ts";
import { openDatabase, portCall } from "./sqlite.ts";

export const runMigrations: readonly string[] = [
  `
  -- one row a run, in the order in which they began
  CREATE TABLE runs (
    id INTEGER PRIMARY KEY,
    run TEXT NOT NULL UNIQUE,
    state TEXT NOT NULL,
    document TEXT NOT NULL
  );
  -- who may run: one row at most
  CREATE TABLE lock (one INTEGER PRIMARY KEY CHECK (one = 1), run TEXT NOT NULL, until_ms INTEGER NOT NULL);
  -- one row a step that is done: its answer, as JSON
  CREATE TABLE answers (run TEXT NOT NULL, step TEXT NOT NULL, answer TEXT NOT NULL, PRIMARY KEY (run, step)) WITHOUT ROWID;
  `,
];

interface Row {
  readonly id: number;
  readonly document: string;
}

export class EmbeddedRunStore implements RunStore {
  readonly #db: DatabaseSync;
  readonly #put: StatementSync;
  readonly #get: StatementSync;
  readonly #list: StatementSync;
  readonly #lock: StatementSync;
  readonly #unlock: StatementSync;
  readonly #unfinished: StatementSync;
  readonly #answer: StatementSync;
  readonly #remember: StatementSync;

  constructor(folder: string) {
    this.#db = openDatabase(path.join(folder, "runs.db"), { migrations: runMigrations, cacheKib: 2_048 });
    this.#put = this.#db.prepare(
      `INSERT INTO runs (run, state, document) VALUES (?, ?, ?)
       ON CONFLICT (run) DO UPDATE SET state = excluded.state, document = excluded.document`,
    );
    this.#get = this.#db.prepare("SELECT id, document FROM runs WHERE run = ?");
    this.#list = this.#db.prepare("SELECT id, document FROM runs WHERE id < ? ORDER BY id DESC LIMIT ?");
    this.#lock = this.#db.prepare(
      `INSERT INTO lock (one, run, until_ms) VALUES (1, :run, :until)
       ON CONFLICT (one) DO UPDATE SET run = excluded.run, until_ms = excluded.until_ms
       WHERE lock.run = :run OR lock.until_ms <= :now`,
    );
    this.#unlock = this.#db.prepare("DELETE FROM lock WHERE run = ?");
    this.#unfinished = this.#db.prepare("SELECT id, document FROM runs WHERE state = 'running' ORDER BY id");
    this.#answer = this.#db.prepare("SELECT answer FROM answers WHERE run = ? AND step = ?");
    this.#remember = this.#db.prepare("INSERT OR REPLACE INTO answers (run, step, answer) VALUES (?, ?, ?)");
  }

  async lock(runId: string, nowMs: number, leaseMs: number): Promise<boolean> {
    return portCall(() => this.#lock.run({ run: runId, until: nowMs + leaseMs, now: nowMs })).changes === 1;
  }

  async unlock(runId: string): Promise<void> {
    portCall(() => this.#unlock.run(runId));
  }

  async put(run: Run): Promise<void> {
    portCall(() => this.#put.run(run.runId, run.state, JSON.stringify(run)));
  }

  async get(runId: string): Promise<Run | undefined> {
    const row = portCall(() => this.#get.get(runId)) as Row | undefined;
    return row === undefined ? undefined : (JSON.parse(row.document) as Run);
  }

  async list(query: { limit: number; cursor?: string | undefined }): Promise<{ runs: Run[]; cursor?: string }> {
    const [before] = decodeCursor(query.cursor, ["number"]) ?? [Number.MAX_SAFE_INTEGER];
    const rows = portCall(() => this.#list.all(before as number, query.limit)) as unknown as Row[];
    const last = rows.length === query.limit ? rows.at(-1) : undefined;
    return {
      runs: rows.map((row) => JSON.parse(row.document) as Run),
      ...(last === undefined ? {} : { cursor: encodeCursor([last.id]) }),
    };
  }

  /** Runs that began and have no end: at start they are taken up again. Oldest first. */
  async unfinished(): Promise<Run[]> {
    const rows = portCall(() => this.#unfinished.all()) as unknown as Row[];
    return rows.map((row) => JSON.parse(row.document) as Run);
  }

  /** What a step of a run answered, as JSON; `undefined` when it is not done. */
  answer(runId: string, step: string): string | undefined {
    return (portCall(() => this.#answer.get(runId, step)) as { answer: string } | undefined)?.answer;
  }

  remember(runId: string, step: string, answer: string): void {
    portCall(() => this.#remember.run(runId, step, answer));
  }

  close(): void {
    this.#db.close();
  }
}
