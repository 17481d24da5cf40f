/** The list of suppressed people in memory, for both homes' adapters. */
import { createHmac } from "node:crypto";
import type { Suppression, SuppressionKey, SuppressionList, Suppressions } from "./erasure-ports.ts";

/** Verdicts kept by pseudonym, so that an event of a known customer costs no HMAC. 50,000 are about 6 MB. */
const KEPT_VERDICTS = 50_000;

/** Makes suppression keys. The secret is never rotated: with another one everybody erased would be unknown again. */
export class SuppressionKeys {
  readonly #secret: string;

  constructor(secret: string) {
    if (secret.length < 32) throw new RangeError("the suppression secret must have at least 32 characters");
    this.#secret = secret;
  }

  keyOf(pseudonym: string): SuppressionKey {
    return `sup_${createHmac("sha256", this.#secret).update(pseudonym).digest("hex").slice(0, 32)}` as SuppressionKey;
  }
}

/** What was on the list at one version of it. An empty list, which is the usual one, is asked nothing. */
export class MemorySuppressionList implements SuppressionList {
  readonly version: string;
  readonly #keys: SuppressionKeys;
  readonly #entries: ReadonlyMap<SuppressionKey, Suppression>;
  readonly #verdicts = new Map<string, boolean>();

  constructor(version: string, keys: SuppressionKeys, entries: ReadonlyMap<SuppressionKey, Suppression>) {
    this.version = version;
    this.#keys = keys;
    this.#entries = entries;
  }

  get size(): number {
    return this.#entries.size;
  }

  has(pseudonym: string): boolean {
    if (this.#entries.size === 0) return false;
    const known = this.#verdicts.get(pseudonym);
    if (known !== undefined) return known;
    const verdict = this.#entries.has(this.#keys.keyOf(pseudonym));
    if (this.#verdicts.size >= KEPT_VERDICTS) this.#verdicts.clear();
    this.#verdicts.set(pseudonym, verdict);
    return verdict;
  }

  find(pseudonym: string): Suppression | undefined {
    return this.#entries.size === 0 ? undefined : this.#entries.get(this.#keys.keyOf(pseudonym));
  }
}

/** A list that ends with its process. */
export class MemorySuppressions implements Suppressions {
  readonly #keys: SuppressionKeys;
  #list: MemorySuppressionList;
  #entries: ReadonlyMap<SuppressionKey, Suppression> = new Map();
  #version = 0;

  constructor(secret: string) {
    this.#keys = new SuppressionKeys(secret);
    this.#list = this.#made();
  }

  #made(): MemorySuppressionList {
    return new MemorySuppressionList(String(this.#version++), this.#keys, this.#entries);
  }

  #become(entries: ReadonlyMap<SuppressionKey, Suppression>): number {
    const changed = Math.abs(entries.size - this.#entries.size);
    this.#entries = entries;
    this.#list = this.#made();
    return changed;
  }

  current(): SuppressionList {
    return this.#list;
  }

  async latest(): Promise<SuppressionList> {
    return this.#list;
  }

  keyOf(pseudonym: string): SuppressionKey {
    return this.#keys.keyOf(pseudonym);
  }

  async add(pseudonyms: readonly string[], erasureId: string, nowMs: number): Promise<void> {
    await this.merge(pseudonyms.map((each) => ({ key: this.keyOf(each), erasureId, suppressedAtMs: nowMs })));
  }

  async lift(pseudonyms: readonly string[]): Promise<number> {
    const lifted = new Set(pseudonyms.map((each) => this.keyOf(each)));
    return this.#become(new Map([...this.#entries].filter(([key]) => !lifted.has(key))));
  }

  async *entries(): AsyncIterable<Suppression> {
    yield* this.#entries.values();
  }

  async merge(entries: Iterable<Suppression>): Promise<number> {
    const merged = new Map(this.#entries);
    for (const entry of entries) if (!merged.has(entry.key)) merged.set(entry.key, entry);
    return this.#become(merged);
  }
}
