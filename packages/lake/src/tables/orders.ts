import type { View } from "../table.ts";

/** Reads `order_entries` and `refunds`. @param carried more columns of `order_entries` */
export const ordersSql = (carried: readonly string[] = []): string => `
WITH refund_totals AS (
  SELECT
    coalesce(customer_key, '') AS customer_part,
    order_key,
    CAST(sum(effective_minor) AS bigint) AS refund_minor,
    count(*) AS refunds
  FROM refunds
  GROUP BY coalesce(customer_key, ''), order_key
),
valued AS (
  SELECT
    o.*,
    o.reporting_minor AS gross_minor,
    coalesce(r.refund_minor, 0) AS refund_minor,
    o.reporting_minor - coalesce(r.refund_minor, 0) AS net_minor,
    coalesce(r.refunds, 0) AS refunds
  FROM order_entries AS o
  LEFT JOIN refund_totals AS r ON r.customer_part = o.customer_part AND r.order_key = o.order_key
  WHERE o.entry = 'order'
)
SELECT
  order_key, source, customer_key, anonymous_key, order_id, event_id, occurred_at, received_at,
  CASE
    WHEN cancelled THEN 'cancelled'
    WHEN refunds = 0 THEN 'completed'
    WHEN net_minor > 0 THEN 'partly_refunded'
    ELSE 'refunded'
  END AS status,
  NOT cancelled AND net_minor > 0 AS counts,
  country, currency, total_minor, reporting_currency, gross_minor, refund_minor, net_minor, refunds,
  coupon, discount_minor, shipping_minor, tax_minor${carried.map((column) => `, ${column}`).join("")}
FROM valued`;

export const orders: View = {
  name: "orders",
  grain: "one row per order in its current state, with what was refunded of it",
  columns: {
    order_key: { type: "string", description: "Identity of the order within its customer: source and order id" },
    source: { type: "string", description: "Source of the order" },
    customer_key: { type: "string", description: "Pseudonym; NULL where the producer named no customer" },
    anonymous_key: { type: "string", description: "Pseudonym of the anonymous id" },
    order_id: { type: "string", description: "The producer's order id" },
    event_id: { type: "string", description: "The event that holds the current state" },
    occurred_at: { type: "timestamp", description: "UTC" },
    received_at: { type: "timestamp", description: "UTC" },
    status: {
      type: "string",
      description: "`completed`, `partly_refunded`, `refunded` (nothing is left) or `cancelled`",
    },
    counts: { type: "boolean", description: "Counts for recency and frequency: not cancelled and net above 0" },
    country: { type: "string", description: "As given with the event" },
    currency: { type: "string", description: "ISO 4217" },
    total_minor: { type: "bigint", description: "Minor units of currency; 0 for a cancelled order" },
    reporting_currency: { type: "string", description: "ISO 4217" },
    gross_minor: { type: "bigint", description: "total_minor in minor units of reporting_currency" },
    refund_minor: { type: "bigint", description: "Refunded, minor units of reporting_currency" },
    net_minor: { type: "bigint", description: "gross_minor − refund_minor" },
    refunds: { type: "bigint", description: "Number of refunds" },
    coupon: { type: "string", description: "Coupon of the order" },
    discount_minor: { type: "bigint", description: "Minor units of currency" },
    shipping_minor: { type: "bigint", description: "Minor units of currency" },
    tax_minor: { type: "bigint", description: "Minor units of currency" },
  },
  sql: () => ordersSql(),
  tests: {
    "one row an order": `SELECT order_key FROM orders GROUP BY customer_key, order_key HAVING count(*) > 1`,
    "net = gross - refunds": `SELECT order_key FROM orders WHERE net_minor <> gross_minor - refund_minor`,
    "a cancelled order is worth nothing": `
      SELECT order_key FROM orders WHERE status = 'cancelled' AND (net_minor <> 0 OR refund_minor <> 0 OR counts)`,
  },
};
