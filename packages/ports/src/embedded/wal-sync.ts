/**
 * Brings the commits of a database to disk apart from the commits themselves. Under `synchronous=NORMAL` a commit is
 * written to the WAL and not synced; one fdatasync of the WAL then makes every commit before it durable, as
 * `synchronous=FULL` would have, while the thread goes on working (https://sqlite.org/pragma.html#pragma_synchronous).
 * SQLite itself syncs the WAL's header when it begins the WAL anew, and the WAL before a checkpoint.
 */
import { closeSync, fdatasync, fdatasyncSync, openSync } from "node:fs";
import { promisify } from "node:util";
import { TransientError } from "../ports.ts";

const later = promisify(fdatasync);

/**
 * Other work may hold every thread of libuv's pool, such as long queries: a sync that has not come by then is made on
 * this thread. Above what a disk without trouble takes.
 */
const PATIENCE_MS = 100;

export class WalSync {
  readonly #file: string;
  /** Two, as Linux tells of a failed write once for each: neither takes the news from the other. */
  #descriptors: { readonly pool: number; readonly here: number } | undefined;
  #failure: TransientError | undefined;
  #closed = false;

  /** @param databaseFile in WAL mode, and open in this process for longer than this object lives */
  constructor(databaseFile: string) {
    this.#file = `${databaseFile}-wal`;
  }

  /** SQLite makes the WAL with the first commit and keeps it until the last connection closes. It holds no locks on it. */
  #open(): { readonly pool: number; readonly here: number } {
    if (this.#closed) throw new Error("the database is closed");
    return (this.#descriptors ??= { pool: openSync(this.#file, "r+"), here: openSync(this.#file, "r+") });
  }

  /**
   * Resolves when everything that was committed before the call is on disk.
   * @throws TransientError for good. After a failed fsync nobody knows what is on disk, and asking again does not help:
   *   the kernel has given the pages up. The checksums of the WAL tell it when the file is opened anew.
   */
  async sync(): Promise<void> {
    if (this.#failure !== undefined) throw this.#failure;
    const { pool } = this.#open();
    let timer: NodeJS.Timeout | undefined;
    const here = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, PATIENCE_MS);
    }).then(() => this.syncNow());
    try {
      await Promise.race([later(pool), here]);
    } catch (cause) {
      throw this.#failed(cause);
    } finally {
      clearTimeout(timer);
    }
  }

  /** The same, on this thread. */
  syncNow(): void {
    if (this.#failure !== undefined) throw this.#failure;
    try {
      fdatasyncSync(this.#open().here);
    } catch (cause) {
      throw this.#failed(cause);
    }
  }

  #failed(cause: unknown): TransientError {
    return (this.#failure ??= new TransientError(
      "the disk did not take what was written: see to it and start the home again",
      { cause },
    ));
  }

  close(): void {
    if (this.#descriptors !== undefined) Object.values(this.#descriptors).forEach(closeSync);
    this.#descriptors = undefined;
    this.#closed = true;
  }
}
