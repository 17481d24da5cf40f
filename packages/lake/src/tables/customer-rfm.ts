import type { View } from "../table.ts";

/** The plain computation of `aggregateOf` in `@ebb/core/customers`: what the customer store must equal, always. */
export const customerRfm: View = {
  name: "customer_rfm",
  grain: "one row per customer who ever ordered or gave something back",
  columns: {
    customer_key: { type: "string", description: "Pseudonym" },
    orders: { type: "bigint", description: "Orders that are not cancelled and have a net above 0" },
    gross_minor: { type: "bigint", description: "Minor units of the reporting currency" },
    refund_minor: { type: "bigint", description: "Minor units of the reporting currency" },
    net_minor: { type: "bigint", description: "gross_minor − refund_minor" },
    first_order_at: { type: "timestamp", description: "UTC; first counted order, NULL when none counts" },
    last_order_at: { type: "timestamp", description: "UTC; last counted order, NULL when none counts" },
  },
  sql: () => `
WITH stated AS (
  SELECT
    customer_key, order_key,
    sum(CASE WHEN entry = 'order' THEN reporting_minor ELSE 0 END) AS gross_minor,
    sum(CASE WHEN entry = 'refund' THEN reporting_minor ELSE 0 END) AS explicit_minor,
    bool_or(entry = 'refund' AND full_refund) AS fully_refunded,
    bool_or(cancelled) AS cancelled,
    max(CASE WHEN entry = 'order' THEN occurred_at END) AS ordered_at
  FROM order_entries
  WHERE customer_key IS NOT NULL
  GROUP BY customer_key, order_key
),
effects AS (
  SELECT
    customer_key, gross_minor, cancelled, ordered_at,
    CASE
      WHEN cancelled THEN 0
      WHEN fully_refunded AND gross_minor > explicit_minor THEN gross_minor
      ELSE explicit_minor
    END AS refund_minor
  FROM stated
),
counted AS (
  SELECT
    customer_key, gross_minor, refund_minor, ordered_at,
    ordered_at IS NOT NULL AND NOT cancelled AND gross_minor > refund_minor AS counts
  FROM effects
)
SELECT
  customer_key,
  CAST(sum(CASE WHEN counts THEN 1 ELSE 0 END) AS bigint) AS orders,
  CAST(sum(gross_minor) AS bigint) AS gross_minor,
  CAST(sum(refund_minor) AS bigint) AS refund_minor,
  CAST(sum(gross_minor - refund_minor) AS bigint) AS net_minor,
  min(CASE WHEN counts THEN ordered_at END) AS first_order_at,
  max(CASE WHEN counts THEN ordered_at END) AS last_order_at
FROM counted
GROUP BY customer_key`,
  tests: {
    "net = gross - refunds": `SELECT customer_key FROM customer_rfm WHERE net_minor <> gross_minor - refund_minor`,
    "a customer has a first and a last order exactly when one counts": `
      SELECT customer_key FROM customer_rfm
      WHERE (orders = 0) <> (first_order_at IS NULL) OR (orders = 0) <> (last_order_at IS NULL)`,
    "the sums are those of orders and refunds": `
      WITH parts AS (
        SELECT customer_key, gross_minor, 0 AS refund_minor FROM orders WHERE customer_key IS NOT NULL
        UNION ALL
        SELECT customer_key, 0 AS gross_minor, effective_minor AS refund_minor FROM refunds WHERE customer_key IS NOT NULL
      ),
      summed AS (
        SELECT customer_key, sum(gross_minor) AS gross_minor, sum(refund_minor) AS refund_minor
        FROM parts GROUP BY customer_key
      )
      SELECT c.customer_key FROM customer_rfm AS c
      LEFT JOIN summed AS s ON s.customer_key = c.customer_key
      WHERE s.customer_key IS NULL OR s.gross_minor <> c.gross_minor OR s.refund_minor <> c.refund_minor`,
  },
};
