import { rawEventTables } from "../event-tables.ts";
import { rawEventsColumns } from "../raw-events.ts";
import type { View } from "../table.ts";
import { orderStateSql } from "./order-state.ts";

const lines = rawEventsColumns.find((column) => column.name === "lines")!;

const columns: View["columns"] = {
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
};

/** The other order views read this one. */
export const orderEntries: View = {
  name: "order_entries",
  grain: "one row per order and one per refund, in its current state: the highest (rank, version, event id)",
  columns,
  sql: (m, events = rawEventTables) => orderStateSql(m, { from: events.orders, columns: Object.keys(columns) }),
  tests: {
    "an order has one state": `
      SELECT customer_part, order_key, refund_id, count(*) AS states FROM order_entries
      GROUP BY customer_part, order_key, entry, refund_id HAVING count(*) > 1`,
    "a refund is never negative": `SELECT event_id FROM order_entries WHERE entry = 'refund' AND reporting_minor < 0`,
  },
};
