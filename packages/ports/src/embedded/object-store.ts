/**
 * Objects as plain files. A write goes to a temporary file, is synced, renamed into place and its folder synced, so
 * that a key holds a whole object or nothing.
 */
import { createHmac, randomUUID, timingSafeEqual } from "node:crypto";
import { type FileHandle, mkdir, open, readdir, rename, rm, stat } from "node:fs/promises";
import path from "node:path";
import { ObjectNotFound, type ObjectStore, TransientError } from "../ports.ts";

export interface ObjectStoreOptions {
  /** Where clients reach this home, e.g. `http://127.0.0.1:4000`; asked for with every URL. */
  readonly baseUrl?: () => string;
  /** Signs upload URLs. */
  readonly uploadUrlSecret?: string;
}

const TEMPORARY = ".writing";
/** No empty segment and no leading dot: a key cannot name a parent folder or a temporary file. */
const SEGMENT = /^[A-Za-z0-9_=+@,-][A-Za-z0-9_=+@,.-]{0,199}$/;
const KEY_LENGTH = 900;

/** System errors after which the same call may succeed: no space, no handles, a failing disk. */
const transientSystemErrors: ReadonlySet<string> = new Set([
  "ENOSPC",
  "EDQUOT",
  "EIO",
  "EMFILE",
  "ENFILE",
  "EBUSY",
  "EAGAIN",
]);

const codeOf = (error: unknown): string | undefined => (error as NodeJS.ErrnoException | undefined)?.code;

export class EmbeddedObjectStore implements ObjectStore {
  readonly #root: string;
  readonly #options: ObjectStoreOptions;

  constructor(root: string, options: ObjectStoreOptions = {}) {
    this.#root = path.resolve(root);
    this.#options = options;
  }

