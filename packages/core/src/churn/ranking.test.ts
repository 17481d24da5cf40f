import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { decileTable } from "./deciles.ts";
import { aucOf, discriminationOf, gainCurve, precisionRecallCurve, rankingOf, rocCurve } from "./ranking.ts";

const near = (actual: number, expected: number, tolerance = 1e-12): void =>
  assert.ok(Math.abs(actual - expected) <= tolerance, `${actual} is not ${expected} ± ${tolerance}`);

/** Few distinct probabilities, so that ties are common; both classes. */
const scored = fc
  .array(fc.tuple(fc.integer({ min: 0, max: 6 }), fc.constantFrom(0, 1), fc.integer({ min: 0, max: 3 })), {
    minLength: 2,
    maxLength: 60,
  })
  .filter((rows) => [0, 1].every((label) => rows.some((row) => row[1] === label && row[2] > 0)))
  .map((rows) => ({
    probabilities: Float64Array.from(rows, ([p]) => p / 6),
    labels: Uint8Array.from(rows, ([, label]) => label),
    weights: Uint16Array.from(rows, ([, , weight]) => weight),
  }));

describe("ranking figures", () => {
  it("gives the figures of scikit-learn's documentation", () => {
    const ranking = rankingOf(Float64Array.of(0.1, 0.4, 0.35, 0.8), Uint8Array.of(0, 0, 1, 1));
    const { auc, averagePrecision, ks } = discriminationOf(ranking);
    near(auc, 0.75);
    near(averagePrecision, 0.5 + 0.5 * (2 / 3));
    near(ks, 0.5);
  });

  it("counts pairs: AUC is the share of churner-stayer pairs in the right order, ties half, rows weighted", () => {
    fc.assert(
      fc.property(scored, ({ probabilities, labels, weights }) => {
        let [right, pairs] = [0, 0];
        labels.forEach((a, i) =>
          labels.forEach((b, j) => {
            if (a !== 1 || b !== 0) return;
            const weight = weights[i]! * weights[j]!;
            pairs += weight;
            right +=
              weight * (probabilities[i]! > probabilities[j]! ? 1 : probabilities[i] === probabilities[j] ? 0.5 : 0);
          }),
        );
        near(discriminationOf(rankingOf(probabilities, labels), weights).auc, right / pairs, 1e-12);
      }),
      { seed: 1, numRuns: 300 },
    );
  });

  it("does not depend on the order of the rows", () => {
    fc.assert(
      fc.property(scored, ({ probabilities, labels }) => {
        const reversed = discriminationOf(rankingOf(probabilities.toReversed(), labels.toReversed()));
        const figures = discriminationOf(rankingOf(probabilities, labels));
        for (const name of ["auc", "averagePrecision", "ks"] as const) near(reversed[name], figures[name], 1e-12);
      }),
      { seed: 2 },
    );
  });

  it("has an ROC curve whose area is the AUC, and curves that end at one", () => {
    fc.assert(
      fc.property(scored, ({ probabilities, labels }) => {
        const ranking = rankingOf(probabilities, labels);
        const roc = rocCurve(ranking);
        const area = roc.slice(1).reduce((sum, { x, y }, i) => sum + ((x - roc[i]!.x) * (y + roc[i]!.y)) / 2, 0);
        near(area, discriminationOf(ranking).auc);
        near(area, aucOf(probabilities, labels));
        assert.deepEqual(roc.at(-1), { x: 1, y: 1 });
        assert.deepEqual(gainCurve(ranking).at(-1), { x: 1, y: 1 });
        assert.equal(precisionRecallCurve(ranking).at(-1)!.x, 1);
      }),
      { seed: 3 },
    );
  });

  it("thins long curves and keeps their ends", () => {
    const probabilities = Float64Array.from({ length: 5000 }, (_, i) => i / 5000);
    const roc = rocCurve(
      rankingOf(
        probabilities,
        Uint8Array.from(probabilities, (_, i) => (i % 3 === 0 ? 1 : 0)),
      ),
    );
    assert.ok(roc.length <= 202);
    assert.deepEqual(
      [roc[0], roc.at(-1)],
      [
        { x: 0, y: 0 },
        { x: 1, y: 1 },
      ],
    );
  });

  it("refuses a probability that is not a number", () => {
    assert.throws(() => rankingOf(Float64Array.of(0.5, NaN), Uint8Array.of(0, 1)), RangeError);
  });
});

describe("deciles", () => {
  it("are sized as ntile(10), and add up to all customers and all churners", () => {
    const probabilities = Float64Array.from({ length: 23 }, (_, i) => 1 - i / 23);
    const labels = Uint8Array.from(probabilities, (_, i) => (i < 5 ? 1 : 0));
    const deciles = decileTable(rankingOf(probabilities, labels), probabilities);
    assert.deepEqual(
      deciles.map(({ customers }) => customers),
      [3, 3, 3, 2, 2, 2, 2, 2, 2, 2],
    );
    assert.deepEqual(
      deciles.map(({ churned }) => churned),
      [3, 2, 0, 0, 0, 0, 0, 0, 0, 0],
    );
    near(deciles[0]!.lift, 23 / 5);
    near(deciles[0]!.gain, 0.6);
    near(deciles[9]!.gain, 1);
  });
});
