import type { BatchTable } from "../batch-table.ts";
import { orderKeySql } from "../tables/order-state.ts";

/**
 * Nearly every order has one event, which is its state at any time after it. Whoever asks for the state of orders puts in
 * order the events of these alone; with the cutoffs of a run that is asked for ten times.
 */
export const repeatedOrders: BatchTable = {
  name: "repeated_orders",
  grain: "one row per order with more than one event: changes, refunds, its cancellation, or a time stated anew",
  key: ["customer_key", "order_key"],
  columns: {
    customer_key: { type: "string", description: "Pseudonym; NULL where the producer named no customer" },
    order_key: { type: "string", description: "Identity of the order within its customer: source and order id" },
  },
  reads: ["curated_order_events"],
  engine: "spark",
  sql: (m) => `
WITH order_events AS (
  SELECT customer_key, ${orderKeySql(m)}
  FROM curated_order_events
)
SELECT customer_key, order_key
FROM order_events
GROUP BY customer_key, order_key
HAVING count(*) > 1`,
  tests: {
    "one row an order": `
      SELECT order_key FROM repeated_orders GROUP BY customer_key, order_key HAVING count(*) > 1`,
  },
};
