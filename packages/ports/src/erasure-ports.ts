/**
 * What it takes to forget a person: the list of those who may not be kept, which nothing brings back, the erasures with
 * what they have still to do, and what each store of a home does to forget.
 */
import type { AnonymousKey, CustomerKey } from "@ebb/core/ids";
import { type ErasureReceipt, type Removal, type UnsignedReceipt, withoutErased } from "@ebb/core/erasure";

// ── suppression ────────────────────────────────────────────────────────────────────────────────────────────────────

/** Who is erased: a customer, or a visitor who was linked to one. */
export type Pseudonym = CustomerKey | AnonymousKey;

/** HMAC-SHA-256(second secret, pseudonym), `sup_` and 32 hex digits: names nobody who has not both secrets. */
export type SuppressionKey = string & { readonly __id: "suppression" };

export interface Suppression {
  readonly key: SuppressionKey;
  /** The erasure that put it there. */
  readonly erasureId: string;
  readonly suppressedAtMs: number;
}

/** The list as it stood when it was asked for: a look-up waits for nothing, so that it may be made for every event. */
export interface SuppressionList {
  /** Another one with every change of the list. */
  readonly version: string;
  readonly size: number;
  has(pseudonym: string): boolean;
  /** Who suppressed a pseudonym; `undefined` where it is not. */
  find(pseudonym: string): Suppression | undefined;
}

/**
 * Lies apart from all that a backup holds or a restore replaces. Pseudonyms go in, suppression keys are all that is
 * stored.
 */
export interface Suppressions {
  /** One machine answers at once. In AWS the copy is at most `SUPPRESSIONS_AGE_MS` old. @throws TransientError */
  current(): SuppressionList | Promise<SuppressionList>;
  /** The list as it stands now: what everybody who has put something on it before is told. @throws TransientError */
  latest(): Promise<SuppressionList>;
  keyOf(pseudonym: string): SuppressionKey;
  /** One that is there already keeps the erasure that put it there. Durable when it resolves. @throws TransientError */
  add(pseudonyms: readonly string[], erasureId: string, nowMs: number): Promise<void>;
  /** People who come back of their own will. Answers how many were on the list. @throws TransientError */
  lift(pseudonyms: readonly string[]): Promise<number>;
  /** Everything on the list, to be kept beside a backup. */
  entries(): AsyncIterable<Suppression>;
  /** Adds what another copy of the list holds and never takes anything off. Answers how many were new. */
  merge(entries: Iterable<Suppression>): Promise<number>;
}

/** How old a copy of the list may be where events are taken in; who reads an answer is told by `latest`. */
export const SUPPRESSIONS_AGE_MS = 1_000;

/** Uses what `current` answers, at once where it is there: an await would keep the caller's values for a turn. */
export const withList = <T>(suppressions: Suppressions, use: (list: SuppressionList) => Promise<T>): Promise<T> => {
  const list = suppressions.current();
  return list instanceof Promise ? list.then(use) : use(list);
};

/** A line of the stream as it may land: without what it says of people on the list. */
export const lineWithoutErased = (line: Uint8Array, list: SuppressionList): Uint8Array => {
  if (list.size === 0) return line;
  const text = Buffer.from(line.buffer, line.byteOffset, line.byteLength).toString("latin1");
  // Keys are ASCII. Where one is erased what is left is made of the text as it is, in UTF-8.
  if (withoutErased(text, (pseudonym) => list.has(pseudonym)) === text) return line;
  return Buffer.from(withoutErased(Buffer.from(line).toString("utf8"), (pseudonym) => list.has(pseudonym)));
};

// ── erasures ───────────────────────────────────────────────────────────────────────────────────────────────────────

