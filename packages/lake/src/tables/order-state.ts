import { ORDER_RANK } from "@ebb/core/orders";
import type { Dialect } from "../dialect.ts";

/** What `orderStateSql` computes; every other column is taken over from the event that holds the state. */
const computed: Readonly<Record<string, string>> = {
  occurred_at: `CASE WHEN entry = 'order' AND order_rank = ${ORDER_RANK.http} THEN first_occurred_at ELSE occurred_at END AS occurred_at`,
  // The time that the event itself was stated with.
  stated_at: "occurred_at AS stated_at",
  total_minor: amount("total_minor"),
  reporting_minor: amount("reporting_minor"),
};

function amount(column: string): string {
  return `CASE
    WHEN cancelled THEN 0
    WHEN entry = 'refund' THEN abs(coalesce(${column}, 0))
    ELSE coalesce(${column}, 0)
  END AS ${column}`;
}

/** Columns that the rules make of an event, with those that they need. */
const derived = (m: Dialect): Readonly<Record<string, string>> => ({
  customer_part: "coalesce(customer_key, '') AS customer_part",
  order_key: `CASE
      WHEN order_id IS NOT NULL THEN source || chr(31) || order_id
      ELSE source || chr(31) || chr(31) || coalesce(refund_id, '')
    END AS order_key`,
  entry: "CASE WHEN kind = 'order_refunded' THEN 'refund' ELSE 'order' END AS entry",
  refund_id: "CASE WHEN kind = 'order_refunded' THEN coalesce(refund_id, event_id) END AS refund_id",
  order_rank: `coalesce(order_rank, ${ORDER_RANK.http}) AS order_rank`,
  order_version: `coalesce(order_version, ${m.epochMs("occurred_at")}) AS order_version`,
  cancelled: "kind = 'order_cancelled' AS cancelled",
  full_refund: "coalesce(full_refund, false) AS full_refund",
});

const neededByRules = [
  ...["customer_part", "order_key", "entry", "refund_id", "order_rank", "order_version", "cancelled"],
  ...["event_id", "occurred_at", "received_at", "receipt_id", "receipt_number"],
];

/** `order_key` of an event about an order: its identity within its customer. */
export const orderKeySql = (m: Dialect): string => derived(m)["order_key"]!;

export interface OrderStateOptions {
  /** The relation with the order events: the columns of `raw_events`. */
  readonly from: string;
  /** A condition on its rows: what is known. */
  readonly where?: string;
  /** Columns of the result, in this order. */
  readonly columns: readonly string[];
  /** All orders, or those with more than one event in `repeated_orders`, or the others; all where absent. */
  readonly orders?: "repeated" | "single";
}

/**
 * The rules of `@ebb/core/orders`, in SQL: which of the events about one order or one refund is its state. Everything
 * that is said about orders stands on this, so that the rules stand once.
 */
export const orderStateSql = (m: Dialect, { from, where, columns, orders }: OrderStateOptions): string => {
  const ofEvent = derived(m);
  const events = [...new Set([...neededByRules, ...columns.filter((column) => column !== "stated_at")])].map(
    (column) => ofEvent[column] ?? column,
  );
  const onOrder = "t.order_key = e.order_key AND coalesce(t.customer_key, '') = e.customer_part";
  const chosen = {
    all: "order_events AS e",
    repeated: `order_events AS e JOIN repeated_orders AS t ON ${onOrder}`,
    single: `order_events AS e LEFT JOIN repeated_orders AS t ON ${onOrder} WHERE t.order_key IS NULL`,
  }[orders ?? "all"];
  const http = `CASE WHEN e.order_rank = ${ORDER_RANK.http} THEN e.occurred_at END`;
  const refundOrOrder = "e.customer_part, e.order_key, e.entry, e.refund_id";
  return `
WITH order_events AS (
  SELECT
    ${events.join(",\n    ")}
  FROM ${from}
  WHERE kind IN ('order_completed', 'order_updated', 'order_refunded', 'order_cancelled')${where === undefined ? "" : `\n    AND ${where}`}
),
-- The same event twice has the same rank, version and id, and the earliest receipt stands for both.
ranked AS (
  SELECT
    e.*,
    ${
      orders === "single"
        ? `1 AS state_rank,
    ${http} AS first_occurred_at`
        : `row_number() OVER (
      PARTITION BY ${refundOrOrder}
      ORDER BY e.order_rank DESC, e.order_version DESC, e.event_id DESC, e.received_at, e.receipt_id, e.receipt_number
    ) AS state_rank,
    -- An update says when it was updated, not when the order was placed.
    min(${http}) OVER (PARTITION BY ${refundOrOrder}) AS first_occurred_at`
    }
  FROM ${chosen}
)
SELECT
  ${columns.map((column) => computed[column] ?? column).join(",\n  ")}
FROM ranked
WHERE state_rank = 1`;
};
