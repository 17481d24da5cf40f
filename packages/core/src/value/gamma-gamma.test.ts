import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { describe, it } from "node:test";
import { uniform } from "../numeric/random.ts";
import { cdnowSample, cdnowSampleFile } from "./cdnow.testing.ts";
import { expectedSpend, fitGammaGamma } from "./gamma-gamma.ts";
import { drawGamma } from "./simulated.testing.ts";

const skip = existsSync(cdnowSampleFile)
  ? false
  : `${cdnowSampleFile} is not there; EBB_TEST_DATA names another folder`;

describe("the Gamma-Gamma fit of the CDNOW sample", { skip }, () => {
  const fitted = () => {
    const customers = cdnowSample();
    return fitGammaGamma(
      customers.map(({ x }) => x),
      customers.map(({ meanSpend }) => meanSpend),
    );
  };

  it("has the published parameters on the 946 repeat customers (Fader & Hardie 2013)", () => {
    const fit = fitted();
    assert.ok(fit.identified);
    assert.equal(fit.customers, 946);
    assert.equal(fit.withoutRepeatPurchase, 1_411);
    const { p, q, gamma } = fit.parameters!;
    assert.deepEqual(
      [p, q, gamma].map((value) => value.toFixed(2)),
      ["6.25", "3.74", "15.44"],
    );
    assert.ok(fit.correlation! > 0 && fit.correlation! < 0.2);
  });

  it("draws a customer's mean towards that of all, the less it has bought", () => {
    const { parameters } = fitted();
    const ofAll = expectedSpend(parameters!, 0, 0)!;
    assert.ok(Math.abs(ofAll - 35.16) < 0.05, `population mean ${ofAll}`);
    const [once, often] = [expectedSpend(parameters!, 1, 100)!, expectedSpend(parameters!, 20, 100)!];
    assert.ok(ofAll < once && once < often && often < 100);
  });
});

describe("a Gamma-Gamma fit", () => {
  const population = (customers: number, p: number, q: number, gamma: number, seed: number) => {
    const random = uniform(seed);
    const x: number[] = [];
    const spend: number[] = [];
    for (let i = 0; i < customers; i++) {
      const scale = drawGamma(random, q) / gamma;
      const count = 1 + Math.floor(random() * 6);
      x.push(count);
      spend.push(drawGamma(random, p * count) / scale / count);
    }
    return { x, spend };
  };

  it("finds the parameters of a population again, within its own standard errors, in pence as in pounds", () => {
    const truth = { p: 3, q: 4, gamma: 50 };
    const { x, spend } = population(5_000, truth.p, truth.q, truth.gamma, 11);
    const pounds = fitGammaGamma(x, spend);
    const pence = fitGammaGamma(
      x,
      spend.map((value) => value * 100),
    );
    for (const name of ["p", "q", "gamma"] as const) {
      const errors = Math.log(pounds.parameters![name] / truth[name]) / pounds.logStandardErrors![name]!;
      assert.ok(Math.abs(errors) < 3, `${name} is ${errors} standard errors off`);
    }
    assert.ok(Math.abs(pence.parameters!.gamma / 100 - pounds.parameters!.gamma) < 1e-5);
    assert.ok(Math.abs(pence.parameters!.p - pounds.parameters!.p) < 1e-6);
  });

  it("leaves out repeat customers without a positive spend, and says how many", () => {
    const { x, spend } = population(300, 3, 4, 50, 12);
    const plain = fitGammaGamma(x, spend);
    const mixed = fitGammaGamma([...x, 2, 3, 0], [...spend, 0, -10, NaN]);
    assert.equal(mixed.withoutPositiveSpend, 2);
    assert.equal(mixed.withoutRepeatPurchase, 1);
    assert.deepEqual(mixed.parameters, plain.parameters);
  });

  it("of equal spends is flagged: nothing tells how they would spread", () => {
    const fit = fitGammaGamma([1, 2, 3, 1], [20, 20, 20, 20]);
    assert.equal(fit.identified, false);
    assert.ok(fit.problems.some(({ code }) => code === "at_bound" || code === "flat_likelihood"));
    assert.ok(Number.isFinite(expectedSpend(fit.parameters!, 2, 20)));
  });

  it("of nobody, of one-time buyers and of free orders gives no parameters but a reason", () => {
    assert.deepEqual(
      [fitGammaGamma([], []), fitGammaGamma([0, 0], [0, 0]), fitGammaGamma([1, 2], [0, -5])].map((fit) => [
        fit.parameters,
        fit.problems.map(({ code }) => code),
      ]),
      [
        [undefined, ["no_repeat_customers"]],
        [undefined, ["no_repeat_customers"]],
        [undefined, ["no_positive_spend"]],
      ],
    );
  });

  it("refuses spends that are no numbers", () => {
    assert.throws(() => fitGammaGamma([1], [NaN]), /row 0/);
    assert.throws(() => fitGammaGamma([1, 2], [5]), /unequal length/);
  });

  it("has no expected spend for a new customer where the mean is infinite", () => {
    assert.equal(expectedSpend({ p: 2, q: 0.9, gamma: 10 }, 0, 0), undefined);
    assert.ok(expectedSpend({ p: 2, q: 0.9, gamma: 10 }, 1, 10)! > 0);
  });
});
