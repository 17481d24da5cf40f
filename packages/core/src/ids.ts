import { createHash, hash } from "node:crypto";
import { hmacSha256 } from "./hmac.ts";

/** `evt_` + 32 hex digits. Deterministic: the same producer id under the same source gives the same id. */
export type EventId = string & { readonly __id: "event" };
/** `rcp_…` for one HTTP request, `upl_…` for one uploaded file: what a ledger line is about. */
export type ReceiptId = string & { readonly __id: "receipt" };
/** `cus_` + 32 hex digits of HMAC-SHA-256(secret, producer's customer id). The only name of a customer outside the customer store. */
export type CustomerKey = string & { readonly __id: "customer" };
/** `ano_` + 32 hex digits, the same construction over an anonymous id. */
export type AnonymousKey = string & { readonly __id: "anonymous" };

const SEPARATOR = "\u001f"; // ASCII unit separator: cannot be typed into an id by accident

/** First 128 bits of SHA-256 over the parts, as hex. Parts are separated, so ("ab","c") and ("a","bc") differ. */
export const digest = (...parts: readonly (string | number)[]): string =>
  hash("sha256", parts.join(SEPARATOR), "hex").slice(0, 32);

/** The id of an event that its producer named: `messageId` (Segment spec), namespaced by source. */
export const eventIdOf = (source: string, ...parts: readonly (string | number)[]): EventId =>
  `evt_${digest(source, ...parts)}` as EventId;

/** Pseudonyms under one secret. The secret is never rotated: a new one would make every customer a stranger. */
export class Pseudonymizer {
  readonly #hmac: (text: string) => string;
  /** By kind, then by value: a name made of both would have to be hashed each time. */
  readonly #cache = new Map<string, Map<string, string>>();
  #cached = 0;

  constructor(secret: string) {
    if (secret.length < 32) throw new RangeError("the customer secret must have at least 32 characters");
    this.#hmac = hmacSha256(secret);
  }

  customer(customerId: string): CustomerKey {
    return this.#key("cus", customerId) as CustomerKey;
  }

  anonymous(anonymousId: string): AnonymousKey {
    return this.#key("ano", anonymousId) as AnonymousKey;
  }

  /** Any other handle or author id: `kind` separates the name spaces. */
  handle(kind: string, value: string): string {
    return this.#key(kind, value);
  }

  #key(kind: string, value: string): string {
    const known = this.#cache.get(kind)?.get(value);
    if (known !== undefined) return known;
    const key = `${kind}_${this.#hmac(`${kind}${SEPARATOR}${value}`).slice(0, 32)}`;
    if (this.#cached++ >= 50_000) {
      this.#cache.clear(); // bounded: 50,000 keys are about 10 MB
      this.#cached = 1;
    }
    const keys = this.#cache.get(kind) ?? new Map<string, string>();
    this.#cache.set(kind, keys.set(value, key));
    return key;
  }
}

/** SHA-256 as hex, for secrets that are stored hashed. */
export const sha256 = (value: string): string => createHash("sha256").update(value).digest("hex");