/** A person to forget. Personal: lies nowhere but in the erasure that is under way. */
export interface Subject {
  readonly customerKey: CustomerKey;
  /** The producer's own id, to search kept originals by; absent where nobody knows it. */
  readonly customerId?: string;
  /** Visitors who were seen as this customer and as nobody else. */
  readonly anonymousKeys: readonly AnonymousKey[];
  /** Visitors who were also seen as somebody else who stays: what they did without a name goes, the key is not suppressed. */
  readonly sharedAnonymousKeys?: readonly AnonymousKey[];
}

export interface Erasure {
  /** `era_` and 32 hex digits. */
  readonly erasureId: string;
  readonly state: "requested" | "running" | "done";
  readonly requestedAtMs: number;
  readonly endedAtMs?: number;
  readonly customers: number;
  /** The step that is under way. */
  readonly step?: string;
  /** Signed; once done. */
  readonly receipt?: ErasureReceipt;
}

export interface ErasureStore {
  /** Durable when it resolves. Asking again with the same id changes nothing. */
  request(erasure: Erasure, subjects: readonly Subject[]): Promise<void>;
  get(erasureId: string): Promise<Erasure | undefined>;
  /** Newest first. */
  list(query: { limit: number; cursor?: string | undefined }): Promise<{ erasures: Erasure[]; cursor?: string }>;
  /** Those that have no end, oldest first. */
  unfinished(): Promise<Erasure[]>;
  subjects(erasureId: string): Promise<Subject[]>;
  /** What is known of the people by now: linked visitors are found on the way. */
  putSubjects(erasureId: string, subjects: readonly Subject[]): Promise<void>;
  progress(erasureId: string, step: string): Promise<void>;
  /** With the receipt; who it was about is gone from the store when it resolves. */
  end(erasureId: string, receipt: ErasureReceipt, nowMs: number): Promise<void>;
}

/** One place that holds people, and how it forgets them. */
export interface Eraser {
  /** Names the place in a few words. Unique in a home. */
  readonly name: string;
  /** What is there of the subjects by now; nothing where there is nothing. @throws TransientError */
  survey(subjects: readonly Subject[]): Promise<readonly Removal[]>;
  /** Removes it. Safe to repeat, in part or as a whole. @throws TransientError */
  erase(subjects: readonly Subject[]): Promise<void>;
}

/** What of a text or an event is of the subjects. */
export interface SubjectSets {
  readonly customers: ReadonlySet<string>;
  /** Customers, and visitors who were nobody else. */
  readonly erased: ReadonlySet<string>;
  /** Visitors who were somebody else too: what they did without a name goes. */
  readonly shared: ReadonlySet<string>;
}

export const setsOf = (subjects: readonly Subject[]): SubjectSets => {
  const customers = new Set<string>(subjects.map(({ customerKey }) => customerKey));
  const visitors = subjects.flatMap(({ anonymousKeys }) => anonymousKeys);
  const shared = subjects.flatMap(({ sharedAnonymousKeys }) => sharedAnonymousKeys ?? []);
  return { customers, erased: new Set<string>([...customers, ...visitors]), shared: new Set<string>(shared) };
};

/** The visitors who were seen as customers: what a home's lake and log tell of them. */
export interface LinkedVisitors {
  /** @throws TransientError */
  of(
    customerKeys: readonly CustomerKey[],
  ): Promise<readonly Pick<Subject, "customerKey" | "anonymousKeys" | "sharedAnonymousKeys">[]>;
}

/** Signs a receipt (receipt-signer.ts). */
export interface ReceiptSigning {
  sign(receipt: UnsignedReceipt): ErasureReceipt;
}

/** Has an erasure made that is asked for. At least once: to start one that is under way, or done, does nothing. */
export interface Erasing {
  /** @throws TransientError */
  start(erasureId: string): Promise<void>;
}

export interface ErasurePorts {
  readonly suppressions: Suppressions;
  readonly erasures: ErasureStore;
  readonly erasing: Erasing;
}

/** What the erasure itself touches. */
export interface ErasureWorkPorts extends ErasurePorts {
  readonly erasers: readonly Eraser[];
  readonly visitors: LinkedVisitors;
  readonly receipts: ReceiptSigning;
}
