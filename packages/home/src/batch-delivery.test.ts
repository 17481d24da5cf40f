import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { type DeliveryRules, type Outcome, type Portion, firstFailure, judge } from "./batch-delivery.ts";

const rules: DeliveryRules = {
  maximumRetryAttempts: 3,
  maximumRecordAgeSeconds: 3600,
  bisectBatchOnFunctionError: true,
};
const records = (count: number) =>
  Array.from({ length: count }, (_, index) => ({ sequenceNumber: String(index + 1), arrivedAtMs: 0 }));
const failed = (...ids: unknown[]): Outcome => ({
  kind: "answered",
  response: { batchItemFailures: ids.map((itemIdentifier) => ({ itemIdentifier })) },
});
const numbers = (list: readonly { sequenceNumber: string }[]) => list.map((record) => Number(record.sequenceNumber));

test("an empty answer in any of Lambda's forms is success", () => {
  for (const response of [undefined, null, "", {}, { batchItemFailures: null }, { batchItemFailures: [] }])
    assert.equal(firstFailure(records(3), response), undefined, JSON.stringify(response));
});

test("an identifier that is empty, null, misnamed or of another batch fails the whole batch", () => {
  for (const failure of [
    { itemIdentifier: "" },
    { itemIdentifier: null },
    { identifier: "2" },
    { itemIdentifier: "9" },
  ])
    assert.equal(firstFailure(records(3), { batchItemFailures: [failure] }), 0, JSON.stringify(failure));
  assert.equal(firstFailure(records(3), { batchItemFailures: [{ itemIdentifier: "3" }, { itemIdentifier: "" }] }), 0);
});

test("the lowest reported sequence number is the checkpoint, whatever the order of the report", () => {
  const verdict = judge({ records: records(6), failedAttempts: 0 }, failed("5", "3", "4"), rules, 0);
  assert.deepEqual(numbers(verdict.done), [1, 2]);
  assert.deepEqual(
    verdict.again.map((portion) => numbers(portion.records)),
    [[3, 4, 5, 6]],
  );
});

test("a thrown error splits the batch in two and costs no retry", () => {
  const verdict = judge({ records: records(5), failedAttempts: 2 }, { kind: "threw" }, rules, 0);
  assert.deepEqual(
    verdict.again.map((portion) => [numbers(portion.records), portion.failedAttempts]),
    [
      [[1, 2, 3], 2],
      [[4, 5], 2],
    ],
  );
});

test("without bisecting, the batch is delivered again as it was until its retries are used up, then given up whole", () => {
  const whole = { ...rules, bisectBatchOnFunctionError: false };
  let portion: Portion<{ sequenceNumber: string; arrivedAtMs: number }> = { records: records(2), failedAttempts: 0 };
  for (let retry = 1; retry <= 3; retry++) {
    const verdict = judge(portion, { kind: "threw" }, whole, 0);
    assert.equal(verdict.givenUp, undefined);
    portion = verdict.again[0]!;
  }
  const verdict = judge(portion, { kind: "threw" }, whole, 0);
  assert.deepEqual(numbers(verdict.givenUp!.records), [1, 2]);
  assert.equal(verdict.givenUp!.condition, "RetryAttemptsExhausted");
  assert.equal(verdict.givenUp!.invocations, 4, "the first delivery and three retries");
});

test("a failing record that is past the maximum age is not tried again", () => {
  const verdict = judge({ records: records(1), failedAttempts: 0 }, { kind: "threw" }, rules, 3_600_001);
  assert.equal(verdict.givenUp?.condition, "RecordAgeExceeded");
});

/** Delivers until nothing is left, with a handler that fails on poisoned records as `mode` says. */
const deliver = (count: number, poisoned: ReadonlySet<number>, mode: "throws" | "reports") => {
  const queue: Portion<{ sequenceNumber: string; arrivedAtMs: number }>[] = [
    { records: records(count), failedAttempts: 0 },
  ];
  const done: number[] = [];
  const lost: number[] = [];
  let invocations = 0;
  for (let portion = queue.shift(); portion !== undefined; portion = queue.shift()) {
    assert.ok(++invocations < 100_000, "delivery ends");
    const bad = portion.records.filter((record) => poisoned.has(Number(record.sequenceNumber)));
    const outcome: Outcome =
      bad.length === 0
        ? { kind: "answered", response: { batchItemFailures: [] } }
        : mode === "throws"
          ? { kind: "threw" }
          : failed(...bad.map((record) => record.sequenceNumber));
    const verdict = judge(portion, outcome, rules, 0);
    done.push(...numbers(verdict.done));
    lost.push(...numbers(verdict.givenUp?.records ?? []));
    queue.unshift(...verdict.again);
  }
  return { done, lost };
};

test("whatever is poisoned, exactly the poisoned records are given up and all others are done, in order", () => {
  const arbitrary = fc.record({
    count: fc.integer({ min: 1, max: 40 }),
    poison: fc.array(fc.integer({ min: 1, max: 40 }), { maxLength: 12 }),
    mode: fc.constantFrom("throws" as const, "reports" as const),
  });
  fc.assert(
    fc.property(arbitrary, ({ count, poison, mode }) => {
      const poisoned = new Set(poison.filter((number) => number <= count));
      const { done, lost } = deliver(count, poisoned, mode);
      const all = Array.from({ length: count }, (_, index) => index + 1);
      assert.deepEqual(
        done,
        all.filter((number) => !poisoned.has(number)),
      );
      assert.deepEqual(
        lost,
        all.filter((number) => poisoned.has(number)),
      );
    }),
    { seed: 20261121, numRuns: 500 },
  );
});
