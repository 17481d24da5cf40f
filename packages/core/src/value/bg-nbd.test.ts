import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { describe, it } from "node:test";
import { bgNbdLogLikelihood, fitBgNbd } from "./bg-nbd.ts";
import { type CdnowCustomer, cdnowSample, cdnowSampleFile } from "./cdnow.testing.ts";
import { groupHistories } from "./histories.ts";
import { simulate } from "./simulated.testing.ts";

const historiesOf = (customers: readonly Pick<CdnowCustomer, "x" | "tx" | "T">[], unit = 1) =>
  groupHistories(
    customers.map(({ x }) => x),
    customers.map(({ tx }) => tx / unit),
    customers.map(({ T }) => T / unit),
  );
const skip = existsSync(cdnowSampleFile)
  ? false
  : `${cdnowSampleFile} is not there; EBB_TEST_DATA names another folder`;

describe("the BG/NBD fit of the CDNOW sample", { skip }, () => {
  it("has the published parameters and likelihood (Fader, Hardie & Lee 2005, table 2)", () => {
    const customers = cdnowSample();
    assert.equal(customers.length, 2_357);
    assert.equal(customers.filter(({ x }) => x > 0).length, 946);
    const fit = fitBgNbd(historiesOf(customers, 7));
    assert.ok(fit.identified);
    const { r, alpha, a, b } = fit.parameters!;
    assert.deepEqual(
      [r, alpha, a, b].map((value) => value.toFixed(3)),
      ["0.243", "4.414", "0.793", "2.426"],
    );
    assert.equal(fit.logLikelihood!.toFixed(1), "-9582.4");
    assert.equal(fit.repeatCustomers, 946);
  });

  it("does not depend on the unit of time", () => {
    const weeks = fitBgNbd(historiesOf(cdnowSample(), 7));
    const days = fitBgNbd(historiesOf(cdnowSample()));
    assert.ok(Math.abs(days.parameters!.alpha / 7 - weeks.parameters!.alpha) < 1e-6);
    for (const name of ["r", "a", "b"] as const)
      assert.ok(Math.abs(days.parameters![name] - weeks.parameters![name]) < 1e-6);
    const purchases = cdnowSample().reduce((sum, { x }) => sum + x, 0);
    assert.ok(Math.abs(days.logLikelihood! + purchases * Math.log(7) - weeks.logLikelihood!) < 1e-6);
  });

  it("reports its likelihood as that of its parameters", () => {
    const histories = historiesOf(cdnowSample(), 7);
    const fit = fitBgNbd(histories);
    assert.ok(Math.abs(bgNbdLogLikelihood(fit.parameters!, histories) - fit.logLikelihood!) < 1e-6);
  });
});

