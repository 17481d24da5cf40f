/**
 * A token bucket in arithmetic alone: it fills at a rate up to what so many seconds bring, and what is taken may leave it
 * in debt, so that one large batch passes whole and its sender waits afterwards. In the long run the rate holds exactly.
 */
export interface Bucket {
  /** Below 0: in debt. */
  readonly tokens: number;
  readonly atMs: number;
}

/** A sender may be silent this long and then send at once what it has saved. */
const SAVED_SECONDS = 2;

/** What a bucket holds when it is full: a rate below one a second still lets one through. */
const capacity = (perSecond: number): number => Math.max(1, perSecond * SAVED_SECONDS);

/**
 * Takes `amount` where anything is left. A clock that went back brings nothing and costs nothing.
 * @param bucket `undefined`: nothing was taken before, it is full
 * @returns the bucket afterwards, and, where it was empty, how long until it is not (then nothing was taken)
 */
export const take = (
  bucket: Bucket | undefined,
  perSecond: number,
  amount: number,
  nowMs: number,
): { readonly bucket: Bucket; readonly waitSeconds?: number } => {
  const full = capacity(perSecond);
  const elapsedMs = bucket === undefined ? 0 : Math.max(0, nowMs - bucket.atMs);
  const tokens = bucket === undefined ? full : Math.min(full, bucket.tokens + (elapsedMs / 1000) * perSecond);
  const needed = Math.min(1, amount);
  if (tokens < needed) {
    const waitSeconds = Math.max(1, Math.ceil((needed - tokens) / perSecond));
    return { bucket: { tokens, atMs: nowMs }, waitSeconds };
  }
  return { bucket: { tokens: tokens - amount, atMs: nowMs } };
};
