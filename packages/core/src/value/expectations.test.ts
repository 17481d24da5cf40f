import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { expectedPurchases, probabilityAlive, probabilityOfNoPurchase } from "./expectations.ts";
import { lifetimeValue } from "./lifetime-value.ts";
import { simulate } from "./simulated.testing.ts";

/** CDNOW's published parameters, in weeks. */
const cdnow = { r: 0.243, alpha: 4.414, a: 0.793, b: 2.426 };

describe("a customer's expectations", () => {
  it("are those published for CDNOW (Fader, Hardie & Lee: x = 2, t_x = 30.43, T = 38.86, 39 weeks ahead: 1.226)", () => {
    assert.equal(expectedPurchases(cdnow, { x: 2, tx: 30.43, T: 38.86 }, 39).toFixed(3), "1.226");
  });

  it("are what customers drawn from the model go on to do, by number of purchases", () => {
    const truth = { r: 0.8, alpha: 10, a: 0.8, b: 2.5 };
    const horizon = 30;
    const customers = simulate(truth, { customers: 60_000, longest: 100, horizon, seed: 21 });
    for (const [from, to] of [
      [0, 0],
      [1, 1],
      [2, 4],
      [5, Infinity],
    ] as const) {
      const group = customers.filter(({ x }) => x >= from && x <= to);
      const mean = (of: (customer: (typeof group)[number]) => number): number =>
        group.reduce((sum, customer) => sum + of(customer), 0) / group.length;
      const bought = mean(({ later }) => later);
      const spread = Math.sqrt(mean(({ later }) => (later - bought) ** 2) / group.length);
      const expected = mean((customer) => expectedPurchases(truth, customer, horizon));
      assert.ok(Math.abs(bought - expected) < 4 * spread, `x ${from}–${to}: ${expected} expected, ${bought} bought`);
      const none = mean(({ later }) => (later === 0 ? 1 : 0));
      const predicted = mean((customer) => probabilityOfNoPurchase(truth, customer, horizon));
      const error = Math.sqrt((none * (1 - none)) / group.length);
      assert.ok(Math.abs(none - predicted) < 4 * error, `x ${from}–${to}: P(none) ${predicted}, share ${none}`);
    }
  });

  it("do not call a one-time buyer gone, however long ago it was, but expect little of it", () => {
    const longAgo = { x: 0, tx: 0, T: 500 };
    assert.equal(probabilityAlive(cdnow, longAgo), 1);
    assert.ok(probabilityOfNoPurchase(cdnow, longAgo, 13) > 0.99);
    assert.ok(expectedPurchases(cdnow, longAgo, 13) < 0.01);
  });

  it("stay within their ranges for heavy buyers, long horizons and none", () => {
    for (const x of [0, 1, 50, 2_000])
      for (const horizon of [0, 1, 39, 5_000]) {
        const history = { x, tx: x === 0 ? 0 : 38, T: 38.86 };
        const expected = expectedPurchases(cdnow, history, horizon);
        const none = probabilityOfNoPurchase(cdnow, history, horizon);
        assert.ok(Number.isFinite(expected) && expected >= 0, `x ${x} horizon ${horizon}: ${expected}`);
        assert.ok(none >= 0 && none <= 1);
        assert.ok(expected >= 1 - none - 1e-12, "expected purchases are at least the probability of one");
      }
  });

  it("are continuous where a factor has a pole: a = 1, and a + b = 1 without a purchase", () => {
    const history = { x: 3, tx: 20, T: 38 };
    const at = (a: number): number => expectedPurchases({ ...cdnow, a }, history, 39);
    assert.ok(Math.abs(at(1) - (at(0.999) + at(1.001)) / 2) < 1e-5);
    const none = { x: 0, tx: 0, T: 38 };
    const sum = (a: number): number => expectedPurchases({ ...cdnow, a, b: 0.6 }, none, 39);
    assert.ok(Math.abs(sum(0.4) - (sum(0.399) + sum(0.401)) / 2) < 1e-5);
  });
});

describe("lifetime value", () => {
  const history = { x: 2, tx: 30.43, T: 38.86 };

  it("without discount is expected purchases times spend", () => {
    const value = lifetimeValue(cdnow, history, { spendPerPurchase: 35, period: 4, periods: 13, discountRate: 0 });
    assert.ok(Math.abs(value - 35 * expectedPurchases(cdnow, history, 52)) < 1e-9);
  });

  it("falls with the discount, and counts the money of a period at its end", () => {
    const terms = { spendPerPurchase: 35, period: 4, periods: 1, discountRate: 0.1 };
    const one = lifetimeValue(cdnow, history, terms);
    assert.ok(Math.abs(one - (35 * expectedPurchases(cdnow, history, 4)) / 1.1) < 1e-9);
    const year = { ...terms, periods: 13 };
    assert.ok(lifetimeValue(cdnow, history, year) < lifetimeValue(cdnow, history, { ...year, discountRate: 0.01 }));
  });

  it("of no periods is nothing, and of half a period an error", () => {
    const terms = { spendPerPurchase: 35, period: 4, periods: 0, discountRate: 0.1 };
    assert.equal(lifetimeValue(cdnow, history, terms), 0);
    assert.throws(() => lifetimeValue(cdnow, history, { ...terms, periods: 0.5 }), RangeError);
  });
});