describe("a BG/NBD fit", () => {
  it("finds the parameters of a population again, within its own standard errors", () => {
    const truth = { r: 0.6, alpha: 20, a: 0.7, b: 3 };
    const fit = fitBgNbd(historiesOf(simulate(truth, { customers: 20_000, longest: 300, horizon: 0, seed: 5 })));
    assert.ok(fit.identified, JSON.stringify(fit.problems));
    for (const name of ["r", "alpha", "a", "b"] as const) {
      const errors = Math.log(fit.parameters![name] / truth[name]) / fit.logStandardErrors![name]!;
      assert.ok(Math.abs(errors) < 3, `${name} is ${errors} standard errors off`);
    }
  });

  it("of more histories than a search begins with stands where the likelihood of all of them is highest", () => {
    const histories = historiesOf(
      simulate({ r: 0.6, alpha: 20, a: 0.7, b: 3 }, { customers: 15_000, longest: 300, horizon: 0, seed: 8 }),
    );
    assert.equal(histories.x.length, 15_000);
    const { parameters, logLikelihood } = fitBgNbd(histories);
    for (const name of ["r", "alpha", "a", "b"] as const)
      for (const factor of [0.5, 0.999, 1.001, 2]) {
        const beside = { ...parameters!, [name]: parameters![name] * factor };
        assert.ok(bgNbdLogLikelihood(beside, histories) < logLikelihood!, `${name} × ${factor}`);
      }
  });

  it("is the same whether customers come one by one or grouped", () => {
    const people = simulate(
      { r: 0.6, alpha: 5, a: 0.7, b: 3 },
      { customers: 500, longest: 50, horizon: 0, seed: 6 },
    ).map(({ x, tx, T }) => ({ x, tx: Math.ceil(tx), T: Math.ceil(T) }));
    const grouped = historiesOf(people);
    assert.ok(grouped.x.length < people.length);
    const single = {
      x: Float64Array.from(people, ({ x }) => x),
      tx: Float64Array.from(people, ({ tx }) => tx),
      T: Float64Array.from(people, ({ T }) => T),
      customers: new Float64Array(people.length).fill(1),
    };
    assert.ok(Math.abs(fitBgNbd(single).logLikelihood! - fitBgNbd(grouped).logLikelihood!) < 1e-7);
  });

  it("of customers who never leave says that drop-out is not determined, and still gives bounded parameters", () => {
    const stay = { r: 2, alpha: 10, a: 1e-9, b: 1 };
    const fit = fitBgNbd(historiesOf(simulate(stay, { customers: 2_000, longest: 100, horizon: 0, seed: 7 })));
    assert.equal(fit.identified, false);
    assert.ok(fit.problems.some(({ code }) => code === "at_bound" || code === "flat_likelihood"));
    const { r, alpha, a, b } = fit.parameters!;
    for (const value of [r, alpha, a, b]) assert.ok(Number.isFinite(value) && value > 0);
    assert.ok(a / (a + b) < 0.01 && Math.abs(r / alpha / 0.2 - 1) < 0.1);
  });

  it("of few customers says which parameters they leave open, though a maximum exists", () => {
    const truth = { r: 0.24, alpha: 4.4, a: 0.8, b: 2.4 };
    const fit = fitBgNbd(historiesOf(simulate(truth, { customers: 120, longest: 39, horizon: 0, seed: 4 })));
    assert.equal(fit.identified, false);
    assert.deepEqual(
      fit.problems.map(({ code, parameter }) => [code, parameter]),
      [
        ["flat_likelihood", "a"],
        ["flat_likelihood", "b"],
      ],
    );
    assert.ok(fit.logStandardErrors!.a! > 1 && fit.logStandardErrors!.r! < 1);
  });

  it("of nobody, of one customer and of one-time buyers gives no parameters but a reason", () => {
    const codesOf = (x: number[], tx: number[], T: number[]): unknown[] => {
      const fit = fitBgNbd(groupHistories(x, tx, T));
      assert.equal(fit.identified, false);
      assert.equal(fit.parameters, undefined);
      return fit.problems.map(({ code }) => code);
    };
    assert.deepEqual(codesOf([], [], []), ["no_customers"]);
    assert.deepEqual(codesOf([3], [20], [30]), ["no_repeat_customers"]);
    assert.deepEqual(codesOf([0, 0, 0], [0, 0, 0], [30, 20, 10]), ["no_repeat_customers"]);
  });

  it("of two alike customers is flagged", () => {
    const fit = fitBgNbd(groupHistories([1, 1], [5, 5], [10, 10]));
    assert.equal(fit.identified, false);
    assert.ok(fit.problems.length > 0);
  });
});

describe("purchase histories", () => {
  it("that are the same are one group", () => {
    const grouped = groupHistories([0, 2, 0, 2, 2], [0, 5, 0, 5, 6], [9, 9, 9, 9, 9]);
    assert.deepEqual([...grouped.x], [0, 2, 2]);
    assert.deepEqual([...grouped.tx], [0, 5, 6]);
    assert.deepEqual([...grouped.customers], [2, 2, 1]);
  });

  it("that cannot be are refused by row", () => {
    assert.throws(() => groupHistories([1], [0], [9]), /row 0: x=1 tx=0/);
    assert.throws(() => groupHistories([0], [4], [9]), /row 0/);
    assert.throws(() => groupHistories([0, 1], [0, 10], [9, 9]), /row 1/);
    assert.throws(() => groupHistories([1.5], [2], [9]), /row 0/);
    assert.throws(() => groupHistories([1], [NaN], [9]), /row 0/);
    assert.throws(() => groupHistories([1], [2, 3], [9]), /unequal length/);
  });
});
