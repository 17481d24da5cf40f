import { fitLogistic, type FitProblem } from "./logistic-regression.ts";

/** log-odds = intercept + slope · log-odds of the fitted model. */
export interface Recalibration {
  readonly intercept: number;
  readonly slope: number;
}

export const NO_RECALIBRATION: Recalibration = { intercept: 0, slope: 1 };

/**
 * Platt's recalibration (1999) on the log-odds, on customers who had no part in the fit: seasons move the level of churn,
 * and sometimes its spread, more than its order.
 */
export const fitRecalibration = (
  logOdds: Float64Array,
  labels: Uint8Array,
): ({ readonly kind: "fitted" } & Recalibration) | ({ readonly kind: "refused" } & FitProblem) => {
  const fit = fitLogistic({ columns: [logOdds], labels }, { l2: 0 });
  return fit.kind === "refused" ? fit : { kind: "fitted", intercept: fit.intercept, slope: fit.coefficients[0]! };
};