  /** Removes what writes left unfinished. For the one thread that starts before all others. */
  async sweep(): Promise<void> {
    await rm(path.join(this.#root, TEMPORARY), { recursive: true, force: true });
  }

  /** The file of a key. @throws RangeError for a key that is not a plain path below the root */
  fileOf(key: string): string {
    if (key.length > KEY_LENGTH || !key.split("/").every((segment) => SEGMENT.test(segment)))
      throw new RangeError("an object key is a path of letters, digits and _=+@,.- without a leading dot in a segment");
    return path.join(this.#root, key);
  }

  async put(key: string, body: Uint8Array | AsyncIterable<Uint8Array>): Promise<void> {
    const file = this.fileOf(key);
    const temporary = path.join(this.#root, TEMPORARY, randomUUID());
    await diskCall(() => mkdir(path.dirname(temporary), { recursive: true }));
    const handle = await diskCall(() => open(temporary, "wx", 0o600));
    try {
      if (body instanceof Uint8Array) await diskCall(() => writeAll(handle, body));
      else for await (const chunk of body) await diskCall(() => writeAll(handle, chunk));
      await diskCall(() => handle.sync());
      await handle.close();
      await diskCall(() => this.#place(temporary, file));
    } catch (error) {
      await handle.close().catch(() => undefined); // closed already when the rename failed
      await rm(temporary, { force: true });
      throw error;
    }
  }

  async #place(temporary: string, file: string): Promise<void> {
    const folder = path.dirname(file);
    const firstNew = await mkdir(folder, { recursive: true });
    await rename(temporary, file);
    // A new folder is durable once its parent is synced.
    const top = firstNew === undefined ? folder : path.dirname(firstNew);
    for (let at = folder; ; at = path.dirname(at)) {
      await syncFolder(at);
      if (at === top) return;
    }
  }

  async get(key: string, start = 0, bytes = Infinity): Promise<AsyncIterable<Uint8Array>> {
    const file = this.fileOf(key);
    try {
      const handle = await diskCall(() => open(file, "r"));
      return handle.createReadStream({ start, end: start + bytes - 1, highWaterMark: 256 * 1024 });
    } catch (error) {
      throw codeOf(error) === "ENOENT" ? new ObjectNotFound(`no object ${key}`, { cause: error }) : error;
    }
  }

  async size(key: string): Promise<number | undefined> {
    try {
      return (await stat(this.fileOf(key))).size;
    } catch (error) {
      if (codeOf(error) === "ENOENT") return undefined;
      throw asStoreError(error);
    }
  }

  async *list(prefix: string): AsyncIterable<string> {
    yield* this.#walk("", prefix);
  }

  /** Keys in byte order: a folder sorts as its name with the slash, so `a-b` comes before `a/b`. */
  async *#walk(folder: string, prefix: string): AsyncIterable<string> {
    const entries = await readdir(path.join(this.#root, folder), { withFileTypes: true }).catch((error: unknown) => {
      if (codeOf(error) === "ENOENT") return [];
      throw asStoreError(error);
    });
    const names = entries
      .filter((entry) => !entry.name.startsWith("."))
      .map((entry) => folder + entry.name + (entry.isDirectory() ? "/" : ""))
      .sort((a, b) => (a < b ? -1 : 1));
    for (const name of names) {
      if (!name.endsWith("/")) {
        if (name.startsWith(prefix)) yield name;
      } else if (name.startsWith(prefix) || prefix.startsWith(name)) yield* this.#walk(name, prefix);
    }
  }

  async delete(keys: readonly string[]): Promise<void> {
    const files = keys.map((key) => this.fileOf(key));
    for (const file of files) await diskCall(() => rm(file, { force: true }));
    for (const folder of new Set(files.map((file) => path.dirname(file))))
      await syncFolder(folder).catch((error: unknown) => {
        if (codeOf(error) !== "ENOENT") throw asStoreError(error);
      });
  }

  /** The key must hold the upload's id as a segment: the home takes the content at that upload's own address. */
  async uploadUrl(key: string, expiresAtMs: number): Promise<{ url: string; headers: Record<string, string> }> {
    this.fileOf(key);
    const uploadId = key.split("/").find((segment) => segment.startsWith("upl_"));
    const { baseUrl, uploadUrlSecret } = this.#options;
    if (uploadId === undefined) throw new RangeError("an upload's object key names the upload");
    if (baseUrl === undefined || uploadUrlSecret === undefined)
      throw new Error("this object store was opened without an address for uploads");
    const target = `/v1/uploads/${uploadId}/content`;
    const signature = signatureOf(uploadUrlSecret, target, expiresAtMs);
    return { url: `${baseUrl()}${target}?expires=${expiresAtMs}&signature=${signature}`, headers: {} };
  }
}

const signatureOf = (secret: string, target: string, expiresAtMs: number): string =>
  createHmac("sha256", secret).update(`PUT\n${target}\n${expiresAtMs}`).digest("hex");

/** Whether an upload URL was signed here for this path and has not expired: the check behind the `upload-url` routes. */
export const uploadUrlIsValid = (
  secret: string,
  requestPath: string,
  query: Readonly<Record<string, string | undefined>>,
  nowMs: number,
): boolean => {
  const { expires = "", signature = "" } = query;
  if (!/^\d{1,15}$/.test(expires) || Number(expires) < nowMs) return false;
  const expected = Buffer.from(signatureOf(secret, requestPath, Number(expires)));
  const presented = Buffer.from(signature);
  return presented.length === expected.length && timingSafeEqual(presented, expected);
};

const writeAll = async (handle: FileHandle, bytes: Uint8Array): Promise<void> => {
  for (let at = 0; at < bytes.length;) at += (await handle.write(bytes, at)).bytesWritten;
};

const syncFolder = async (folder: string): Promise<void> => {
  const handle = await open(folder, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
};

const asStoreError = (error: unknown): Error => {
  if (transientSystemErrors.has(codeOf(error) ?? ""))
    return new TransientError(`the disk could not answer: ${(error as Error).message}`, { cause: error });
  return error instanceof Error ? error : new Error(String(error));
};

const diskCall = async <T>(work: () => Promise<T>): Promise<T> => {
  try {
    return await work();
  } catch (error) {
    throw asStoreError(error);
  }
};
