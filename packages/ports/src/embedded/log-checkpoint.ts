/**
 * Brings the log's WAL into its file from a thread that has the time. SQLite has whoever commits do so when the WAL is long
 * enough; of the log that is the thread that takes requests, and they would wait for the copy and two fsyncs of it. What
 * this leaves to that thread is what came during the copy, and to begin the WAL anew.
 */
import path from "node:path";
import type { DatabaseSync } from "node:sqlite";
import { TransientError } from "../ports.ts";
import { LOG_FILE, logMigrations } from "./log-schema.ts";
import { openDatabase, portCall } from "./sqlite.ts";

/** Half of what the log's thread lets the WAL grow to (`event-log.ts`). */
const EVERY_BYTES = 16_000_000;

export class LogCheckpoint {
  readonly #db: DatabaseSync;
  #bytes = 0;

  constructor(folder: string) {
    this.#db = openDatabase(path.join(folder, LOG_FILE), {
      migrations: logMigrations,
      commitsUnsynced: true, // as the log's own thread: a checkpoint syncs the WAL, then the file
      cacheKib: 64,
    });
  }

  /** Counts what was appended; copies when that is enough. A disk that refuses leaves it to the log's thread. */
  appended(bytes: number): void {
    this.#bytes += bytes;
    if (this.#bytes < EVERY_BYTES) return;
    this.#bytes = 0;
    try {
      portCall(() => this.#db.exec("PRAGMA wal_checkpoint(PASSIVE)"));
    } catch (error) {
      if (!(error instanceof TransientError)) throw error;
    }
  }

  close(): void {
    this.#db.close();
  }
}
