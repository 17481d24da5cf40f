/** Products as order lines and visits tell them, day by day: what a product is called, where it belongs, what it costs. */
import type { BatchParameters, BatchTable } from "../batch-table.ts";
import type { Dialect } from "../dialect.ts";
import { lineFields } from "../tables/order-lines.ts";
import { monthText } from "./curated.ts";
import { inMonths, trimmed } from "./literals.ts";
import { toldAttributes } from "./told-tables.ts";

const bigint = (description: string) => ({ type: "bigint", description }) as const;
const text = (description: string) => ({ type: "string", description }) as const;

export const productDays: BatchTable = {
  name: "product_days",
  grain: "one row per source, product, currency and UTC day on which an order line or a visit told of the product",
  key: ["source", "product_id", "currency", "day"],
  columns: {
    source: text("Source of the events"),
    product_id: text("The producer's id; where there is none its SKU, else its name"),
    currency: text("Of the price; empty where none was told"),
    day: { type: "date", description: "UTC" },
    sku: text("Of several of the day the greatest"),
    name: text("Of several of the day the greatest"),
    category: text("Of several of the day the greatest"),
    brand: text("Of several of the day the greatest"),
    price: { type: "decimal(18,6)", description: "The unit price told most often that day, of several the lowest" },
    lowest_price: { type: "decimal(18,6)", description: "Of the day" },
    highest_price: { type: "decimal(18,6)", description: "Of the day" },
    told: bigint("Order lines, views and cart additions that told of it"),
    ordered: bigint("Of those the order lines"),
    month: text("UTC month, YYYY-MM (partition)"),
  },
  partitionedBy: "month",
  reads: ["curated_order_events", "curated_activity"],
  engine: "spark",
  sql: (m: Dialect, { months }: BatchParameters) => {
    const wanted = months === undefined ? "" : `\n    AND ${inMonths("occurred_at", months)}`;
    const items = m.explodeRows("placed", "lines", lineFields);
    return `
WITH placed AS (
  SELECT source, coalesce(currency, '') AS currency, occurred_at AS told_at, lines
  FROM curated_order_events
  WHERE kind IN ('order_completed', 'order_updated')${wanted}
),
items AS (
  SELECT source, currency, told_at, ${items.select}
  FROM ${items.from}
),
told AS (
  SELECT
    source, coalesce(product_id, sku, ${trimmed("name")}) AS product, currency, told_at, sku, ${trimmed("name")} AS name,
    category, brand,
    CASE WHEN unit_price >= 0 THEN unit_price END AS price, 1 AS ordered
  FROM items
  WHERE quantity > 0
  UNION ALL
  SELECT
    source, product_id AS product, coalesce(currency, '') AS currency, occurred_at AS told_at, NULL AS sku,
    ${trimmed("product_name")} AS name, category, brand, CASE WHEN unit_price >= 0 THEN unit_price END AS price, 0 AS ordered
  FROM curated_activity
  WHERE product_id IS NOT NULL AND kind IN ('product_viewed', 'product_added')${wanted}
),
by_price AS (
  SELECT
    source, product, currency, ${m.truncDay("told_at")} AS day, price,
    ${toldAttributes.map((name) => `max(${name}) AS ${name}`).join(", ")},
    count(*) AS told, sum(ordered) AS ordered
  FROM told
  WHERE product IS NOT NULL AND product <> ''
  GROUP BY source, product, currency, ${m.truncDay("told_at")}, price
),
in_turn AS (
  SELECT
    by_price.*,
    row_number() OVER (
      PARTITION BY source, product, currency, day
      ORDER BY CASE WHEN price IS NULL THEN 1 ELSE 0 END, told DESC, price
    ) AS turn
  FROM by_price
)
SELECT
  source, product AS product_id, currency, day,
  ${toldAttributes.map((name) => `max(${name}) AS ${name}`).join(", ")},
  max(CASE WHEN turn = 1 THEN price END) AS price,
  min(price) AS lowest_price, max(price) AS highest_price,
  CAST(sum(told) AS bigint) AS told, CAST(sum(ordered) AS bigint) AS ordered,
  ${monthText(m, "day")} AS month
FROM in_turn
GROUP BY source, product, currency, day`;
  },
  tests: {
    "one row a product, currency and day": `
      SELECT day FROM product_days GROUP BY source, product_id, currency, day HAVING count(*) > 1`,
    "the usual price lies between the lowest and the highest": `
      SELECT day FROM product_days
      WHERE price < lowest_price OR price > highest_price OR (price IS NULL) <> (lowest_price IS NULL) OR ordered > told`,
  },
};
