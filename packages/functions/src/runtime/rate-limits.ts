/**
 * How much a key may send, where a limit was set for it. Counted in the memory of this process: exact on one machine. In
 * AWS each function's instance counts for itself, so that what passes is up to the limit times the instances at work;
 * a count in DynamoDB would be exact to the second, at a write and some milliseconds a request. What a limit is for, a
 * producer gone wild, does not ask for that; the deployment as a whole is bounded by API Gateway's own throttle.
 */
import { type Bucket, take } from "@ebb/core/token-bucket";
import type { ApiKey, KeyRing } from "@ebb/ports";
import { Problem } from "./problem.ts";

interface Buckets {
  requests?: Bucket;
  events?: Bucket;
}

const bucketsByRing = new WeakMap<KeyRing, Map<string, Buckets>>();

const bucketsOf = (keys: KeyRing, id: string): Buckets => {
  let byKey = bucketsByRing.get(keys);
  if (byKey === undefined) bucketsByRing.set(keys, (byKey = new Map<string, Buckets>()));
  let buckets = byKey.get(id);
  if (buckets === undefined) byKey.set(id, (buckets = {}));
  return buckets;
};

/** @throws Problem `rate_limited` with the seconds to wait; nothing was taken then */
export const spend = (keys: KeyRing, key: ApiKey, what: keyof Buckets, amount: number, nowMs: number): void => {
  const perSecond = what === "requests" ? key.limits?.requestsPerSecond : key.limits?.eventsPerSecond;
  if (perSecond === undefined || amount === 0) return;
  const buckets = bucketsOf(keys, key.id);
  const { bucket, waitSeconds } = take(buckets[what], perSecond, amount, nowMs);
  buckets[what] = bucket;
  if (waitSeconds !== undefined)
    throw new Problem("rate_limited", `The key ${key.id} may send ${perSecond} ${what} a second. Nothing was kept.`, {
      retry_after_seconds: waitSeconds,
    });
};
