/**
 * Backups of a home: taken while it runs, checked by a hash a file, put back elsewhere. A backup is a folder with the
 * files of the home at one instant (`backup-cut.ts`) and `backup.json`, which is written last: without it there is none.
 */
import { createHash } from "node:crypto";
import { createReadStream, existsSync } from "node:fs";
import {
  type FileHandle,
  copyFile,
  constants,
  mkdir,
  open,
  readFile,
  readdir,
  rename,
  rm,
  stat,
} from "node:fs/promises";
import path from "node:path";
import { DatabaseSync, backup as copyDatabase } from "node:sqlite";
import { pathToFileURL } from "node:url";
import { z } from "zod";
import { type Cut, takeCut } from "./backup-cut.ts";
import { SUPPRESSIONS_FILE } from "./suppressions.ts";

export const BACKUP_FILE = "backup.json";
/** Stands in a restored home until its people were compared with the list of those who were erased. In no backup. */
export const RESTORED_FILE = ".restored";
const FORMAT = 1;
/** Pages that are copied between two looks at the event loop. */
const PAGES = 1_000;

const BackedUpFile = z.object({ path: z.string(), bytes: z.int().nonnegative(), sha256: z.string() });
const Backup = z.object({
  format: z.literal(FORMAT),
  /** RFC 3339. */
  takenAt: z.string(),
  /** The log's head, and the last records that were scored and landed. */
  log: z.object({ seq: z.int(), events: z.int() }),
  scored: z.int(),
  landed: z.int(),
  /** People on the list of suppressions then. The list itself is no part of a backup. */
  suppressed: z.int(),
  files: z.array(BackedUpFile),
});
export type Backup = z.infer<typeof Backup>;

/** A backup that cannot be taken or put back, in a sentence for the operator. */
export class BackupError extends Error {
  override readonly name = "BackupError";
}

/** @param share of the work that is done, 0 to 1 */
export type OnProgress = (bytes: number, share: number) => void;

/**
 * Backs a home up into a folder. The first part, the cut, runs without giving way; what follows is copying.
 * @param home its log is owned by this thread, or by no process
 * @throws BackupError
 */
export const takeBackup = async (
  home: string,
  target: string,
  nowMs: number,
  onProgress: OnProgress = () => undefined,
): Promise<Backup> => {
  const to = path.resolve(target);
  if (`${to}${path.sep}`.startsWith(`${path.resolve(home)}${path.sep}`))
    throw new BackupError("A backup cannot lie in the folder that it is of.");
  if (existsSync(to) && (await readdir(to)).length > 0) throw new BackupError(`${target} is not empty.`);
  await mkdir(to, { recursive: true, mode: 0o700 });
  await removeStaging(home);
  const staging = path.join(home, `${STAGING}${process.pid}-${nowMs}`);
  const cut = takeCut(home, staging);
  try {
    const files = await copied(cut, staging, to, onProgress);
    const { log, scored, landed, suppressed } = cut;
    const backup: Backup = {
      format: FORMAT,
      takenAt: new Date(nowMs).toISOString(),
      log,
      scored,
      landed,
      suppressed,
      files,
    };
    await writeDurably(path.join(to, BACKUP_FILE), `${JSON.stringify(backup, undefined, 1)}\n`);
    return backup;
  } finally {
    for (const { db } of cut.databases) if (db.isOpen) db.close();
    await rm(staging, { recursive: true, force: true });
  }
};

const STAGING = ".backup-";
/** What a backup that was cut off has left. */
const removeStaging = async (home: string): Promise<void> => {
  for (const name of await readdir(home))
    if (name.startsWith(STAGING)) await rm(path.join(home, name), { recursive: true, force: true });
};

const copied = async (cut: Cut, staging: string, to: string, onProgress: OnProgress): Promise<Backup["files"]> => {
  const sizes = new Map<string, number>();
  for (const { name, db } of cut.databases) sizes.set(name, databaseBytes(db));
  const present: string[] = [];
  for (const name of cut.files) {
    const stats = await stat(path.join(staging, name)).catch(() => undefined);
    if (stats === undefined) continue; // an object that went before it could be linked
    present.push(name);
    sizes.set(name, stats.size);
  }
  const total = Math.max(
    1,
    [...sizes.values()].reduce((sum, size) => sum + size, 0),
  );
  let done = 0;
  const files: Backup["files"] = [];
  const note = async (name: string): Promise<void> => {
    files.push(await described(to, name));
    done += sizes.get(name)!;
    onProgress(done, done / total);
  };
  for (const { name, db } of cut.databases) {
    const file = path.join(to, name);
    await mkdir(path.dirname(file), { recursive: true, mode: 0o700 });
    await copyDatabase(db, file, {
      rate: PAGES,
      progress: ({ totalPages, remainingPages }: { totalPages: number; remainingPages: number }) => {
        const share = totalPages === 0 ? 1 : 1 - remainingPages / totalPages;
        onProgress(done + sizes.get(name)! * share, (done + sizes.get(name)! * share) / total);
      },
    });
    db.close(); // its snapshot keeps the write-ahead log from being reset
    await synced(file);
    await note(name);
  }
  for (const name of present) {
    await copyDurably(path.join(staging, name), path.join(to, name));
    await note(name);
  }
  return files;
};

const databaseBytes = (db: DatabaseSync): number => {
  const { page_count: pages } = db.prepare("PRAGMA page_count").get() as { page_count: number };
  const { page_size: bytes } = db.prepare("PRAGMA page_size").get() as { page_size: number };
  return pages * bytes;
};

