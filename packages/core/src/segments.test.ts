import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { emptyCustomer } from "./customers.ts";
import type { CustomerKey } from "./ids.ts";
import { NO_PURCHASE, cellOf, scoreOf, scores, scoresOf, segmentOf } from "./rfm.ts";
import {
  SegmentConfigurationError,
  cutPointsOf,
  fifths,
  parseSegmentConfiguration,
  windowFromMonth,
} from "./segments.ts";

const DAY = 86_400_000;
const asOfMs = Date.UTC(2026, 10, 22);
const run = { asOfMs, version: "run_1" };
const values = {
  lastOrderAtMs: [1, 2, 3, 4, 5, 6, 7, 8, 9, 10].map((day) => asOfMs - day * 10 * DAY),
  orders: [1, 1, 1, 1, 1, 1, 2, 3, 5, 9],
  monetaryMinor: [100, 200, 300, 400, 500, 600, 700, 800, 900, 1_000],
};
const cells = scores.flatMap((r) => scores.flatMap((f) => scores.map((m) => [r, f, m] as const)));

const faultsOf = (document: unknown): readonly string[] => {
  try {
    parseSegmentConfiguration(document);
  } catch (error) {
    if (error instanceof SegmentConfigurationError) return error.faults;
    throw error;
  }
  return [];
};

describe("a segment configuration", () => {
  it("is the default when it says nothing: the default map, fixed frequency, quantiles else, net money", () => {
    const cuts = cutPointsOf(values, parseSegmentConfiguration({}), run);
    assert.deepEqual(cuts.frequency, [1, 2, 3, 5]);
    assert.deepEqual(cuts.monetaryMinor, [200, 400, 600, 800]);
    assert.deepEqual(
      cuts.recencyAtMs,
      [90, 70, 50, 30].map((days) => asOfMs - days * DAY),
    );
    assert.deepEqual([cuts.money, cuts.windowFromMonth, cuts.version], ["net", undefined, "run_1"]);
    assert.equal(cuts.segments!.length, 125);
    for (const [r, f, m] of cells) assert.equal(cuts.segments![cellOf(r, f, m)], segmentOf(r, f, m));
  });

  it("gives each of the 125 cells the one segment of its own map", () => {
    const configuration = parseSegmentConfiguration({
      segments: {
        rules: [
          { segment: "VIP", frequency: [4, 5], monetary: 5 },
          { segment: "Frequent", frequency: [4, 5], monetary: [1, 4] },
          { segment: "Everyone else", frequency: [1, 3] },
        ],
      },
    });
    const { segments } = cutPointsOf(values, configuration, run);
    for (const [r, f, m] of cells) {
      const expected = f <= 3 ? "Everyone else" : m === 5 ? "VIP" : "Frequent";
      assert.equal(segments![cellOf(r, f, m)], expected);
    }
  });

  it("that leaves cells without a segment, or claims some twice, names every one of them", () => {
    const faults = faultsOf({
      segments: {
        rules: [
          { segment: "A", recency: [2, 5] },
          { segment: "B", recency: 1, frequency: [1, 4] },
          { segment: "C", recency: 1, frequency: 5, monetary: [1, 3] },
          { segment: "D", recency: 5, frequency: 5, monetary: 5 },
        ],
      },
    });
    assert.deepEqual(faults, [
      "segments: cells without a segment: R1 F5 M4, R1 F5 M5.",
      "segments: cells with several segments: R5 F5 M5 (A, D).",
    ]);
  });

  it("tells all its other faults at once, each with its place", () => {
    const faults = faultsOf({
      money: "profit",
      windowMonths: 0,
      colour: "red",
      cutPoints: { frequency: [1, 3, 3, 5] },
      segments: { grid: { 5: ["a", "b", "c", "d", NO_PURCHASE] } },
    });
    for (const place of [
      /^money:/,
      /^windowMonths:/,
      /colour/,
      /^cutPoints\.frequency: cut points must ascend/,
      /^segments\.grid\.5\.4: "No purchase"/,
    ])
      assert.ok(
        faults.some((fault) => place.test(fault)),
        `${String(place)} in ${faults.join(" ")}`,
      );
    assert.equal(faultsOf("text").length, 1);
  });

  it("takes its own cut points: days before the run, orders, money", () => {
    const configuration = parseSegmentConfiguration({
      cutPoints: { recencyDays: [30, 60, 120, 365], frequency: "quantiles", monetaryMinor: [0, 1_000, 2_000, 5_000] },
    });
    const cuts = cutPointsOf(values, configuration, run);
    assert.deepEqual(
      cuts.recencyAtMs,
      [365, 120, 60, 30].map((days) => asOfMs - days * DAY),
    );
    assert.deepEqual(cuts.frequency, [1, 1, 1, 3]);
    assert.deepEqual(cuts.monetaryMinor, [0, 1_000, 2_000, 5_000]);
    assert.equal(scoreOf(asOfMs - 30 * DAY, cuts.recencyAtMs), 4);
    assert.equal(scoreOf(asOfMs - 30 * DAY + 1, cuts.recencyAtMs), 5);
  });

  it("without a customer has the cut points of a new shop", () => {
    const nobody = { lastOrderAtMs: [], orders: [], monetaryMinor: [] };
    const cuts = cutPointsOf(nobody, parseSegmentConfiguration({}), run);
    assert.deepEqual(cuts.monetaryMinor, [5_000, 15_000, 40_000, 100_000]);
  });
});

