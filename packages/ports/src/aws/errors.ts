import { setTimeout as sleep } from "node:timers/promises";
import { TransientError } from "../ports.ts";

/** What an error of the SDK carries, as far as this file looks at it. */
interface ServiceError {
  readonly name?: string;
  readonly code?: string;
  readonly $retryable?: object;
  readonly $metadata?: { readonly httpStatusCode?: number };
}

/** Throttling, under the names that the services used here give it (their API references, "Common errors"). */
const throttling = new Set([
  "KMSThrottlingException",
  "LimitExceededException",
  "ProvisionedThroughputExceededException",
  "RequestLimitExceeded",
  "RequestTimeout",
  "RequestTimeoutException",
  "SlowDown",
  "ThrottledException",
  "Throttling",
  "ThrottlingException",
  "TooManyRequestsException",
  "TransactionConflictException",
  "TransactionInProgressException",
]);

/** Lost connections and timeouts, by the names and codes that Node and the SDK give them. */
const lost = new Set([
  "AbortError",
  "EAI_AGAIN",
  "ECONNREFUSED",
  "ECONNRESET",
  "EPIPE",
  "ETIMEDOUT",
  "ENOTFOUND",
  "EHOSTUNREACH",
  "ENETUNREACH",
  "NetworkingError",
  "TimeoutError",
]);

export const isTransient = (error: unknown): boolean => {
  if (error instanceof TransientError) return true;
  if (!(error instanceof Error)) return false;
  const { name, code, $retryable, $metadata } = error as ServiceError;
  const status = $metadata?.httpStatusCode ?? 0;
  return (
    $retryable !== undefined ||
    status >= 500 ||
    status === 429 ||
    [name, code].some((word) => word !== undefined && (throttling.has(word) || lost.has(word)))
  );
};

/**
 * The one place where errors of the services become the ports' errors: what may succeed later is a TransientError with
 * its cause, everything else passes unchanged.
 */
export const calling = async <Result>(what: string, call: () => Promise<Result>): Promise<Result> => {
  try {
    return await call();
  } catch (error) {
    if (!isTransient(error) || error instanceof TransientError) throw error;
    throw new TransientError(`${what} failed for now`, { cause: error });
  }
};

/** Attempts at what a service left undone inside an answer that was otherwise a success. */
export const ATTEMPTS = 10;

/** Waits before the next attempt: full jitter over an exponentially growing span, 25 ms × 2^attempt, at most 2 s. */
export const backOff = async (attempt: number): Promise<void> => {
  await sleep(Math.random() * Math.min(2_000, 25 * 2 ** attempt));
};

/** Maps with at most `width` calls under way: a batch must not open a socket an item. The first error ends it. */
export const mapLimit = async <Item, Result>(
  items: readonly Item[],
  width: number,
  map: (item: Item) => Promise<Result>,
): Promise<Result[]> => {
  const results = new Array<Result>(items.length);
  let next = 0;
  const run = async (): Promise<void> => {
    while (next < items.length) {
      const index = next++;
      try {
        results[index] = await map(items[index]!);
      } catch (error) {
        next = items.length;
        throw error;
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(width, items.length) }, run));
  return results;
};

export const chunksOf = <Item>(items: readonly Item[], size: number): Item[][] =>
  Array.from({ length: Math.ceil(items.length / size) }, (_, index) => items.slice(index * size, (index + 1) * size));
