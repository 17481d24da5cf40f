/**
 * Node's own SQLite, opened one way everywhere: WAL, synced at each commit unless asked otherwise, a busy timeout, a
 * schema that moves forward.
 */
import { chmodSync, existsSync, mkdirSync } from "node:fs";
import path from "node:path";
import { DatabaseSync } from "node:sqlite";
import { TransientError } from "../ports.ts";

export interface OpenOptions {
  /** SQL by schema version: entry n brings a file from version n to n + 1. Released entries are never edited. */
  readonly migrations: readonly string[];
  /** For work that is the same whatever the schema: it is left as it is. */
  readonly anySchema?: boolean;
  /** A reader for another thread; the file must exist. */
  readonly readOnly?: boolean;
  /** Readable by the owner alone: the file holds personal data. */
  readonly personal?: boolean;
  /** Page cache, KiB. */
  readonly cacheKib?: number;
  /** Set once, when the file is made. Bytes. */
  readonly pageSize?: number;
  /**
   * Commits do not wait for the disk (`synchronous=NORMAL`): the file is whole after a power failure, and may lack its
   * newest commits. For what is derived from the log and keeps its offset in the same file, or is synced by `WalSync`.
   */
  readonly commitsUnsynced?: boolean;
  /** WAL size at which pages go back into the file, bytes: larger rewrites a hot page less often. */
  readonly checkpointBytes?: number;
  /** The file never grows beyond this: what would is refused as on a full disk. */
  readonly maxBytes?: number | undefined;
}

/**
 * How long a writer waits for another connection's transaction before it gives up with a `TransientError`, and a reader for
 * the last process that closes a file: it brings the WAL into it under a lock against everybody.
 */
export const BUSY_TIMEOUT_MS = 10_000;

/** The bytes of a file are not what SQLite wrote: a disk at fault, or a file that was cut or written over. */
export class DamagedFile extends Error {
  override readonly name = "DamagedFile";
}

export class NewerSchemaError extends Error {
  override readonly name = "NewerSchemaError";
}

/** @throws NewerSchemaError when a later release has written the file */
export const openDatabase = (file: string, options: OpenOptions): DatabaseSync => {
  if (options.readOnly !== true) mkdirSync(path.dirname(file), { recursive: true });
  const isNew = !existsSync(file);
  const db = new DatabaseSync(file, { readOnly: options.readOnly ?? false, timeout: BUSY_TIMEOUT_MS });
  try {
    if (options.personal === true && isNew) chmodSync(file, 0o600); // -wal and -shm take the mode of the file
    const pageSize = options.pageSize ?? 4096;
    if (isNew) db.exec(`PRAGMA page_size = ${pageSize}`);
    db.exec(`PRAGMA cache_size = -${options.cacheKib ?? 16_384}; PRAGMA temp_store = MEMORY;`);
    if (options.maxBytes !== undefined) db.exec(`PRAGMA max_page_count = ${Math.floor(options.maxBytes / pageSize)}`);
    if (options.readOnly !== true) {
      const pages = Math.round((options.checkpointBytes ?? 16_000_000) / pageSize);
      db.exec(
        `PRAGMA journal_mode = WAL; PRAGMA synchronous = ${options.commitsUnsynced === true ? "NORMAL" : "FULL"};`,
      );
      // A WAL that one large transaction has stretched shrinks again at the next reset.
      db.exec(`PRAGMA wal_autocheckpoint = ${pages}; PRAGMA journal_size_limit = ${64 * 1024 * 1024};`);
      if (options.anySchema !== true) migrate(db, file, options.migrations);
    } else if (versionOf(db) > options.migrations.length) throw newer(db, file, options.migrations);
    return db;
  } catch (error) {
    db.close();
    throw isDamage(error)
      ? new DamagedFile(`${path.basename(file)} is damaged: ${(error as Error).message}.`, { cause: error })
      : error;
  }
};

const versionOf = (db: DatabaseSync): number =>
  (db.prepare("PRAGMA user_version").get() as { user_version: number }).user_version;

const newer = (db: DatabaseSync, file: string, migrations: readonly string[]): NewerSchemaError =>
  new NewerSchemaError(
    `${path.basename(file)} has schema version ${versionOf(db)}; this release knows up to ${migrations.length}. Start the newer release.`,
  );

const migrate = (db: DatabaseSync, file: string, migrations: readonly string[]): void => {
  if (versionOf(db) === migrations.length) return;
  inTransaction(db, () => {
    // Read again under the write lock: another thread may have opened the file at the same time.
    if (versionOf(db) > migrations.length) throw newer(db, file, migrations);
    for (const sql of migrations.slice(versionOf(db))) db.exec(sql);
    db.exec(`PRAGMA user_version = ${migrations.length}`);
  });
};

/** Runs `work` in one write transaction and undoes it when it throws. */
export const inTransaction = <T>(db: DatabaseSync, work: () => T): T => {
  db.exec("BEGIN IMMEDIATE");
  try {
    const result = work();
    db.exec("COMMIT");
    return result;
  } catch (error) {
    if (db.isTransaction) db.exec("ROLLBACK"); // a full disk has rolled back by itself
    throw error;
  }
};

/** SQLite's primary result codes after which the same call may succeed: BUSY, LOCKED, NOMEM, IOERR, FULL, CANTOPEN. */
const transientCodes: ReadonlySet<number> = new Set([5, 6, 7, 10, 13, 14]);

/** Whether SQLite failed for a reason outside the program. Extended codes carry the primary one in their low byte. */
export const isTransient = (error: unknown): boolean =>
  error instanceof Error &&
  "errcode" in error &&
  typeof error.errcode === "number" &&
  transientCodes.has(error.errcode & 0xff);

/** CORRUPT and NOTADB. */
const isDamage = (error: unknown): boolean =>
  error instanceof Error &&
  "errcode" in error &&
  typeof error.errcode === "number" &&
  [11, 26].includes(error.errcode & 0xff);

/** The error as the ports know it: a `TransientError` where the same call may succeed later, else itself. */
export const asPortError = (error: unknown): Error => {
  if (isTransient(error))
    return new TransientError(`the store on disk could not answer: ${(error as Error).message}`, { cause: error });
  if (isDamage(error))
    return new DamagedFile(`a store on disk is damaged: ${(error as Error).message}`, { cause: error });
  return error instanceof Error ? error : new Error(String(error));
};

/** Runs a statement or several, with errors as the ports know them. */
export const portCall = <T>(work: () => T): T => {
  try {
    return work();
  } catch (error) {
    throw asPortError(error);
  }
};
