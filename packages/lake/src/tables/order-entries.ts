import { ORDER_RANK } from "@ebb/core/orders";
import { rawEventsColumns } from "../raw-events.ts";
import type { View } from "../table.ts";

const lines = rawEventsColumns.find((column) => column.name === "lines")!;

/**
 * The rules of `@ebb/core/orders`, in SQL: which of the events about one order or one refund is its state. The other
 * order views read this one, so that the rules stand once.
 */
export const orderEntries: View = {
  name: "order_entries",
  grain: "one row per order and one per refund, in its current state: the highest (rank, version, event id)",
  columns: {
    customer_part: { type: "string", description: "customer_key, empty where the order has none; joins without NULL" },
    order_key: { type: "string", description: "Identity of the order within its customer: source and order id" },
    entry: { type: "string", description: "`order` or `refund`" },
    refund_id: { type: "string", description: "The refund's own id, else its event id; NULL for an order" },
    event_id: { type: "string", description: "The event that holds the current state" },
    kind: { type: "string", description: "Kind of that event" },
    source: { type: "string", description: "Source of the events" },
    customer_key: { type: "string", description: "Pseudonym; NULL where the producer named no customer" },
    anonymous_key: { type: "string", description: "Pseudonym of the anonymous id" },
    country: { type: "string", description: "As given with the event" },
    order_id: { type: "string", description: "The producer's order id; NULL for a refund that names no order" },
    order_rank: { type: "int", description: "Precedence of the channel: 2 HTTP, 1 file" },
    order_version: { type: "bigint", description: "Within a rank the highest version is the state" },
    occurred_at: {
      type: "timestamp",
      description: "When the order was placed, UTC: the earliest of its HTTP events, or as the file states it",
    },
    received_at: { type: "timestamp", description: "UTC" },
    cancelled: { type: "boolean", description: "The order was cancelled" },
    full_refund: { type: "boolean", description: "A refund of whatever the order was worth" },
    currency: { type: "string", description: "ISO 4217" },
    total_minor: { type: "bigint", description: "Minor units of currency, as stated; refunds ≥ 0, cancelled orders 0" },
    reporting_currency: { type: "string", description: "ISO 4217" },
    reporting_minor: { type: "bigint", description: "total_minor in minor units of reporting_currency" },
    coupon: { type: "string", description: "Coupon of the order" },
    discount_minor: { type: "bigint", description: "Minor units of currency" },
    shipping_minor: { type: "bigint", description: "Minor units of currency" },
    tax_minor: { type: "bigint", description: "Minor units of currency" },
    lines: { type: lines.type, description: "The lines as stated" },
  },
  sql: (m) => `
WITH order_events AS (
  SELECT
    coalesce(customer_key, '') AS customer_part,
    CASE
      WHEN order_id IS NOT NULL THEN source || chr(31) || order_id
      ELSE source || chr(31) || chr(31) || coalesce(refund_id, '')
    END AS order_key,
    CASE WHEN kind = 'order_refunded' THEN 'refund' ELSE 'order' END AS entry,
    CASE WHEN kind = 'order_refunded' THEN coalesce(refund_id, event_id) END AS refund_id,
    event_id, kind, source, customer_key, anonymous_key, country, order_id,
    coalesce(order_rank, ${ORDER_RANK.http}) AS order_rank,
    coalesce(order_version, ${m.epochMs("occurred_at")}) AS order_version,
    occurred_at, received_at, receipt_id, receipt_number,
    kind = 'order_cancelled' AS cancelled,
    coalesce(full_refund, false) AS full_refund,
    currency, total_minor, reporting_currency, reporting_minor,
    coupon, discount_minor, shipping_minor, tax_minor, lines
  FROM raw_events
  WHERE kind IN ('order_completed', 'order_updated', 'order_refunded', 'order_cancelled')
),
-- The same event twice has the same rank, version and id, and the earliest receipt stands for both.
ranked AS (
  SELECT
    *,
    row_number() OVER (
      PARTITION BY customer_part, order_key, entry, refund_id
      ORDER BY order_rank DESC, order_version DESC, event_id DESC, received_at, receipt_id, receipt_number
    ) AS state_rank,
    -- An update says when it was updated, not when the order was placed.
    min(occurred_at) OVER (PARTITION BY customer_part, order_key, entry, refund_id, order_rank) AS first_occurred_at
  FROM order_events
)
SELECT
  customer_part, order_key, entry, refund_id, event_id, kind, source, customer_key, anonymous_key, country, order_id,
  order_rank, order_version,
  CASE WHEN entry = 'order' AND order_rank = ${ORDER_RANK.http} THEN first_occurred_at ELSE occurred_at END AS occurred_at,
  received_at, cancelled, full_refund, currency,
  CASE
    WHEN cancelled THEN 0
    WHEN entry = 'refund' THEN abs(coalesce(total_minor, 0))
    ELSE coalesce(total_minor, 0)
  END AS total_minor,
  reporting_currency,
  CASE
    WHEN cancelled THEN 0
    WHEN entry = 'refund' THEN abs(coalesce(reporting_minor, 0))
    ELSE coalesce(reporting_minor, 0)
  END AS reporting_minor,
  coupon, discount_minor, shipping_minor, tax_minor, lines
FROM ranked
WHERE state_rank = 1`,
  tests: {
    "an order has one state": `
      SELECT customer_part, order_key, refund_id, count(*) AS states FROM order_entries
      GROUP BY customer_part, order_key, entry, refund_id HAVING count(*) > 1`,
    "a refund is never negative": `SELECT event_id FROM order_entries WHERE entry = 'refund' AND reporting_minor < 0`,
  },
};
