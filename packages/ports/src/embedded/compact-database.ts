/**
 * A database file without what was deleted from it. SQLite leaves deleted rows on free pages, in the gaps of others and in
 * the WAL, until something is written over them; an erasure cannot wait for that.
 */
import type { DatabaseSync } from "node:sqlite";
import { TransientError } from "../ports.ts";
import { portCall } from "./sqlite.ts";

/**
 * Rewrites the file and empties its WAL. Writers of other connections wait meanwhile: about a second for 200 MB.
 * @throws TransientError where another connection kept the file from it: the same call may succeed later
 */
export const compactDatabase = (db: DatabaseSync): void => {
  // In memory, where `openDatabase` puts what is temporary, a file of gigabytes would not fit.
  portCall(() => db.exec("PRAGMA temp_store = FILE; VACUUM; PRAGMA temp_store = MEMORY"));
  truncateWal(db);
};

/** Brings all of the WAL into the file and leaves it empty. @throws TransientError while another connection reads on */
const truncateWal = (db: DatabaseSync): void => {
  const row = portCall(() => db.prepare("PRAGMA wal_checkpoint(TRUNCATE)").get()) as { busy: number };
  if (row.busy !== 0) throw new TransientError("a reader keeps the write-ahead log from being emptied");
};
