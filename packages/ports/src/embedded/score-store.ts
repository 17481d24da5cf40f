/** scores.db: what the last run said of every customer. Written by the process that runs, read by the front door. */
import path from "node:path";
import type { DatabaseSync, StatementSync } from "node:sqlite";
import type { CustomerScores, ScoreStore, ScoresDocument } from "../batch-ports.ts";
import { inTransaction, openDatabase, portCall } from "./sqlite.ts";

export const scoreMigrations: readonly string[] = [
  `
  -- one row a customer
  CREATE TABLE scores (customer_key TEXT PRIMARY KEY, document TEXT NOT NULL) WITHOUT ROWID;
  `,
];

export class EmbeddedScoreStore implements ScoreStore {
  readonly #db: DatabaseSync;
  readonly #put: StatementSync;
  readonly #get: StatementSync;

  constructor(folder: string) {
    this.#db = openDatabase(path.join(folder, "scores.db"), { migrations: scoreMigrations, cacheKib: 4_096 });
    this.#put = this.#db.prepare("INSERT OR REPLACE INTO scores (customer_key, document) VALUES (?, ?)");
    this.#get = this.#db.prepare("SELECT document FROM scores WHERE customer_key = ?");
  }

  async putScores(scores: readonly ScoresDocument[]): Promise<void> {
    portCall(() =>
      inTransaction(this.#db, () => {
        for (const { customerKey, document } of scores) this.#put.run(customerKey, document);
      }),
    );
  }

  async scores(customerKey: string): Promise<CustomerScores | undefined> {
    const row = portCall(() => this.#get.get(customerKey)) as { document: string } | undefined;
    return row === undefined ? undefined : (JSON.parse(row.document) as CustomerScores);
  }

  close(): void {
    this.#db.close();
  }
}