describe("fifths", () => {
  /** Slow and obvious: the first value, from below, that enough others are not above. */
  const slowFifth = (numbers: readonly number[], i: number): number =>
    numbers
      .toSorted((a, b) => a - b)
      .find((value) => numbers.filter((other) => other <= value).length * 5 >= i * numbers.length)!;

  it("are the smallest values that at least a fifth, two, three and four fifths are not above", () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: -20, max: 20 }), { minLength: 1, maxLength: 60 }), (numbers) => {
        assert.deepEqual(
          fifths(numbers),
          [1, 2, 3, 4].map((i) => slowFifth(numbers, i)),
        );
      }),
      { seed: 20261122, numRuns: 1_000 },
    );
  });

  it("never split a tie, and of distinct values make five groups that differ by one at most", () => {
    const half = [...new Array<number>(60).fill(1), ...Array.from({ length: 40 }, (_x, i) => i + 2)];
    const scored = half.map((value) => scoreOf(value, fifths(half)));
    assert.equal(new Set(scored.slice(0, 60)).size, 1);
    for (const count of [5, 17, 100, 103]) {
      const distinct = Array.from({ length: count }, (_x, i) => i * 3);
      const sizes = scores.map(
        (score) => distinct.filter((value) => scoreOf(value, fifths(distinct)) === score).length,
      );
      assert.ok(Math.max(...sizes) - Math.min(...sizes) <= 1, sizes.join());
    }
  });

  it("need numbers", () => {
    assert.throws(() => fifths([]), RangeError);
    assert.throws(() => fifths([1, NaN, 3]), RangeError);
  });
});

describe("scores by a configuration", () => {
  const customer = {
    ...emptyCustomer(`cus_${"0".repeat(32)}` as CustomerKey),
    orders: 4,
    grossMinor: 10_000,
    refundMinor: 6_000,
    firstOrderAtMs: Date.UTC(2025, 0, 5),
    lastOrderAtMs: Date.UTC(2026, 9, 20),
    months: {
      "2025-01": { orders: 3, grossMinor: 7_000, refundMinor: 6_000 },
      "2026-10": { orders: 1, grossMinor: 3_000, refundMinor: 0 },
    },
  };
  const scored = (document: unknown) => {
    const fixed = { recencyDays: [30, 60, 90, 120], monetaryMinor: [1_000, 3_500, 5_000, 9_000] };
    const configuration = parseSegmentConfiguration({ cutPoints: fixed, ...(document as object) });
    const result = scoresOf(customer, cutPointsOf(values, configuration, run));
    return result && [result.recency, result.frequency, result.monetary];
  };

  it("take net money or gross", () => {
    assert.deepEqual(scored({}), [4, 4, 3]);
    assert.deepEqual(scored({ money: "gross" }), [4, 4, 5]);
  });

  it("count the orders and the money of the window alone", () => {
    assert.deepEqual(scored({ windowMonths: 6 }), [4, 1, 2]);
    assert.deepEqual(scored({ windowMonths: 22 }), [4, 4, 3]);
  });

  it("do not exist for a customer without an order in the window", () => {
    const earlier = { ...customer, months: { "2025-01": customer.months["2025-01"] } };
    const cuts = cutPointsOf(values, parseSegmentConfiguration({ windowMonths: 6 }), run);
    assert.equal(scoresOf(earlier, cuts), undefined);
    const { months: _months, ...without } = customer;
    assert.throws(() => scoresOf(without, cuts), /need the customer's months/);
  });

  it("use the team's own names", () => {
    const own = parseSegmentConfiguration({ segments: { rules: [{ segment: "Kunde" }] } });
    assert.equal(scoresOf(customer, cutPointsOf(values, own, run))!.segment, "Kunde");
  });

  it("have a window of whole UTC months: the current and so many before it", () => {
    assert.equal(windowFromMonth(Date.UTC(2026, 0, 31), 1), "2025-12");
    assert.equal(windowFromMonth(Date.UTC(2026, 2, 31), 12), "2025-03");
    assert.equal(windowFromMonth(Date.UTC(2024, 1, 29), 120), "2014-02");
  });
});
