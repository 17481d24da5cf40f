import type { Dialect } from "@ebb/lake/dialect";

const BINS = 20;
/** Thresholds that the whole is told for: 0, 0.02, …, 1. */
const THRESHOLDS = 50;

const scored = (m: Dialect, cutoff: string): string => `
  SELECT churn_probability, churn_decile, expected_loss_minor, driver_1, driver_1_words
  FROM customer_scores
  WHERE cutoff = ${m.textLiteral(cutoff)} AND churn_probability IS NOT NULL`;

/** Customers by bin of probability, of equal width; the last holds 1 too. */
export const distributionSql = (m: Dialect, cutoff: string): string => `
SELECT
  CASE WHEN churn_probability >= 1 THEN ${BINS - 1} ELSE CAST(floor(churn_probability * ${BINS}) AS int) END AS bin,
  count(*) AS customers
FROM (${scored(m, cutoff)}) AS scored
GROUP BY 1
ORDER BY 1`;

export const decilesSql = (m: Dialect, cutoff: string): string => `
SELECT
  churn_decile, count(*) AS customers, avg(churn_probability) AS mean_probability,
  sum(expected_loss_minor) AS expected_loss_minor
FROM (${scored(m, cutoff)}) AS scored
GROUP BY churn_decile
ORDER BY churn_decile`;

/** Of how many customers a reason is the one that weighs most, where it speaks for leaving. */
export const reasonsSql = (m: Dialect, cutoff: string): string => `
SELECT driver_1, max(driver_1_words) AS words, count(*) AS customers
FROM (${scored(m, cutoff)} AND driver_1_log_odds > 0) AS scored
GROUP BY driver_1
ORDER BY count(*) DESC, driver_1
LIMIT 15`;

/**
 * Customers, their expected leavers and expected loss by fiftieth of probability: thresholds are sums from the top.
 * The billionth is for a probability that is a threshold: 0.58 × 50 is a little under 29.
 */
export const stepsSql = (m: Dialect, cutoff: string): string => `
SELECT
  CASE WHEN churn_probability >= ${(THRESHOLDS - 1) / THRESHOLDS} THEN ${THRESHOLDS - 1} ELSE CAST(floor(churn_probability * ${THRESHOLDS} + 1e-9) AS int) END AS step,
  count(*) AS customers, sum(churn_probability) AS leavers, sum(expected_loss_minor) AS expected_loss_minor
FROM (${scored(m, cutoff)}) AS scored
GROUP BY 1
ORDER BY 1`;

export const bins = BINS;
export const thresholds = THRESHOLDS;
