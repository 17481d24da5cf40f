import type { BatchTable } from "../batch-table.ts";
import { cutoffMsOf } from "./customer-features.ts";
import { dayOf, daysBefore, timestampLiteral } from "./literals.ts";
import { orderEffectsAsOf } from "./orders-as-of.ts";

/**
 * What became of the customers of a cutoff T within h days: orders placed in (T, T + h], as known at T + h. An order
 * cancelled or wholly refunded by then is no order. Labels of a window that has not passed say too often that a customer
 * left: whoever makes them waits until T + h.
 */
export const customerLabels: BatchTable = {
  name: "customer_labels",
  grain: "one row per cutoff and customer with a counted order before it, as known when the label's window has passed",
  key: ["cutoff", "customer_key"],
  columns: {
    customer_key: { type: "string", description: "Pseudonym" },
    horizon_days: { type: "int", description: "Length h of the window after the cutoff T, days" },
    churned: { type: "int", description: "1: no counted order in (T, T + h]; 0: at least one" },
    future_orders: { type: "bigint", description: "Counted orders in (T, T + h]" },
    future_net_minor: {
      type: "bigint",
      description: "Net of those orders, minor units of the reporting currency, refunds until T + h taken off",
    },
    cutoff: { type: "string", description: "UTC day of the cutoff T, YYYY-MM-DD (partition)" },
  },
  partitionedBy: "cutoff",
  reads: ["curated_order_events", "repeated_orders"],
  engine: "spark",
  sql: (m, parameters) => {
    const cutoffMs = cutoffMsOf(parameters);
    const { horizonDays } = parameters;
    if (horizonDays === undefined || !Number.isSafeInteger(horizonDays) || horizonDays < 1)
      throw new RangeError("A horizon of whole days is needed");
    const known = { known: `occurred_at < ${timestampLiteral(cutoffMs)}` };
    const end = timestampLiteral(daysBefore(cutoffMs, -horizonDays));
    const within = `counts AND ordered_at > ${timestampLiteral(cutoffMs)} AND ordered_at <= ${end}`;
    return `
WITH customers AS (
  WITH ${orderEffectsAsOf(m, known).trim()}
  SELECT customer_key FROM order_effects WHERE counts GROUP BY customer_key
),
bought AS (
  WITH ${orderEffectsAsOf(m, { known: `occurred_at <= ${end}` }).trim()}
  SELECT
    customer_key,
    CAST(count(*) AS bigint) AS orders,
    CAST(sum(gross_minor - refund_minor) AS bigint) AS net_minor
  FROM order_effects
  WHERE ${within}
  GROUP BY customer_key
)
SELECT
  c.customer_key,
  CAST(${horizonDays} AS int) AS horizon_days,
  CAST(CASE WHEN b.orders > 0 THEN 0 ELSE 1 END AS int) AS churned,
  coalesce(b.orders, 0) AS future_orders,
  coalesce(b.net_minor, 0) AS future_net_minor,
  '${dayOf(cutoffMs)}' AS cutoff
FROM customers AS c
LEFT JOIN bought AS b ON b.customer_key = c.customer_key`;
  },
  tests: {
    "one row a customer and cutoff":
      "SELECT customer_key FROM customer_labels GROUP BY cutoff, customer_key HAVING count(*) > 1",
    "who ordered has not left": `
      SELECT customer_key FROM customer_labels
      WHERE churned NOT IN (0, 1) OR (churned = 0) <> (future_orders > 0) OR (future_orders > 0) <> (future_net_minor > 0)`,
    "every customer of the features has a label where there are labels, and no other": `
      SELECT l.customer_key FROM customer_labels AS l
      LEFT JOIN customer_features AS f ON f.customer_key = l.customer_key AND f.cutoff = l.cutoff
      WHERE f.customer_key IS NULL AND l.cutoff IN (SELECT cutoff FROM customer_features)`,
  },
};
