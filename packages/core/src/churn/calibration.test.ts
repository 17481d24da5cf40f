import assert from "node:assert/strict";
import { describe, it } from "node:test";
import {
  brierSkill,
  calibrationInTheLarge,
  calibrationLine,
  logit,
  probabilityScores,
  reliabilityBins,
  wilson,
} from "./calibration.ts";
import { sigmoid } from "./logistic-pass.ts";
import { uniform } from "../numeric/random.ts";
import { fitRecalibration } from "./recalibration.ts";

const near = (actual: number, expected: number, tolerance = 1e-12): void =>
  assert.ok(Math.abs(actual - expected) <= tolerance, `${actual} is not ${expected} ± ${tolerance}`);

/** Probabilities that come true. */
const honest = (rows: number): { probabilities: Float64Array; labels: Uint8Array } => {
  const random = uniform(3);
  const probabilities = Float64Array.from({ length: rows }, () => 0.05 + 0.9 * random());
  return { probabilities, labels: Uint8Array.from(probabilities, (p) => (random() < p ? 1 : 0)) };
};

describe("calibration", () => {
  it("gives scikit-learn's documented log loss and Brier score", () => {
    near(probabilityScores(Float64Array.of(0.9, 0.1, 0.2, 0.65), Uint8Array.of(1, 0, 0, 1)).logLoss, 0.21616, 5e-6);
    near(probabilityScores(Float64Array.of(0.1, 0.9, 0.8, 0.3), Uint8Array.of(0, 1, 1, 0)).brier, 0.0375);
  });

  it("survives certainties that are wrong", () => {
    const { logLoss } = probabilityScores(Float64Array.of(0, 1), Uint8Array.of(1, 0));
    assert.ok(Number.isFinite(logLoss) && logLoss > 20);
  });

  it("has no skill in the base rate and full skill in the truth", () => {
    near(brierSkill(0.25 * 0.75, 0.25), 0);
    near(brierSkill(0, 0.25), 1);
  });

  it("finds slope 1 and intercept 0 where probabilities come true", () => {
    const { probabilities, labels } = honest(40_000);
    const line = calibrationLine(probabilities, labels)!;
    near(line.slope, 1, 3.5 * line.slopeStandardError);
    near(line.intercept, 0, 0.05);
    near(calibrationInTheLarge(probabilities, labels)!, 0, 0.05);
  });

  it("undoes a distortion of the log-odds, and says so on the customers that it was fitted on", () => {
    const { probabilities, labels } = honest(5000);
    const distorted = Float64Array.from(probabilities, (p) => 0.7 + 2 * logit(p));
    const line = fitRecalibration(distorted, labels);
    assert.ok(line.kind === "fitted");
    near(line.slope, 0.5, 0.05);
    near(line.intercept, -0.35, 0.1);
    const recalibrated = distorted.map((logOdds) => sigmoid(line.intercept + line.slope * logOdds));
    near(calibrationLine(recalibrated, labels)!.slope, 1, 1e-6);
    near(calibrationInTheLarge(recalibrated, labels)!, 0, 1e-6);
  });

  it("has no line for one class or for one probability", () => {
    assert.equal(calibrationLine(Float64Array.of(0.2, 0.6), Uint8Array.of(1, 1)), undefined);
    assert.equal(calibrationLine(Float64Array.of(0.5, 0.5), Uint8Array.of(0, 1)), undefined);
  });

  it("puts every customer in one bin, and observed beside predicted", () => {
    const { probabilities, labels } = honest(5003);
    for (const strategy of ["width", "quantile"] as const) {
      const bins = reliabilityBins(probabilities, labels, strategy);
      assert.equal(
        bins.reduce((sum, { customers }) => sum + customers, 0),
        5003,
      );
      for (const { meanPredicted, observed, from, to } of bins) {
        assert.ok(meanPredicted >= from && meanPredicted <= to);
        near(observed, meanPredicted, 0.08);
      }
    }
    assert.deepEqual(reliabilityBins(Float64Array.of(0.3, 0.3), Uint8Array.of(0, 1)).length, 1);
  });

  it("gives Wilson's published interval", () => {
    // Newcombe 1998, table I, method 3: 81 of 263 and 15 of 148.
    const [low, high] = wilson(81, 263);
    near(low, 0.2553, 5e-5);
    near(high, 0.3662, 5e-5);
    const [lower, upper] = wilson(15, 148);
    near(lower, 0.0624, 5e-5);
    near(upper, 0.1605, 5e-5);
  });
});
