/**
 * What Lambda's event source mapping for Kinesis does with the answer to one invocation, as a pure function: which
 * records are done, which are delivered again and in which portions, which are given up. Sources: AWS Lambda Developer
 * Guide, "Using Lambda with Kinesis" (partial batch response) and "Retain discarded batch records".
 */

export interface DeliveryRules {
  /** Deliveries after the first before a portion is given up. */
  readonly maximumRetryAttempts: number;
  readonly maximumRecordAgeSeconds: number;
  readonly bisectBatchOnFunctionError: boolean;
}

export interface StreamRecord {
  readonly sequenceNumber: string;
  /** Epoch milliseconds. */
  readonly arrivedAtMs: number;
}

/** Consecutive records that are delivered together. */
export interface Portion<R extends StreamRecord> {
  readonly records: readonly R[];
  /** Deliveries of these records that have failed. */
  readonly failedAttempts: number;
}

export type Outcome = { readonly kind: "answered"; readonly response: unknown } | { readonly kind: "threw" };

export interface GivenUp<R> {
  readonly records: readonly R[];
  readonly condition: "RetryAttemptsExhausted" | "RecordAgeExceeded";
  readonly invocations: number;
}

export interface Verdict<R extends StreamRecord> {
  /** Done for good; they stand before everything else of the portion. */
  readonly done: readonly R[];
  readonly givenUp?: GivenUp<R>;
  /** To deliver next, in order. */
  readonly again: readonly Portion<R>[];
}

/**
 * The index of the first record that the answer reports as failed; `undefined` when everything succeeded. Lambda takes
 * no answer, an empty one or an empty list as success, and the lowest reported sequence number as the checkpoint; an
 * identifier that is empty, no string, or not of this batch fails the batch as a whole.
 */
export const firstFailure = (records: readonly StreamRecord[], response: unknown): number | undefined => {
  if (typeof response !== "object" || response === null) return undefined;
  const failures = (response as { batchItemFailures?: unknown }).batchItemFailures;
  if (failures === undefined || failures === null) return undefined;
  if (!Array.isArray(failures)) return 0;
  let first: number | undefined;
  for (const failure of failures as unknown[]) {
    const identifier = (failure as { itemIdentifier?: unknown } | null)?.itemIdentifier;
    const index = records.findIndex((record) => record.sequenceNumber === identifier);
    if (index < 0) return 0;
    if (first === undefined || index < first) first = index;
  }
  return first;
};

/**
 * Judges one invocation. Splitting consumes no retry, and a checkpoint that moved starts the count anew for what
 * remains. When a reported record has used up its attempts it alone is given up: its neighbours were not at fault.
 */
export const judge = <R extends StreamRecord>(
  portion: Portion<R>,
  outcome: Outcome,
  rules: DeliveryRules,
  nowMs: number,
): Verdict<R> => {
  const { records } = portion;
  const failedAt = outcome.kind === "threw" ? 0 : firstFailure(records, outcome.response);
  if (failedAt === undefined) return { done: records, again: [] };
  if (failedAt > 0)
    return { done: records.slice(0, failedAt), again: [{ records: records.slice(failedAt), failedAttempts: 1 }] };

  if (outcome.kind === "threw" && rules.bisectBatchOnFunctionError && records.length > 1) {
    const middle = Math.ceil(records.length / 2);
    return {
      done: [],
      again: [records.slice(0, middle), records.slice(middle)].map((half) => ({
        records: half,
        failedAttempts: portion.failedAttempts,
      })),
    };
  }

  const failedAttempts = portion.failedAttempts + 1;
  const tooOld = nowMs - records[0]!.arrivedAtMs > rules.maximumRecordAgeSeconds * 1000;
  if (failedAttempts <= rules.maximumRetryAttempts && !tooOld)
    return { done: [], again: [{ records, failedAttempts }] };
  const lost = outcome.kind === "threw" ? records : records.slice(0, 1);
  const rest = records.slice(lost.length);
  return {
    done: [],
    givenUp: {
      records: lost,
      condition: tooOld ? "RecordAgeExceeded" : "RetryAttemptsExhausted",
      invocations: failedAttempts,
    },
    again: rest.length === 0 ? [] : [{ records: rest, failedAttempts: 0 }],
  };
};
