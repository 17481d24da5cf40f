/** Whether a probability of 0.3 comes true three times in ten. */
import { fitLogistic } from "./logistic-regression.ts";
import { quantile } from "../numeric/quantile.ts";

/** Probabilities are kept this far from 0 and 1, so that one wrong certainty does not make every sum infinite. */
const EDGE = 1e-12;

export const clipped = (probability: number): number => Math.min(1 - EDGE, Math.max(EDGE, probability));

export const logit = (probability: number): number => {
  const p = clipped(probability);
  return Math.log(p / (1 - p));
};

export interface ProbabilityScores {
  /** −mean log-likelihood, natural logarithm. */
  readonly logLoss: number;
  /** Mean squared error of the probabilities (Brier 1950). */
  readonly brier: number;
}

/** @param weights how often each row counts; absent, once */
export const probabilityScores = (
  probabilities: Float64Array,
  labels: Uint8Array,
  weights?: Uint16Array,
): ProbabilityScores => weightedScores(rowLosses(probabilities, labels), weights);

/** What each row adds to the scores: computed once for many weightings. */
export interface RowLosses {
  readonly log: Float64Array;
  readonly squared: Float64Array;
}

export const rowLosses = (probabilities: Float64Array, labels: Uint8Array): RowLosses => ({
  log: probabilities.map((p, i) => -Math.log(labels[i] === 1 ? clipped(p) : 1 - clipped(p))),
  squared: probabilities.map((p, i) => (p - labels[i]!) ** 2),
});

export const weightedScores = (
  { log, squared }: RowLosses,
  weights: Uint16Array = new Uint16Array(log.length).fill(1),
): ProbabilityScores => {
  let [loss, squares, total] = [0, 0, 0];
  for (let i = 0; i < log.length; i++) {
    loss += weights[i]! * log[i]!;
    squares += weights[i]! * squared[i]!;
    total += weights[i]!;
  }
  return { logLoss: loss / total, brier: squares / total };
};

/** 1 − Brier score / that of the base rate: 0 knows no more than the mean, 1 knows all. NaN of one class. */
export const brierSkill = (brier: number, baseRate: number): number =>
  baseRate > 0 && baseRate < 1 ? 1 - brier / (baseRate * (1 - baseRate)) : NaN;

export const meanOf = (values: ArrayLike<number>): number => {
  let sum = 0;
  for (let i = 0; i < values.length; i++) sum += values[i]!;
  return sum / values.length;
};

/** log-odds of the truth = intercept + slope · log-odds of the prediction (Cox 1958). Perfect: 0 and 1. */
export interface CalibrationLine {
  readonly slope: number;
  readonly intercept: number;
  readonly slopeStandardError: number;
}

/** `undefined` where no such line exists: one class, equal probabilities throughout, or a perfect separation. */
export const calibrationLine = (probabilities: Float64Array, labels: Uint8Array): CalibrationLine | undefined => {
  const fit = fitLogistic({ columns: [Float64Array.from(probabilities, logit)], labels }, { l2: 0 });
  if (fit.kind === "refused") return undefined;
  return { slope: fit.coefficients[0]!, intercept: fit.intercept, slopeStandardError: fit.standardErrors[0]! };
};

/** Calibration in the large: what must be added to all log-odds for the mean to come true (slope held at 1). */
export const calibrationInTheLarge = (probabilities: Float64Array, labels: Uint8Array): number | undefined => {
  const fit = fitLogistic({ columns: [], labels, offset: Float64Array.from(probabilities, logit) }, { l2: 0 });
  return fit.kind === "refused" ? undefined : fit.intercept;
};

export interface ReliabilityBin {
  readonly from: number;
  readonly to: number;
  readonly customers: number;
  readonly meanPredicted: number;
  readonly observed: number;
  /** 95 % interval of the observed share (Wilson 1927). */
  readonly observedInterval: readonly [number, number];
}

/** Predicted against observed in ten bins: of equal width, or holding equally many customers. Empty bins are left out. */
export const reliabilityBins = (
  probabilities: Float64Array,
  labels: Uint8Array,
  strategy: "width" | "quantile" = "quantile",
  bins = 10,
): ReliabilityBin[] => {
  const ascending = strategy === "quantile" ? probabilities.toSorted() : [0, 1];
  const inner = [...new Set(Array.from({ length: bins - 1 }, (_, i) => quantile(ascending, (i + 1) / bins)))];
  const sums = Array.from({ length: inner.length + 1 }, () => ({ customers: 0, predicted: 0, churned: 0 }));
  for (let i = 0; i < labels.length; i++) {
    let bin = 0;
    while (bin < inner.length && probabilities[i]! > inner[bin]!) bin++;
    const sum = sums[bin]!;
    sum.customers++;
    sum.predicted += probabilities[i]!;
    sum.churned += labels[i]!;
  }
  return sums.flatMap(({ customers, predicted, churned }, bin) =>
    customers === 0
      ? []
      : [
          {
            from: inner[bin - 1] ?? ascending[0]!,
            to: inner[bin] ?? ascending[ascending.length - 1]!,
            customers,
            meanPredicted: predicted / customers,
            observed: churned / customers,
            observedInterval: wilson(churned, customers),
          },
        ],
  );
};

/** 95 % interval of a share: Wilson's score interval. */
export const wilson = (successes: number, trials: number): readonly [number, number] => {
  const z = 1.959963984540054;
  const share = successes / trials;
  const scale = 1 + (z * z) / trials;
  const centre = (share + (z * z) / (2 * trials)) / scale;
  const half = (z / scale) * Math.sqrt((share * (1 - share)) / trials + (z * z) / (4 * trials * trials));
  return [Math.max(0, centre - half), Math.min(1, centre + half)];
};
