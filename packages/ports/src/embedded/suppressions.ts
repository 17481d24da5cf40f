/**
 * suppressions.db: who may not be kept. In a file of its own, which no backup holds and no restore replaces. Any thread
 * and process may have it open; each sees what another has added at its next look.
 */
import path from "node:path";
import type { DatabaseSync, StatementSync } from "node:sqlite";
import type { Suppression, SuppressionKey, Suppressions } from "../erasure-ports.ts";
import { MemorySuppressionList, SuppressionKeys } from "../suppression-list.ts";
import { inTransaction, openDatabase, portCall } from "./sqlite.ts";

export const SUPPRESSIONS_FILE = "suppressions.db";

const migrations: readonly string[] = [
  `
  -- one row a person
  CREATE TABLE suppressions (
    key TEXT PRIMARY KEY,
    erasure TEXT NOT NULL,
    suppressed_at_ms INTEGER NOT NULL
  ) WITHOUT ROWID;
  `,
];

interface Row {
  readonly key: SuppressionKey;
  readonly erasure: string;
  readonly suppressed_at_ms: number;
}

const suppressionOf = (row: Row): Suppression => ({
  key: row.key,
  erasureId: row.erasure,
  suppressedAtMs: row.suppressed_at_ms,
});

export class EmbeddedSuppressions implements Suppressions {
  readonly #db: DatabaseSync;
  readonly #keys: SuppressionKeys;
  readonly #dataVersion: StatementSync;
  readonly #all: StatementSync;
  readonly #insert: StatementSync;
  readonly #delete: StatementSync;
  /** Counts this connection's own changes, which `data_version` leaves out. */
  #own = 0;
  #list: MemorySuppressionList | undefined;

  constructor(folder: string, secret: string) {
    this.#keys = new SuppressionKeys(secret);
    this.#db = openDatabase(path.join(folder, SUPPRESSIONS_FILE), { migrations, personal: true, cacheKib: 1_024 });
    this.#dataVersion = this.#db.prepare("PRAGMA data_version");
    this.#all = this.#db.prepare("SELECT key, erasure, suppressed_at_ms FROM suppressions");
    this.#insert = this.#db.prepare(
      "INSERT INTO suppressions (key, erasure, suppressed_at_ms) VALUES (?, ?, ?) ON CONFLICT (key) DO NOTHING",
    );
    this.#delete = this.#db.prepare("DELETE FROM suppressions WHERE key = ?");
  }

  /** A look costs microseconds where nothing has changed. */
  current(): MemorySuppressionList {
    return portCall(() => {
      const { data_version: other } = this.#dataVersion.get() as { data_version: number };
      const version = `${other}.${this.#own}`;
      if (this.#list?.version === version) return this.#list;
      const rows = this.#all.all() as unknown as Row[];
      const entries = new Map(rows.map((row) => [row.key, suppressionOf(row)] as const));
      return (this.#list = new MemorySuppressionList(version, this.#keys, entries));
    });
  }

  async latest(): Promise<MemorySuppressionList> {
    return this.current();
  }

  keyOf(pseudonym: string): SuppressionKey {
    return this.#keys.keyOf(pseudonym);
  }

  async add(pseudonyms: readonly string[], erasureId: string, nowMs: number): Promise<void> {
    const added = pseudonyms.map((each) => ({ key: this.keyOf(each), erasureId, suppressedAtMs: nowMs }));
    await this.merge(added);
  }

  async lift(pseudonyms: readonly string[]): Promise<number> {
    return this.#changed(() => pseudonyms.map((each) => this.#delete.run(this.keyOf(each)).changes));
  }

  async *entries(): AsyncIterable<Suppression> {
    for (const row of portCall(() => this.#all.all()) as unknown as Row[]) yield suppressionOf(row);
  }

  async merge(entries: Iterable<Suppression>): Promise<number> {
    return this.#changed(() =>
      Array.from(
        entries,
        ({ key, erasureId, suppressedAtMs }) => this.#insert.run(key, erasureId, suppressedAtMs).changes,
      ),
    );
  }

  #changed(work: () => (number | bigint)[]): number {
    const changes = portCall(() => inTransaction(this.#db, work));
    const total = changes.reduce<number>((sum, each) => sum + Number(each), 0);
    if (total > 0) this.#own++;
    return total;
  }

  close(): void {
    this.#db.close();
  }
}
