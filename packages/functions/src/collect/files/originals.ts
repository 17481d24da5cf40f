/** Where the content of uploads lies, and for how long. */
import type { ReceiptId } from "@ebb/core/ids";
import { limits } from "@ebb/core/limits";
import type { ObjectStore } from "@ebb/ports";

const PREFIX = "uploads/";
const dayOf = (ms: number): string => new Date(ms).toISOString().slice(0, 10);

/** Named by day and id, never by what the client calls the file. */
export const originalKeyOf = (uploadId: ReceiptId, createdAtMs: number): string =>
  `${PREFIX}${dayOf(createdAtMs)}/${uploadId}/content`;

/** At most so many in one go: the next upload goes on. */
const REMOVED_AT_ONCE = 100;

/**
 * Removes the originals of days whose last moment is older than they are kept: none is kept longer than that.
 * Reads no more of the list than it removes, and one.
 */
export const removeOldOriginals = async (objects: ObjectStore, nowMs: number): Promise<void> => {
  const oldest = PREFIX + dayOf(nowMs - (limits.keptOriginalDays - 1) * 86_400_000);
  const old: string[] = [];
  for await (const key of objects.list(PREFIX)) {
    if (key >= oldest || old.length === REMOVED_AT_ONCE) break;
    old.push(key);
  }
  if (old.length > 0) await objects.delete(old);
};
