/** One customer's time, from what the latest run curated: orders and refunds, visits by day, posts, and scores by run. */
import type { Dialect } from "@ebb/lake/dialect";

const EACH = 200;

export const ordersOfSql = (m: Dialect, customerKey: string): string => `
SELECT entry, order_id, occurred_at, currency, total_minor, units, line_count, cancelled, counts
FROM order_facts
WHERE customer_key = ${m.textLiteral(customerKey)}
ORDER BY occurred_at DESC, event_id
LIMIT ${EACH}`;

/** Visits of a day are one entry: what was seen on it, by kind. */
export const visitsOfSql = (m: Dialect, customerKey: string): string => `
SELECT
  ${m.truncDay("occurred_at")} AS day, kind, max(occurred_at) AS last_at, count(*) AS events,
  max(product_name) AS product
FROM curated_activity
WHERE customer_key = ${m.textLiteral(customerKey)}
GROUP BY 1, 2
ORDER BY 1 DESC, 2
LIMIT ${EACH}`;

export const postsOfSql = (m: Dialect, customerKey: string): string => `
SELECT kind, occurred_at, platform, body, sentiment
FROM curated_social
WHERE customer_key = ${m.textLiteral(customerKey)}
ORDER BY occurred_at DESC, event_id
LIMIT ${EACH}`;

export const historyOfSql = (m: Dialect, customerKey: string): string => `
SELECT cutoff, segment, recency_score, frequency_score, monetary_score, churn_probability
FROM customer_scores
WHERE customer_key = ${m.textLiteral(customerKey)}
ORDER BY cutoff
LIMIT ${EACH}`;
