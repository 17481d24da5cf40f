import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import {
  NO_PURCHASE,
  type Score,
  defaultCutPoints,
  recencyDays,
  scoreOf,
  scoresOf,
  segmentNames,
  segmentOf,
} from "./rfm.ts";

const DAY = 86_400_000;
const scores: readonly Score[] = [1, 2, 3, 4, 5];
const cells = scores.flatMap((r) => scores.flatMap((f) => scores.map((m) => [r, f, m] as const)));

describe("segments", () => {
  it("give each of the 125 cells exactly one name", () => {
    assert.equal(cells.length, 125);
    const names = new Set<string>(segmentNames);
    for (const [r, f, m] of cells) assert.ok(names.has(segmentOf(r, f, m)), `${r}${f}${m}`);
  });

  it("are all in use, and none is the one for customers without a purchase", () => {
    const used = new Set<string>(cells.map(([r, f, m]) => segmentOf(r, f, m)));
    assert.deepEqual([...used].sort(), [...segmentNames].sort());
    assert.ok(!used.has(NO_PURCHASE));
  });

  it("call the best customer a champion and the worst lost", () => {
    assert.equal(segmentOf(5, 5, 5), "Champions");
    assert.equal(segmentOf(1, 1, 1), "Lost");
    assert.equal(segmentOf(1, 5, 5), "Can't Lose");
    assert.equal(segmentOf(5, 1, 1), "New");
  });
});

const cuts = fc
  .array(fc.integer({ min: -50, max: 50 }), { minLength: 4, maxLength: 4 })
  .map((values) => values.sort((a, b) => a - b) as [number, number, number, number]);

describe("scores", () => {
  it("are one more than the number of cut points below the value", () => {
    fc.assert(
      fc.property(cuts, fc.integer({ min: -60, max: 60 }), (points, value) => {
        assert.equal(scoreOf(value, points), 1 + points.filter((point) => point < value).length);
      }),
      { seed: 20261121, numRuns: 1_000 },
    );
  });

  it("are equal for equal values and never fall as the value grows", () => {
    fc.assert(
      fc.property(cuts, fc.array(fc.integer({ min: -60, max: 60 }), { minLength: 2 }), (points, values) => {
        const sorted = values.toSorted((a, b) => a - b);
        for (let index = 1; index < sorted.length; index++) {
          const [before, now] = [sorted[index - 1]!, sorted[index]!];
          if (before === now) assert.equal(scoreOf(before, points), scoreOf(now, points));
          assert.ok(scoreOf(before, points) <= scoreOf(now, points));
        }
      }),
      { seed: 20261121, numRuns: 500 },
    );
  });

  it("do not exist without a counted order", () => {
    const points = defaultCutPoints(0);
    assert.equal(scoresOf({ orders: 0, grossMinor: 500, refundMinor: 500 }, points), undefined);
  });

  it("take recency from the instant of the last order, money from the net", () => {
    const now = Date.UTC(2026, 5, 1);
    const points = defaultCutPoints(now);
    const customer = { orders: 6, grossMinor: 150_000, refundMinor: 49_999, lastOrderAtMs: now - 29 * DAY };
    const result = scoresOf(customer, points)!;
    assert.deepEqual([result.recency, result.frequency, result.monetary], [5, 5, 5]);
    assert.equal(result.segment, "Champions");
    assert.equal(result.cutPointsVersion, "default-2026-06-01");
    const atTheCut = scoresOf({ ...customer, refundMinor: 50_000, lastOrderAtMs: now - 30 * DAY, orders: 1 }, points)!;
    assert.deepEqual([atTheCut.recency, atTheCut.frequency, atTheCut.monetary], [4, 1, 4]);
  });
});

describe("recency", () => {
  it("is whole days, rounded down, and never negative", () => {
    assert.equal(recencyDays(0, DAY - 1), 0);
    assert.equal(recencyDays(0, DAY), 1);
    assert.equal(recencyDays(0, 10 * DAY + 5), 10);
    assert.equal(recencyDays(DAY, 0), 0);
  });
});
