/** Parquet files of the lake on disk: names, the way to their place, and leftovers. */
import { randomBytes } from "node:crypto";
import { mkdir, open, readdir, rename, rm } from "node:fs/promises";
import path from "node:path";

/** Names are never used twice, so that a file of a crashed run is never mistaken for the one that came after it. */
export const fileName = (firstSeq: number, lastSeq: number): string =>
  `${String(firstSeq).padStart(12, "0")}-${String(lastSeq).padStart(12, "0")}-${randomBytes(4).toString("hex")}.parquet`;

const syncFolder = async (folder: string): Promise<void> => {
  const handle = await open(folder, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
};

/**
 * Brings a finished file to its place in the lake so that it is there after a power cut: file, rename, then every folder
 * up to the lake's, which may be new. Answers its size, bytes.
 */
export const moveDurably = async (from: string, folder: string, name: string): Promise<number> => {
  const handle = await open(from, "r+");
  let bytes;
  try {
    await handle.sync();
    ({ size: bytes } = await handle.stat());
  } finally {
    await handle.close();
  }
  const target = path.join(folder, name);
  await mkdir(path.dirname(target), { recursive: true });
  await rename(from, target);
  const parts = path.dirname(name).split("/");
  for (let depth = parts.length; depth >= 0; depth--) await syncFolder(path.join(folder, ...parts.slice(0, depth)));
  return bytes;
};

/** Removes files of `raw_events` that the manifest does not name. */
export const removeUnnamed = async (folder: string, named: ReadonlySet<string>): Promise<void> => {
  const root = path.join(folder, "raw_events");
  for (const entry of await readdir(root, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const file = path.join(entry.parentPath, entry.name);
    const name = path.relative(folder, file).split(path.sep).join("/");
    if (!named.has(name)) await rm(file, { force: true });
  }
};
