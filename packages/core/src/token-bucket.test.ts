import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { type Bucket, take } from "./token-bucket.ts";

/** Drives one bucket; answers how much was let through. */
const drive = (perSecond: number, asks: readonly (readonly [atMs: number, amount: number])[]): number => {
  let bucket: Bucket | undefined;
  let passed = 0;
  for (const [atMs, amount] of asks) {
    const taken = take(bucket, perSecond, amount, atMs);
    bucket = taken.bucket;
    if (taken.waitSeconds === undefined) passed += amount;
  }
  return passed;
};

test("in the long run no more passes than the rate allows, plus what was saved and one batch, however it is asked", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 1_000 }),
      fc.array(fc.tuple(fc.integer({ min: 0, max: 500 }), fc.integer({ min: 1, max: 5_000 })), { minLength: 1 }),
      (perSecond, steps) => {
        let atMs = 0;
        const asks = steps.map(([gapMs, amount]) => [(atMs += gapMs), amount] as const);
        const largest = Math.max(...asks.map(([, amount]) => amount));
        const bound = perSecond * 2 + (perSecond * (atMs - asks[0]![0])) / 1000 + largest;
        assert.ok(drive(perSecond, asks) <= bound + 1e-6);
      },
    ),
    { seed: 20261122, numRuns: 500 },
  );
});

test("whoever waits as long as it is told is let through", () => {
  fc.assert(
    fc.property(
      fc.double({ min: 0.01, max: 1_000, noNaN: true }),
      fc.array(fc.integer({ min: 1, max: 10_000 }), { minLength: 1, maxLength: 30 }),
      (perSecond, amounts) => {
        let bucket: Bucket | undefined;
        let nowMs = 0;
        for (const amount of amounts) {
          let taken = take(bucket, perSecond, amount, nowMs);
          if (taken.waitSeconds !== undefined) {
            assert.ok(taken.waitSeconds >= 1 && Number.isInteger(taken.waitSeconds));
            nowMs += taken.waitSeconds * 1000;
            taken = take(taken.bucket, perSecond, amount, nowMs);
            assert.equal(taken.waitSeconds, undefined);
          }
          bucket = taken.bucket;
        }
      },
    ),
    { seed: 20261122, numRuns: 300 },
  );
});

test("a batch above the rate passes whole and is paid for afterwards", () => {
  const first = take(undefined, 10, 500, 0);
  assert.equal(first.waitSeconds, undefined);
  assert.equal(take(first.bucket, 10, 1, 1_000).waitSeconds, 48); // 20 - 500 + 10 = -470; 471 more at 10 a second
  assert.equal(take(first.bucket, 10, 1, 49_000).waitSeconds, undefined);
});

test("a clock that goes back neither fills a bucket nor empties it", () => {
  const empty = take(undefined, 1, 2, 1_000_000).bucket;
  const back = take(empty, 1, 1, 0);
  assert.equal(back.waitSeconds, 1);
  assert.equal(take(back.bucket, 1, 1, 1_000).waitSeconds, undefined);
});
