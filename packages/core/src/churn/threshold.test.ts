import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { rankingOf } from "./ranking.ts";
import { breakEven, confusionAt, profitCurve } from "./threshold.ts";

const economics = { contactCostMinor: 100, saveRate: 0.2, valueMinor: 1000 };
const probabilities = Float64Array.of(0.9, 0.8, 0.8, 0.3, 0.1);
const labels = Uint8Array.of(1, 1, 0, 1, 0);

describe("threshold by expected profit", () => {
  it("is where a contact pays for itself", () => {
    assert.equal(breakEven(economics), 0.5);
    assert.equal(breakEven({ ...economics, contactCostMinor: 0 }), 0);
    assert.equal(breakEven({ ...economics, contactCostMinor: 900 }), 1);
    assert.equal(breakEven({ ...economics, saveRate: 0 }), 1);
    assert.equal(breakEven({ contactCostMinor: 0, saveRate: 0, valueMinor: 0 }), 1);
  });

  it("counts who would be contacted, and what that would have brought", () => {
    // Three contacts at 100, two of them churners, one in five kept, worth 1,000: 2 · 200 − 300 = 100 for five customers.
    assert.deepEqual(confusionAt(probabilities, labels, 0.5, economics), {
      threshold: 0.5,
      truePositives: 2,
      falsePositives: 1,
      trueNegatives: 1,
      falseNegatives: 1,
      accuracy: 3 / 5,
      precision: 2 / 3,
      recall: 2 / 3,
      profitPerThousandMinor: 20_000,
    });
    assert.equal(confusionAt(probabilities, labels, 0.95, economics).precision, null);
    assert.equal(
      confusionAt(probabilities, labels, 0.8, economics).truePositives,
      2,
      "the threshold itself is at risk",
    );
  });

  it("draws profit from the riskiest customer to all; equal probabilities are contacted together", () => {
    assert.deepEqual(
      profitCurve(rankingOf(probabilities, labels), probabilities, economics).map(
        ({ contacted, profitPerThousandMinor }) => [contacted, Math.round(profitPerThousandMinor)],
      ),
      [
        [1, 20_000],
        [3, 20_000],
        [4, 40_000],
        [5, 20_000],
      ],
    );
  });
});
