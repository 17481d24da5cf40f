/** sources.db: where each source stands, who may load it, and how its loads ended. */
import path from "node:path";
import type { DatabaseSync, StatementSync } from "node:sqlite";
import type { LoadEnd, SourceState, SourceStore } from "../source-ports.ts";
import { openDatabase, portCall } from "./sqlite.ts";

const migrations: readonly string[] = [
  `
  -- one row a source that was ever loaded
  CREATE TABLE sources (
    name TEXT PRIMARY KEY,
    document TEXT,
    lease_owner TEXT,
    lease_until_ms INTEGER NOT NULL DEFAULT 0
  ) WITHOUT ROWID;
  -- one row a load that ended
  CREATE TABLE ends (id INTEGER PRIMARY KEY, name TEXT NOT NULL, document TEXT NOT NULL);
  CREATE INDEX ends_of_source ON ends (name, id);
  `,
];

/** Ends that are kept for each source. */
const KEPT_ENDS = 200;

export class EmbeddedSourceStore implements SourceStore {
  readonly #db: DatabaseSync;
  readonly #get: StatementSync;
  readonly #put: StatementSync;
  readonly #lease: StatementSync;
  readonly #addEnd: StatementSync;
  readonly #dropEnds: StatementSync;
  readonly #ends: StatementSync;

  constructor(folder: string) {
    this.#db = openDatabase(path.join(folder, "sources.db"), { migrations, cacheKib: 2_048 });
    this.#get = this.#db.prepare("SELECT document FROM sources WHERE name = ?");
    this.#put = this.#db.prepare(
      "INSERT INTO sources (name, document) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET document = excluded.document",
    );
    this.#lease = this.#db.prepare(
      `INSERT INTO sources (name, lease_owner, lease_until_ms) VALUES (:name, :owner, :until)
       ON CONFLICT (name) DO UPDATE SET lease_owner = :owner, lease_until_ms = :until
       WHERE lease_owner IS NULL OR lease_owner = :owner OR lease_until_ms <= :now`,
    );
    this.#addEnd = this.#db.prepare("INSERT INTO ends (name, document) VALUES (?, ?)");
    this.#dropEnds = this.#db.prepare(
      `DELETE FROM ends WHERE name = :name AND id <= (SELECT id FROM ends WHERE name = :name ORDER BY id DESC LIMIT 1 OFFSET ${KEPT_ENDS})`,
    );
    this.#ends = this.#db.prepare("SELECT document FROM ends WHERE name = ? ORDER BY id DESC LIMIT ?");
  }

  async get(name: string): Promise<SourceState | undefined> {
    const row = portCall(() => this.#get.get(name)) as { document: string | null } | undefined;
    return row?.document == null ? undefined : (JSON.parse(row.document) as SourceState);
  }

  async put(state: SourceState): Promise<void> {
    portCall(() => this.#put.run(state.name, JSON.stringify(state)));
  }

  async lease(name: string, owner: string, leaseMs: number, nowMs: number): Promise<boolean> {
    return portCall(() => this.#lease.run({ name, owner, until: nowMs + leaseMs, now: nowMs })).changes === 1;
  }

  async ended(name: string, end: LoadEnd): Promise<void> {
    portCall(() => this.#addEnd.run(name, JSON.stringify(end)));
    portCall(() => this.#dropEnds.run({ name }));
  }

  async ends(name: string, limit: number): Promise<readonly LoadEnd[]> {
    const rows = portCall(() => this.#ends.all(name, limit)) as unknown as { document: string }[];
    return rows.map(({ document }) => JSON.parse(document) as LoadEnd);
  }

  close(): void {
    this.#db.close();
  }
}
