import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { intervalOf, resample } from "./bootstrap.ts";
import { evaluated } from "./evaluation.ts";
import { robustErrors } from "./robust-errors.ts";
import { fitLogistic } from "./logistic-regression.ts";
import { drawn } from "./testing.ts";
import { logOddsOf, sigmoid } from "./logistic-pass.ts";

const keysOf = (rows: number): string[] => Array.from({ length: rows }, (_, i) => `cus_${i}`);

describe("intervals clustered by customer", () => {
  it("draws each customer with all rows, as many customers as there are, and the same again for the same seed", () => {
    const keys = ["a", "b", "a", "c", "b", "a"];
    const replicates: number[][] = [];
    resample(keys, { replicates: 50, seed: 4 }, (weights) => replicates.push([...weights]));
    for (const [a, b, a2, c, b2, a3] of replicates) {
      assert.deepEqual([a2, a3, b2], [a, a, b]);
      assert.equal(a! + b! + c!, 3);
    }
    const again: number[][] = [];
    resample(keys, { replicates: 50, seed: 4 }, (weights) => again.push([...weights]));
    assert.deepEqual(again, replicates);
    assert.ok(new Set(replicates.map(String)).size > 5);
  });

  it("has the width that theory gives for a mean", () => {
    const values = Float64Array.from({ length: 400 }, (_, i) => (i % 2 === 0 ? 1 : 0));
    const means: number[] = [];
    resample(keysOf(400), { replicates: 1000, seed: 5 }, (weights) =>
      means.push(values.reduce((sum, value, i) => sum + weights[i]! * value, 0) / 400),
    );
    const { low, high } = intervalOf(0.5, means);
    const expected = 2 * 1.96 * Math.sqrt(0.25 / 400);
    assert.ok(Math.abs(high - low - expected) < 0.15 * expected, `${high - low} against ${expected}`);
  });

  it("is not fooled by repeated rows of the same customers", () => {
    const { columns, labels } = drawn(8, 300, 0, [1]);
    const probabilities = columns[0]!.map(sigmoid);
    const four = <T>(values: ArrayLike<T>): T[] => [0, 1, 2, 3].flatMap(() => Array.from(values));
    const options = { replicates: 200, seed: 6 };
    const [once] = evaluated([probabilities], labels, keysOf(300), options);
    const [repeated] = evaluated(
      [Float64Array.from(four(probabilities))],
      Uint8Array.from(four(labels)),
      four(keysOf(300)),
      options,
    );
    assert.ok(Math.abs(once!.evaluation.auc.low - repeated!.evaluation.auc.low) < 1e-9);
    assert.ok(Math.abs(once!.evaluation.auc.high - repeated!.evaluation.auc.high) < 1e-9);
  });

  it("pairs the sets: a set behind itself is behind by exactly nothing", () => {
    const { columns, labels } = drawn(8, 300, 0, [1]);
    const probabilities = columns[0]!.map(sigmoid);
    const [, same] = evaluated([probabilities, probabilities], labels, keysOf(300), { replicates: 50, seed: 6 });
    assert.deepEqual(same!.aucBehindFirst, { value: 0, low: 0, high: 0 });
  });
});

describe("cluster-robust standard errors", () => {
  it("do not shrink when every customer's row is repeated, where naive ones halve", () => {
    const { columns, labels } = drawn(21, 600, 0.2, [0.7, -0.4]);
    const four = (values: ArrayLike<number>): number[] => [0, 1, 2, 3].flatMap(() => Array.from(values));
    const errorsOf = (times: (values: ArrayLike<number>) => number[], keys: string[]) => {
      const data = { columns: columns.map((x) => Float64Array.from(times(x))), labels: Uint8Array.from(times(labels)) };
      const fit = fitLogistic(data, { l2: 0 });
      assert.ok(fit.kind === "fitted");
      const beta = Float64Array.of(fit.intercept, ...fit.coefficients);
      return { naive: fit.standardErrors[0]!, robust: robustErrors(data, beta, fit.covariance, keys)[1]! };
    };
    const once = errorsOf((values) => Array.from(values), keysOf(600));
    const repeated = errorsOf(
      four,
      [0, 1, 2, 3].flatMap(() => keysOf(600)),
    );
    assert.ok(Math.abs(repeated.naive / once.naive - 0.5) < 1e-6);
    assert.ok(Math.abs(repeated.robust / once.robust - 1) < 0.01);
    assert.ok(Math.abs(once.robust / once.naive - 1) < 0.15);
  });
});

describe("log-odds of columns", () => {
  it("are intercept plus the sum of coefficient times value", () => {
    assert.deepEqual(
      [...logOddsOf([Float64Array.of(1, 2), Float64Array.of(10, 20)], 2, Float64Array.of(0.5, 2, -1))],
      [-7.5, -15.5],
    );
  });
});
