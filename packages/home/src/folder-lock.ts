/**
 * One folder, one home. The lock is one of the operating system's (SQLite's exclusive lock on a file of its own), so
 * it goes with the process however that ends: no stale lock is left behind by `kill -9`.
 */
import { mkdirSync } from "node:fs";
import path from "node:path";
import { DatabaseSync } from "node:sqlite";

export class FolderInUse extends Error {
  override readonly name = "FolderInUse";
}

export class FolderNotWritable extends Error {
  override readonly name = "FolderNotWritable";
}

/**
 * Makes the folder if need be and takes it. Answers a function that gives it back.
 * @throws FolderInUse, FolderNotWritable
 */
export const lockFolder = (folder: string): (() => void) => {
  let lock: DatabaseSync | undefined;
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    lock = new DatabaseSync(path.join(folder, "lock"));
    lock.exec("PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE");
  } catch (error) {
    lock?.close();
    if (isBusy(error)) throw new FolderInUse(`Another home has ${folder} open.`, { cause: error });
    const reason = error instanceof Error ? error.message : String(error);
    throw new FolderNotWritable(`${folder} cannot be written: ${reason}.`, { cause: error });
  }
  const held = lock;
  return () => held.close();
};

const isBusy = (error: unknown): boolean =>
  error instanceof Error && "errcode" in error && typeof error.errcode === "number" && (error.errcode & 0xff) === 5;
