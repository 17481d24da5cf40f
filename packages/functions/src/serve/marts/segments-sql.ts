import type { Dialect } from "@ebb/lake/dialect";

/** Every figure is of one run, named by its day `YYYY-MM-DD`. */
export const segmentsSql = (m: Dialect, cutoff: string): string => `
WITH scored AS (
  SELECT
    segment AS scored_segment, avg(churn_probability) AS mean_churn_probability,
    sum(expected_loss_minor) AS expected_loss_minor
  FROM customer_scores
  WHERE cutoff = ${m.textLiteral(cutoff)}
  GROUP BY segment
)
SELECT s.segment, s.customers, s.net_minor, s.entered, s.departed, c.mean_churn_probability, c.expected_loss_minor
FROM segment_daily AS s
LEFT JOIN scored AS c ON c.scored_segment = s.segment
WHERE s.cutoff = ${m.textLiteral(cutoff)} AND s.customers > 0
ORDER BY s.customers DESC, s.segment`;

export const movementsSql = (m: Dialect, cutoff: string): string => `
SELECT from_segment, to_segment, customers
FROM segment_movements
WHERE cutoff = ${m.textLiteral(cutoff)} AND previous_cutoff IS NOT NULL
  AND from_segment <> to_segment AND from_segment <> '' AND to_segment <> ''
ORDER BY customers DESC, from_segment, to_segment`;

/** 5 × 5: the columns of a score of frequency and money are those of the segment map, their rounded mean. */
export const gridSql = (m: Dialect, cutoff: string): string => `
SELECT
  recency_score,
  CAST(floor((frequency_score + monetary_score + 1) / 2.0) AS int) AS frequency_monetary,
  min(segment) AS segment, max(segment) AS last_segment,
  sum(customers) AS customers, sum(net_minor) AS net_minor
FROM rfm_grid
WHERE cutoff = ${m.textLiteral(cutoff)}
GROUP BY 1, 2
ORDER BY 1, 2`;

export const clustersSql = (m: Dialect, cutoff: string): string => `
SELECT
  c.cluster, count(*) AS customers, sum(c.net_minor) AS net_minor,
  avg(CAST(${m.daysBetween("c.last_order_at", `DATE '${cutoff}'`)} AS double)) AS recency_days,
  avg(CAST(c.orders AS double)) AS orders
FROM customer_scores AS c
WHERE c.cutoff = ${m.textLiteral(cutoff)} AND c.cluster IS NOT NULL
GROUP BY c.cluster
ORDER BY count(*) DESC, c.cluster`;
