import type { View } from "../table.ts";
import { customerRfmSql, orderEffectsSql } from "./order-effects.ts";

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
  sql: () => customerRfmSql(orderEffectsSql("order_entries")),
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
