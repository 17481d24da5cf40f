/** A folder that others write to. Links are not followed: what lies outside of it stays outside. */
import { createReadStream } from "node:fs";
import { lstat, readdir } from "node:fs/promises";
import path from "node:path";
import { ObjectNotFound } from "../ports.ts";
import type { SourceObject, SourceObjects } from "../source-ports.ts";

const codeOf = (error: unknown): string | undefined => (error as NodeJS.ErrnoException | undefined)?.code;
/** By UTF-8 bytes, as S3 lists. */
const byBytes = (a: string, b: string): number => Buffer.compare(Buffer.from(a), Buffer.from(b));

export class FolderObjects implements SourceObjects {
  readonly #root: string;

  constructor(root: string) {
    this.#root = path.resolve(root);
  }

  /** The file of a key. @throws RangeError for a key outside of the folder */
  fileOf(key: string): string {
    const file = path.resolve(this.#root, key);
    if (file !== this.#root && !file.startsWith(this.#root + path.sep))
      throw new RangeError("the key is not below the folder");
    return file;
  }

  /** @throws Error with the code ENOENT where there is no such folder */
  async *list(prefix: string): AsyncIterable<SourceObject> {
    // Only the folder that the prefix names is walked through.
    const within = prefix.slice(0, prefix.lastIndexOf("/") + 1);
    if (within !== "") await lstat(this.#root); // a prefix with nothing below it is empty, a folder that is gone is not
    const keys: string[] = [];
    try {
      for (const entry of await readdir(this.fileOf(within), { recursive: true, withFileTypes: true })) {
        if (!entry.isFile()) continue;
        const key = path.relative(this.#root, path.join(entry.parentPath, entry.name)).split(path.sep).join("/");
        if (key.startsWith(prefix)) keys.push(key);
      }
    } catch (error) {
      if (codeOf(error) !== "ENOENT" || within === "") throw error;
    }
    for (const key of keys.sort(byBytes)) {
      try {
        const { size, mtimeMs, mtime, ino } = await lstat(this.fileOf(key));
        yield { key, bytes: size, version: `${ino}-${mtime.toISOString()}-${mtimeMs}-${size}`, modifiedAtMs: mtimeMs };
      } catch (error) {
        if (codeOf(error) !== "ENOENT") throw error; // it was taken away meanwhile
      }
    }
  }

  async read(key: string): Promise<AsyncIterable<Uint8Array>> {
    const stream = createReadStream(this.fileOf(key));
    await new Promise<void>((resolve, reject) => {
      stream.once("open", () => resolve());
      stream.once("error", (error) =>
        reject(codeOf(error) === "ENOENT" ? new ObjectNotFound(`there is no object ${key}`, { cause: error }) : error),
      );
    });
    return stream as AsyncIterable<Uint8Array>;
  }
}
