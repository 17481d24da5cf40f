/** The list of suppressed people in memory, for both homes' adapters. */
import { createHmac } from "node:crypto";
import type { Suppression, SuppressionKey, SuppressionList } from "./erasure-ports.ts";

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
