/** The receipt of an erasure: what was removed where, signed, and about nobody by name. */
import { z } from "zod";

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
