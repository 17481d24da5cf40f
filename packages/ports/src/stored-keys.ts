/**
 * Keys as they are stored, and what is done with them. A key is `ebw_` (writes) or `ebr_`, 12 hex digits by which it is
 * looked up, `_`, and 256 random bits. Stored is the SHA-256 of all of it: a slow or keyed hash is for secrets that can
 * be guessed, and nobody guesses 256 bits.
 */
import { hash, randomBytes, timingSafeEqual } from "node:crypto";
import { type Scope, scopeNames, scopesFault } from "@ebb/core/scopes";
import { z } from "zod";
import type { ApiKey } from "./ports.ts";

const rate = z.number().positive().max(1_000_000).optional();
export const StoredKey = z.strictObject({
  id: z.string().regex(/^key_[\w-]{1,60}$/),
  scopes: z.array(z.enum(scopeNames as [Scope, ...Scope[]])).min(1),
  source: z.string().min(1).max(64),
  sha256: z.string().regex(/^[0-9a-f]{64}$/),
  /** What a person calls it. */
  label: z.string().max(100).optional(),
  /** Epoch milliseconds, as all instants here. Absent for keys of the first release. */
  createdAtMs: z.int().nonnegative().optional(),
  expiresAtMs: z.int().nonnegative().optional(),
  revokedAtMs: z.int().nonnegative().optional(),
  /** The key that took its place. */
  replacedBy: z.string().optional(),
  limits: z
    .strictObject({ requestsPerSecond: rate, eventsPerSecond: rate, bodyBytes: z.int().positive().optional() })
    .optional(),
});
export type StoredKey = z.infer<typeof StoredKey>;
export type ListedKey = StoredKey & { readonly lastUsedAtMs?: number | undefined };

/** Where keys are kept. */
export interface KeyStore {
  /** In the order in which they were made. */
  list(): Promise<ListedKey[]>;
  /** Adds keys and replaces those with the same id: all of them or none. */
  write(keys: readonly StoredKey[]): Promise<void>;
}

export class NoSuchKey extends Error {
  override readonly name = "NoSuchKey";
}

// ── looking up and comparing ───────────────────────────────────────────────────────────────────────────────────────

export const digestOf = (presented: string): Buffer => hash("sha256", presented, "buffer");

const FORM = /^eb[wr]_([0-9a-f]{12})_[\w-]{43}$/;

/** The id of a key of our making, which is no secret; `undefined` for any other text. */
export const idIn = (presented: string): string | undefined => {
  const id = FORM.exec(presented)?.[1];
  return id === undefined ? undefined : `key_${id}`;
};

const NOBODY = Buffer.alloc(32);
/** Whether a presented key is the candidate. Compares as much where there is no candidate. */
export const isKey = (digest: Buffer, candidate: Buffer | undefined): boolean =>
  timingSafeEqual(digest, candidate ?? NOBODY) && candidate !== undefined;

export const isUsable = (key: StoredKey, nowMs: number): boolean =>
  key.revokedAtMs === undefined && (key.expiresAtMs === undefined || nowMs < key.expiresAtMs);

export const apiKeyOf = ({ id, scopes, source, limits }: StoredKey): ApiKey => ({
  id,
  scopes,
  source,
  ...(limits === undefined ? {} : { limits }),
});

/** A use is noted when the one that was noted before is older. */
export const USE_NOTED_MS = 60_000;

// ── making, replacing, ending ──────────────────────────────────────────────────────────────────────────────────────

export interface NewKey {
  readonly scopes: readonly Scope[];
  readonly source: string;
  readonly label?: string | undefined;
  readonly expiresAtMs?: number | undefined;
  readonly limits?: StoredKey["limits"];
}

export interface MadeKey {
  /** The only time that it can be read. */
  readonly key: string;
  readonly stored: StoredKey;
}

/** @throws RangeError for scopes that no key may have together */
export const newKey = (wanted: NewKey, nowMs: number): MadeKey => {
  const fault = scopesFault(wanted.scopes);
  if (fault !== undefined) throw new RangeError(fault);
  const name = randomBytes(6).toString("hex");
  const prefix = wanted.scopes.includes("write") ? "ebw" : "ebr";
  const key = `${prefix}_${name}_${randomBytes(32).toString("base64url")}`;
  const { scopes, source, label, expiresAtMs, limits } = wanted;
  const stored = StoredKey.parse({
    id: `key_${name}`,
    scopes,
    source,
    sha256: digestOf(key).toString("hex"),
    createdAtMs: nowMs,
    ...(label === undefined ? {} : { label }),
    ...(expiresAtMs === undefined ? {} : { expiresAtMs }),
    ...(limits === undefined ? {} : { limits }),
  });
  return { key, stored };
};

/** @throws RangeError */
export const createKey = async (store: KeyStore, wanted: NewKey, nowMs: number): Promise<MadeKey> => {
  const made = newKey(wanted, nowMs);
  await store.write([made.stored]);
  return made;
};

/**
 * Makes a key that may do the same, and ends the old one `overlapMs` from now: until then both are valid.
 * @throws NoSuchKey also for a key that is valid no longer
 */
export const rotateKey = async (store: KeyStore, id: string, overlapMs: number, nowMs: number): Promise<MadeKey> => {
  const old = await find(store, id);
  if (!isUsable(old, nowMs)) throw new NoSuchKey(`${id} is not valid any more: make a new key.`);
  const { expiresAtMs, createdAtMs = nowMs, ...same } = old;
  // A key that was made for so many days is replaced by one for as many.
  const lastsMs = expiresAtMs === undefined ? undefined : expiresAtMs - createdAtMs;
  const made = newKey({ ...same, ...(lastsMs === undefined ? {} : { expiresAtMs: nowMs + lastsMs }) }, nowMs);
  const endsMs = Math.min(nowMs + overlapMs, expiresAtMs ?? Infinity);
  await store.write([made.stored, { ...old, expiresAtMs: endsMs, replacedBy: made.stored.id }]);
  return made;
};

/** The key is valid no longer; it stays on the list. Safe to repeat. @throws NoSuchKey */
export const revokeKey = async (store: KeyStore, id: string, nowMs: number): Promise<void> => {
  const key = await find(store, id);
  if (key.revokedAtMs === undefined) await store.write([{ ...key, revokedAtMs: nowMs }]);
};

const find = async (store: KeyStore, id: string): Promise<StoredKey> => {
  const listed = (await store.list()).find((key) => key.id === id);
  if (listed === undefined) throw new NoSuchKey(`There is no key ${id}; ebb keys lists them.`);
  const { lastUsedAtMs: _use, ...stored } = listed;
  return stored;
};
