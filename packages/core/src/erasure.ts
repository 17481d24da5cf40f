/**
 * What is left of an erased person: events that only say that something arrived, so that the ledger still balances, and a
 * signed receipt of what was removed where, about nobody by name.
 */
import { z } from "zod";
import { ERASED_KIND, STREAM_SCHEMA_VERSION } from "./kinds.ts";
import type { Refusal } from "./reasons.ts";
import type { StreamEvent } from "./stream-event.ts";

/** Why something of an erased person is not taken in. */
export const customerErased: Refusal = {
  code: "customer_erased",
  message: "The customer was erased: nothing of them is taken in, and what was sent is not kept.",
};

// In a JSON text a name in quotes before a colon is a field: inside of a string its quotes are escaped.
const CUSTOMER = /"customer_key":"(cus_[0-9a-f]{32})"/;
const ANONYMOUS = /,?"anonymous_key":"(ano_[0-9a-f]{32})"/;

type Arrival = Pick<StreamEvent, "event_id" | "source" | "received_at" | "receipt_id" | "receipt_number">;

/** What is kept of an event of an erased person: which receipt it came with. */
export const erasedEvent = (event: Arrival): StreamEvent => ({
  event_id: event.event_id,
  kind: ERASED_KIND,
  name: ERASED_KIND,
  source: event.source,
  schema_version: STREAM_SCHEMA_VERSION,
  occurred_at: event.received_at,
  received_at: event.received_at,
  receipt_id: event.receipt_id,
  receipt_number: event.receipt_number,
});

/** Nothing of a line that nobody can read: the stages refuse it. */
const arrivalOf = (line: string): StreamEvent | Record<string, never> => {
  try {
    return erasedEvent(JSON.parse(line) as Arrival);
  } catch {
    return {};
  }
};

/**
 * A line of the stream without what it says of erased people; the line itself where it says nothing of them. The customer
 * decides whose event it is, and the visitor only where there is no customer: the visit of somebody else in the same
 * browser stays, without the browser's key.
 */
export const withoutErased = (
  line: string,
  isErased: (pseudonym: string) => boolean,
  /** Visitors who were also somebody else: only what they did without a name goes. */
  isShared: (pseudonym: string) => boolean = () => false,
): string => {
  const customer = CUSTOMER.exec(line)?.[1];
  const anonymous = ANONYMOUS.exec(line)?.[1];
  const anonymousGone = anonymous !== undefined && isErased(anonymous);
  const visitGone = anonymousGone || (anonymous !== undefined && isShared(anonymous));
  if (customer === undefined ? visitGone : isErased(customer)) return JSON.stringify(arrivalOf(line));
  return anonymousGone ? line.replace(ANONYMOUS, "") : line;
};

/** What one place gave up. */
export const Removal = z.object({
  /** The store, table or folder. */
  store: z.string(),
  /** Files, records or objects that were rewritten or removed; absent where the store has rows alone. */
  objects: z.int().nonnegative().optional(),
  /** Rows, events or items that are gone. */
  count: z.int().nonnegative(),
  /** What is left and when it goes by itself, where something is. */
  remains: z.string().optional(),
});
export type Removal = z.infer<typeof Removal>;

/** What is signed: everything but the signature, in this order of fields. */
export const ErasureReceipt = z.object({
  version: z.literal(1),
  erasureId: z.string(),
  requestedAt: z.iso.datetime(),
  completedAt: z.iso.datetime(),
  /** The people, by the only name that is left of them. */
  suppressionKeys: z.array(z.string()),
  removed: z.array(Removal),
  /** Days after `completedAt` until nothing of them is left anywhere, old versions and backups included. */
  boundDays: z.int().nonnegative(),
  /** Ed25519 over `receiptText`, base64url, with the public key that checks it. */
  signature: z.string(),
  publicKey: z.string(),
});
export type ErasureReceipt = z.infer<typeof ErasureReceipt>;
export type UnsignedReceipt = Omit<ErasureReceipt, "signature" | "publicKey">;

/** The text that is signed: the same for the same receipt, whoever has parsed and printed it meanwhile. */
export const receiptText = (receipt: UnsignedReceipt): string => {
  const { version, erasureId, requestedAt, completedAt, suppressionKeys, removed, boundDays } = receipt;
  return JSON.stringify([
    version,
    erasureId,
    requestedAt,
    completedAt,
    suppressionKeys,
    removed.map(({ store, objects, count, remains }) => [store, objects ?? null, count, remains ?? null]),
    boundDays,
  ]);
};
