import { type Interval, intervalOf, resample } from "./bootstrap.ts";
import {
  brierSkill,
  calibrationInTheLarge,
  calibrationLine,
  meanOf,
  rowLosses,
  weightedScores,
} from "./calibration.ts";
import type { Evaluation } from "./model-card.ts";
import { discriminationOf, rankingOf } from "./ranking.ts";

export interface ResamplingOptions {
  readonly replicates: number;
  readonly seed: number;
}

export interface Evaluated {
  readonly evaluation: Evaluation;
  /** AUC of the first set of probabilities minus this one's. */
  readonly aucBehindFirst: Interval;
}

type Figures = Record<"auc" | "averagePrecision" | "ks" | "logLoss" | "brier", number>;

/**
 * Figures of several sets of probabilities for the same customers, resampled together: the replicates are paired, so the
 * differences' intervals are those of differences.
 */
export const evaluated = (
  sets: readonly Float64Array[],
  labels: Uint8Array,
  customers: readonly string[],
  options: ResamplingOptions,
): Evaluated[] => {
  const rankings = sets.map((probabilities) => rankingOf(probabilities, labels));
  const losses = sets.map((probabilities) => rowLosses(probabilities, labels));
  const figuresOf = (i: number, weights?: Uint16Array): Figures => ({
    ...discriminationOf(rankings[i]!, weights),
    ...weightedScores(losses[i]!, weights),
  });
  const values = sets.map((_, i) => figuresOf(i));
  const drawn = sets.map((): Figures[] => []);
  resample(customers, options, (weights) => sets.forEach((_, i) => drawn[i]!.push(figuresOf(i, weights))));
  const churned = labels.reduce((sum, label) => sum + label, 0);
  return sets.map((probabilities, i) => {
    const interval = (figure: keyof Figures): Interval =>
      intervalOf(
        values[i]![figure],
        drawn[i]!.map((replicate) => replicate[figure]),
      );
    return {
      evaluation: {
        customers: labels.length,
        churned,
        meanPredicted: meanOf(probabilities),
        auc: interval("auc"),
        averagePrecision: interval("averagePrecision"),
        ks: interval("ks"),
        logLoss: interval("logLoss"),
        brier: interval("brier"),
        brierSkill: brierSkill(values[i]!.brier, churned / labels.length),
        calibration: calibrationOf(probabilities, labels),
      },
      aucBehindFirst: intervalOf(
        values[0]!.auc - values[i]!.auc,
        drawn[i]!.map((replicate, k) => drawn[0]![k]!.auc - replicate.auc),
      ),
    };
  });
};

const calibrationOf = (probabilities: Float64Array, labels: Uint8Array): Evaluation["calibration"] => {
  const line = calibrationLine(probabilities, labels);
  const inTheLarge = calibrationInTheLarge(probabilities, labels);
  if (line === undefined || inTheLarge === undefined) return null;
  const half = 1.959963984540054 * line.slopeStandardError;
  return {
    slope: line.slope,
    slopeInterval: [line.slope - half, line.slope + half],
    intercept: line.intercept,
    inTheLarge,
  };
};
