/**
 * keys.json: the keys of producers and readers, hashed; key-use.json: when each was used last. They are two files so
 * that each has one writer: the commands write keys, the running home notes uses.
 */
import { statSync } from "node:fs";
import { rename, writeFile } from "node:fs/promises";
import path from "node:path";
import { type Scope, readScopes } from "@ebb/core/scopes";
import { z } from "zod";
import type { ApiKey, KeyRing } from "../ports.ts";
import {
  type KeyStore,
  type ListedKey,
  StoredKey,
  USE_NOTED_MS,
  apiKeyOf,
  digestOf,
  idIn,
  isKey,
  isUsable,
} from "../stored-keys.ts";
import { readJsonFile, writePrivateJson } from "./private-file.ts";

/** The first release knew two scopes, and ids that do not stand in the key. */
const FirstRelease = z
  .strictObject({
    id: StoredKey.shape.id,
    scope: z.enum(["write", "read"]),
    source: StoredKey.shape.source,
    sha256: StoredKey.shape.sha256,
  })
  .transform(({ scope, ...key }): StoredKey => {
    const scopes: Scope[] = scope === "write" ? ["write"] : [...readScopes];
    return { ...key, scopes };
  });
const Keys = z.array(z.union([StoredKey, FirstRelease]));
const Uses = z.record(z.string(), z.int().nonnegative());

interface Held {
  readonly stored: StoredKey;
  readonly apiKey: ApiKey;
  readonly digest: Buffer;
}

export class EmbeddedKeyRing implements KeyRing, KeyStore {
  readonly #file: string;
  readonly #useFile: string;
  readonly #now: () => number;
  #keys: readonly StoredKey[] = [];
  /** By id, and by the start of the digest: keys of the first release do not say their id. */
  #held = new Map<string, Held>();
  #stamp = "";
  readonly #uses: Map<string, number>;
  #noting: Promise<void> = Promise.resolve();

  constructor(folder: string, now: () => number = Date.now) {
    this.#file = path.join(folder, "keys.json");
    this.#useFile = path.join(folder, "key-use.json");
    this.#now = now;
    this.#uses = this.#readUses();
    this.#refresh();
  }

  /** Looks at the file on every request (a stat, some 2 µs): a key that was revoked stops at once. */
  #refresh(): void {
    const stats = statSync(this.#file, { throwIfNoEntry: false });
    const stamp = stats === undefined ? "" : `${stats.ino}:${stats.mtimeMs}:${stats.size}`;
    if (stamp === this.#stamp) return;
    const parsed = Keys.safeParse(readJsonFile(this.#file) ?? []);
    if (!parsed.success) throw new Error(`${this.#file} does not hold keys: ${z.prettifyError(parsed.error)}`);
    this.#keys = parsed.data;
    this.#held = new Map();
    for (const stored of parsed.data) {
      const held = { stored, apiKey: apiKeyOf(stored), digest: Buffer.from(stored.sha256, "hex") };
      this.#held.set(stored.id, held).set(stored.sha256.slice(0, 12), held);
    }
    this.#stamp = stamp;
  }

  async find(presented: string): Promise<ApiKey | undefined> {
    this.#refresh();
    const digest = digestOf(presented);
    const held = this.#held.get(idIn(presented) ?? digest.toString("hex", 0, 6));
    if (!isKey(digest, held?.digest) || held === undefined || !isUsable(held.stored, this.#now())) return undefined;
    this.#note(held.stored.id);
    return held.apiKey;
  }

  #note(id: string): void {
    const nowMs = this.#now();
    if (nowMs - (this.#uses.get(id) ?? -Infinity) < USE_NOTED_MS) return;
    this.#uses.set(id, nowMs);
    // Not flushed: what a crash may take is the note of some minutes.
    const text = JSON.stringify(Object.fromEntries(this.#uses));
    const temporary = `${this.#useFile}.writing`;
    this.#noting = this.#noting
      .then(() => writeFile(temporary, text, { mode: 0o600 }))
      .then(() => rename(temporary, this.#useFile))
      .catch(() => undefined); // the folder is full or gone, which others say louder
  }

  #readUses(): Map<string, number> {
    try {
      return new Map(Object.entries(Uses.parse(readJsonFile(this.#useFile) ?? {})));
    } catch {
      return new Map(); // half a file after a crash: notes, nothing more
    }
  }

  /** Resolves when every use so far is noted in the file. */
  async noted(): Promise<void> {
    await this.#noting;
  }

  async list(): Promise<ListedKey[]> {
    this.#refresh();
    const uses = this.#readUses();
    return this.#keys.map((key) => ({ ...key, lastUsedAtMs: uses.get(key.id) }));
  }

  async write(keys: readonly StoredKey[]): Promise<void> {
    this.#refresh();
    const changed = new Map(keys.map((key) => [key.id, StoredKey.parse(key)]));
    const kept = this.#keys.map((key) => changed.get(key.id) ?? key);
    const known = new Set(this.#keys.map(({ id }) => id));
    writePrivateJson(this.#file, [...kept, ...keys.filter(({ id }) => !known.has(id))]);
    this.#refresh();
  }
}
