import type { View } from "../table.ts";

/**
 * Reads `order_entries`.
 *
 * @param carried more columns, of the refund `r` (of `order_entries`, and `first_stated_at` of the refunds of its order) or
 * of its order `o` (`occurred_at`, `cancelled`)
 */
export const refundsSql = (carried: readonly string[] = []): string => `
WITH refunded AS (
  SELECT
    *,
    sum(reporting_minor) OVER (PARTITION BY customer_part, order_key) AS explicit_minor,
    min(occurred_at) OVER (PARTITION BY customer_part, order_key) AS first_stated_at,
    row_number() OVER (
      PARTITION BY customer_part, order_key, full_refund ORDER BY occurred_at, refund_id
    ) AS refund_number
  FROM order_entries
  WHERE entry = 'refund'
),
orders_of_refunds AS (
  SELECT customer_part, order_key, reporting_minor AS gross_minor, cancelled, occurred_at
  FROM order_entries
  WHERE entry = 'order'
)
SELECT
  r.order_key, r.source, r.customer_key, r.order_id, r.refund_id, r.event_id, r.occurred_at, r.received_at,
  r.full_refund, r.currency, r.total_minor, r.reporting_currency, r.reporting_minor AS amount_minor,
  CAST(
    CASE
      WHEN o.cancelled THEN 0
      WHEN r.full_refund AND r.refund_number = 1 AND coalesce(o.gross_minor, 0) > r.explicit_minor
        THEN r.reporting_minor + o.gross_minor - r.explicit_minor
      ELSE r.reporting_minor
    END AS bigint
  ) AS effective_minor${carried
    .map(
      (column) => `,
  ${column}`,
    )
    .join("")}
FROM refunded AS r
LEFT JOIN orders_of_refunds AS o ON o.customer_part = r.customer_part AND o.order_key = r.order_key`;

export const refunds: View = {
  name: "refunds",
  grain: "one row per refund in its current state",
  columns: {
    order_key: { type: "string", description: "Identity of the order within its customer: source and order id" },
    source: { type: "string", description: "Source of the refund" },
    customer_key: { type: "string", description: "Pseudonym; NULL where the producer named no customer" },
    order_id: { type: "string", description: "NULL for a refund that names no order" },
    refund_id: { type: "string", description: "The refund's own id, else its event id" },
    event_id: { type: "string", description: "The event that holds the current state" },
    occurred_at: { type: "timestamp", description: "UTC" },
    received_at: { type: "timestamp", description: "UTC" },
    full_refund: { type: "boolean", description: "No amount was given: whatever the order was worth" },
    currency: { type: "string", description: "ISO 4217" },
    total_minor: { type: "bigint", description: "The stated amount, minor units of currency, ≥ 0" },
    reporting_currency: { type: "string", description: "ISO 4217" },
    amount_minor: { type: "bigint", description: "The stated amount, minor units of reporting_currency, ≥ 0" },
    effective_minor: {
      type: "bigint",
      description:
        "What it took from the customer's worth, minor units of reporting_currency: the amount, for the first full refund of an order also the rest of it, 0 when the order is cancelled",
    },
  },
  sql: () => refundsSql(),
  tests: {
    "one row a refund": `
      SELECT order_key, refund_id FROM refunds GROUP BY customer_key, order_key, refund_id HAVING count(*) > 1`,
    "a refund gives back at least nothing": `SELECT refund_id FROM refunds WHERE effective_minor < 0`,
  },
};