/** @throws BackupError */
export const readBackup = async (folder: string): Promise<Backup> => {
  const file = path.join(folder, BACKUP_FILE);
  if (!existsSync(file))
    throw new BackupError(`${folder} holds no whole backup: there is no ${BACKUP_FILE}, which is written last.`);
  const document: unknown = await readFile(file, "utf8").then(JSON.parse, () => undefined);
  const format = (document as { format?: unknown } | undefined)?.format;
  if (typeof format === "number" && format > FORMAT)
    throw new BackupError(`${file} has format ${format}; this release knows up to ${FORMAT}. Use the newer release.`);
  const parsed = Backup.safeParse(document);
  if (!parsed.success) throw new BackupError(`${file} is damaged.`);
  if (parsed.data.files.some(({ path: name }) => !isBelow(folder, name)))
    throw new BackupError(`${file} names a file outside its folder.`);
  return parsed.data;
};

/** Reads every file of a backup and checks its hash, and every database's own structure. Answers what is damaged. */
export const checkBackup = async (folder: string, backup: Backup): Promise<string[]> => {
  const damaged: string[] = [];
  for (const expected of backup.files) {
    const found = await described(folder, expected.path).catch(() => undefined);
    if (found === undefined) damaged.push(`${expected.path} is missing`);
    else if (found.sha256 !== expected.sha256) damaged.push(`${expected.path} is not as it was written`);
    else if (expected.path.endsWith(".db")) damaged.push(...structureFaults(folder, expected.path));
  }
  return damaged;
};

const structureFaults = (folder: string, name: string): string[] => {
  // Immutable: SQLite makes no files beside it.
  const url = pathToFileURL(path.join(folder, name));
  url.searchParams.set("immutable", "1");
  const db = new DatabaseSync(url, { readOnly: true });
  try {
    const row = db.prepare("PRAGMA quick_check(1)").get() as { quick_check: string };
    return row.quick_check === "ok" ? [] : [`${name}: ${row.quick_check}`];
  } catch (error) {
    return [`${name}: ${(error as Error).message}`];
  } finally {
    db.close();
  }
};

/**
 * Puts a backup into a folder that does not exist, is empty, or holds nothing but a list of suppressions, which stays.
 * The folder is there whole or not at all.
 * @throws BackupError
 */
export const restoreBackup = async (
  from: string,
  home: string,
  onProgress: OnProgress = () => undefined,
): Promise<Backup> => {
  const backup = await readBackup(from);
  const to = path.resolve(home);
  const standing = existsSync(to) ? await readdir(to) : [];
  const own = standing.filter((name) => name.startsWith(SUPPRESSIONS_FILE));
  if (own.length < standing.length)
    throw new BackupError(`${home} is not empty. Move it away, or give another folder with --data.`);
  const making = `${to}.restoring-${process.pid}`;
  await mkdir(making, { recursive: true, mode: 0o700 });
  try {
    const total = Math.max(
      1,
      backup.files.reduce((sum, { bytes }) => sum + bytes, 0),
    );
    let done = 0;
    for (const expected of backup.files) {
      await copyDurably(path.join(from, expected.path), path.join(making, expected.path)).catch((error: unknown) => {
        if ((error as NodeJS.ErrnoException).code === "ENOENT")
          throw new BackupError(`${expected.path} is missing in the backup.`, { cause: error });
        throw error;
      });
      const found = await described(making, expected.path);
      if (found.sha256 !== expected.sha256)
        throw new BackupError(`${expected.path} is damaged in the backup: its hash is not the one that was written.`);
      onProgress((done += expected.bytes), done / total);
    }
    for (const name of own) await copyDurably(path.join(to, name), path.join(making, name));
    await writeDurably(path.join(making, RESTORED_FILE), "");
    await rm(to, { recursive: true, force: true });
    await rename(making, to);
    await syncFolder(path.dirname(to));
    return backup;
  } catch (error) {
    await rm(making, { recursive: true, force: true });
    throw error;
  }
};

const isBelow = (folder: string, name: string): boolean =>
  path.resolve(folder, name).startsWith(`${path.resolve(folder)}${path.sep}`);

const described = async (folder: string, name: string): Promise<Backup["files"][number]> => {
  const hash = createHash("sha256");
  let bytes = 0;
  for await (const chunk of createReadStream(path.join(folder, name), { highWaterMark: 1_000_000 })) {
    hash.update(chunk as Buffer);
    bytes += (chunk as Buffer).length;
  }
  return { path: name, bytes, sha256: hash.digest("hex") };
};

/** A copy of its own, where the file system can without copying the bytes. */
const copyDurably = async (from: string, to: string): Promise<void> => {
  await mkdir(path.dirname(to), { recursive: true, mode: 0o700 });
  await copyFile(from, to, constants.COPYFILE_FICLONE);
  await synced(to);
};

const writeDurably = async (file: string, text: string): Promise<void> => {
  const temporary = `${file}.writing`;
  await withFile(temporary, "w", async (handle) => {
    await handle.writeFile(text);
    await handle.sync();
  });
  await rename(temporary, file);
  await syncFolder(path.dirname(file));
};

/** On disk, and for its owner alone: any file of a home may tell of people. */
const synced = async (file: string): Promise<void> => {
  await withFile(file, "r+", async (handle) => {
    await handle.chmod(0o600);
    await handle.sync();
  });
  await syncFolder(path.dirname(file));
};

const syncFolder = (folder: string): Promise<void> => withFile(folder, "r", (handle) => handle.sync());

const withFile = async (file: string, flags: string, work: (handle: FileHandle) => Promise<void>): Promise<void> => {
  const handle = await open(file, flags, 0o600);
  try {
    await work(handle);
  } finally {
    await handle.close();
  }
};
