/** keys.json: the keys of producers and readers, hashed. A key itself is shown once, when it is made. */
import { createHash, randomBytes, timingSafeEqual } from "node:crypto";
import { statSync } from "node:fs";
import path from "node:path";
import { z } from "zod";
import type { ApiKey, KeyRing } from "../ports.ts";
import { readJsonFile, writePrivateJson } from "./private-file.ts";

const StoredKey = z.object({
  id: z.string().min(1),
  scope: z.enum(["write", "read"]),
  source: z.string().min(1).max(64),
  sha256: z.string().regex(/^[0-9a-f]{64}$/),
});
type StoredKey = z.infer<typeof StoredKey>;

/** How long a key that another process has added may be unknown here. */
const CHECK_MS = 1_000;

export class EmbeddedKeyRing implements KeyRing {
  readonly #file: string;
  readonly #now: () => number;
  #keys: readonly StoredKey[] = [];
  #readAtMs = 0;
  #stamp = "";

  constructor(folder: string, now: () => number = Date.now) {
    this.#file = path.join(folder, "keys.json");
    this.#now = now;
    this.#refresh();
  }

  #refresh(): void {
    this.#readAtMs = this.#now();
    const stats = statSync(this.#file, { throwIfNoEntry: false });
    const stamp = stats === undefined ? "" : `${stats.ino}:${stats.mtimeMs}:${stats.size}`;
    if (stamp === this.#stamp) return;
    const parsed = z.array(StoredKey).safeParse(readJsonFile(this.#file) ?? []);
    if (!parsed.success) throw new Error(`${this.#file} does not hold keys: ${z.prettifyError(parsed.error)}`);
    this.#keys = parsed.data;
    this.#stamp = stamp;
  }

  async find(presented: string): Promise<ApiKey | undefined> {
    if (this.#now() - this.#readAtMs > CHECK_MS) this.#refresh();
    const hash = createHash("sha256").update(presented).digest();
    let found: StoredKey | undefined;
    // Every key is compared, in constant time: how long it takes says nothing about the keys.
    for (const key of this.#keys) if (timingSafeEqual(hash, Buffer.from(key.sha256, "hex"))) found = key;
    return found === undefined ? undefined : { id: found.id, scope: found.scope, source: found.source };
  }

  list(): ApiKey[] {
    return this.#keys.map(({ id, scope, source }) => ({ id, scope, source }));
  }

  /** Makes a key and answers it: the only time that it can be read. */
  create(scope: ApiKey["scope"], source: string): string {
    const key = `${scope === "write" ? "ebw" : "ebr"}_${randomBytes(24).toString("base64url")}`;
    this.add({ id: `key_${randomBytes(6).toString("hex")}`, scope, source }, key);
    return key;
  }

  /** Adds a key that is known already, e.g. the one that a shop's SDKs are set up with. */
  add(apiKey: ApiKey, key: string): void {
    this.#refresh();
    const sha256 = createHash("sha256").update(key).digest("hex");
    const entry = StoredKey.parse({ ...apiKey, sha256 });
    writePrivateJson(this.#file, [...this.#keys.filter((old) => old.id !== entry.id), entry]);
    this.#refresh();
  }

  /** Whether there was such a key. */
  remove(id: string): boolean {
    this.#refresh();
    if (!this.#keys.some((key) => key.id === id)) return false;
    writePrivateJson(
      this.#file,
      this.#keys.filter((key) => key.id !== id),
    );
    this.#refresh();
    return true;
  }
}
