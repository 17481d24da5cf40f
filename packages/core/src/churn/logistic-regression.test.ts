import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { fitLogistic, type LogisticFit, type LogisticResult } from "./logistic-regression.ts";
import { drawn } from "./testing.ts";

const fitted = (result: LogisticResult): LogisticFit => {
  if (result.kind === "refused") assert.fail(`refused: ${result.reason}`);
  return result;
};
const near = (actual: number, expected: number, tolerance: number): void =>
  assert.ok(Math.abs(actual - expected) <= tolerance, `${actual} is not ${expected} ± ${tolerance}`);

/** O-rings of the space shuttle (Dalal, Fowlkes & Hoadley 1989): temperature in °F, distress. */
const temperature = Float64Array.of(
  ...[66, 70, 69, 68, 67, 72, 73, 70, 57, 63, 70, 78, 67, 53, 67, 75, 70, 81, 76, 79, 75, 76, 58],
);
const distress = Uint8Array.of(0, 1, 0, 0, 0, 0, 0, 0, 1, 1, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 1, 0, 1);

describe("logistic regression", () => {
  it("gives the published estimates for the O-rings of the space shuttle", () => {
    const fit = fitted(fitLogistic({ columns: [temperature], labels: distress }, { l2: 0 }));
    near(fit.intercept, 15.0429, 5e-5);
    near(fit.coefficients[0]!, -0.2322, 5e-5);
    near(fit.interceptStandardError, 7.3786, 5e-5);
    near(fit.standardErrors[0]!, 0.1082, 5e-5);
    near(-2 * fit.logLikelihood, 20.315, 5e-4);
  });

  it("ends where the penalised score is zero, whatever the data", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 1e6 }),
        fc.integer({ min: 1, max: 5 }),
        fc.constantFrom(0.1, 1, 30),
        (seed, size, l2) => {
          const { columns, labels } = drawn(
            seed,
            200,
            -0.5,
            Array.from({ length: size }, (_, j) => j - 1.5),
          );
          const result = fitLogistic({ columns, labels }, { l2 });
          if (result.kind === "refused") return result.reason === "one_class";
          const p = Array.from(labels, (_, i) => {
            const eta = columns.reduce((sum, x, j) => sum + result.coefficients[j]! * x[i]!, result.intercept);
            return 1 / (1 + Math.exp(-eta));
          });
          const score = columns.map(
            (x, j) => x.reduce((sum, value, i) => sum + (labels[i]! - p[i]!) * value, 0) - l2 * result.coefficients[j]!,
          );
          const balance = p.reduce((sum, value, i) => sum + labels[i]! - value, 0);
          return [...score, balance].every((value) => Math.abs(value) < 1e-6);
        },
      ),
      { seed: 11, numRuns: 60 },
    );
  });

  it("takes a weight of three as three rows", () => {
    const { columns, labels } = drawn(5, 150, 0.3, [1, -0.5]);
    const weights = Float64Array.from(labels, (_, i) => i % 4);
    const repeated = Array.from(labels, (_, i) => i).flatMap((i) => Array.from({ length: i % 4 }, () => i));
    const weighted = fitted(fitLogistic({ columns, labels, weights }, { l2: 0.5 }));
    const plain = fitted(
      fitLogistic(
        {
          columns: columns.map((column) => Float64Array.from(repeated, (i) => column[i]!)),
          labels: Uint8Array.from(repeated, (i) => labels[i]!),
        },
        { l2: 0.5 },
      ),
    );
    near(weighted.logLikelihood, plain.logLikelihood, 1e-9);
    weighted.coefficients.forEach((value, j) => near(value, plain.coefficients[j]!, 1e-9));
    weighted.standardErrors.forEach((value, j) => near(value, plain.standardErrors[j]!, 1e-9));
  });

  it("converges from large log-odds by halving the step, and on columns of any scale", () => {
    const { columns, labels } = drawn(9, 3000, 4, [6, -6]);
    const fit = fitted(fitLogistic({ columns, labels }, { l2: 0 }));
    const scaled = fitted(
      fitLogistic(
        { columns: [columns[0]!.map((x) => 2011 + x / 10), columns[1]!.map((x) => x * 1e7)], labels },
        { l2: 0 },
      ),
    );
    near(scaled.coefficients[0]! / 10, fit.coefficients[0]!, 1e-5);
    near(scaled.coefficients[1]! * 1e7, fit.coefficients[1]!, 1e-5);
  });

  it("names a perfect separation, complete or on the edge, and fits it under a penalty", () => {
    const complete = { columns: [Float64Array.of(1, 2, 3, 4)], labels: Uint8Array.of(0, 0, 1, 1) };
    assert.deepEqual(fitLogistic(complete, { l2: 0 }), { kind: "refused", reason: "separated" });
    // Quasi-complete: one value has both classes, all others are told apart.
    const quasi = { columns: [Float64Array.of(1, 2, 3, 3, 4, 5)], labels: Uint8Array.of(0, 0, 0, 1, 1, 1) };
    assert.deepEqual(fitLogistic(quasi, { l2: 0 }), { kind: "refused", reason: "separated" });
    const flag = drawn(3, 500, 0, [1]);
    const rare = Float64Array.from(flag.labels, (label, i) => (label === 1 && i % 9 === 0 ? 1 : 0));
    assert.deepEqual(fitLogistic({ columns: [...flag.columns, rare], labels: flag.labels }, { l2: 0 }), {
      kind: "refused",
      reason: "separated",
    });
    const held = fitted(fitLogistic(complete, { l2: 1 }));
    assert.equal(held.separated, true);
    assert.ok(Number.isFinite(held.coefficients[0]!) && held.coefficients[0]! > 0);
  });

  it("names constant and collinear columns", () => {
    const { columns, labels } = drawn(4, 300, 0, [1, -1]);
    const constant = new Float64Array(300).fill(7);
    assert.deepEqual(fitLogistic({ columns: [columns[0]!, constant], labels }, { l2: 0 }), {
      kind: "refused",
      reason: "constant_columns",
      columns: [1],
    });
    const sum = columns[0]!.map((value, i) => 2 * value - columns[1]![i]! + 3);
    assert.deepEqual(fitLogistic({ columns: [...columns, sum], labels }, { l2: 0 }), {
      kind: "refused",
      reason: "collinear_columns",
      columns: [2],
    });
    assert.equal(fitLogistic({ columns: [...columns, sum], labels }, { l2: 1 }).kind, "fitted");
  });

  it("names one class, no rows and values that are not finite", () => {
    const column = [Float64Array.of(1, 2, 3)];
    const reasonOf = (result: LogisticResult) => (result.kind === "refused" ? result.reason : "fitted");
    assert.equal(reasonOf(fitLogistic({ columns: column, labels: Uint8Array.of(1, 1, 1) }, { l2: 1 })), "one_class");
    assert.equal(
      reasonOf(fitLogistic({ columns: [new Float64Array(0)], labels: new Uint8Array(0) }, { l2: 1 })),
      "no_rows",
    );
    for (const value of [NaN, Infinity, -Infinity])
      assert.equal(
        reasonOf(fitLogistic({ columns: [Float64Array.of(1, value, 3)], labels: Uint8Array.of(1, 0, 1) }, { l2: 1 })),
        "not_finite",
      );
  });

  it("never answers NaN, however strange the columns", () => {
    const value = fc.oneof(fc.double({ noNaN: true }), fc.constantFrom(0, 1, 1e308, -1e308, 5e-324));
    fc.assert(
      fc.property(fc.array(fc.tuple(value, value, fc.constantFrom(0, 1)), { minLength: 1, maxLength: 30 }), (rows) => {
        const result = fitLogistic(
          {
            columns: [Float64Array.from(rows, ([a]) => a), Float64Array.from(rows, ([, b]) => b)],
            labels: Uint8Array.from(rows, ([, , label]) => label),
          },
          { l2: 1 },
        );
        return (
          result.kind === "refused" ||
          [result.intercept, ...result.coefficients, ...result.standardErrors, result.logLikelihood].every(
            Number.isFinite,
          )
        );
      }),
      { seed: 12, numRuns: 300 },
    );
  });
});
