/** Products as order lines and visits tell them: what a product is called, where it belongs, and what it cost when. */
import type { BatchParameters, BatchTable } from "../batch-table.ts";
import type { Dialect } from "../dialect.ts";
import { lineFields } from "../tables/order-lines.ts";
import { monthText } from "./curated.ts";
import { inMonths } from "./literals.ts";

const bigint = (description: string) => ({ type: "bigint", description }) as const;
const text = (description: string) => ({ type: "string", description }) as const;

/** The value of the latest row that has one, of several the greatest: exact, and without putting the rows in order. */
const latest = (stamp: string, value: string, width: number): string =>
  `substr(max(CASE WHEN ${value} IS NOT NULL THEN concat(${stamp}, ${value}) END), ${width + 1})`;

const attributes = ["sku", "name", "category", "brand"] as const;

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
    const items = m.explodeRows("lines", lineFields);
    return `
WITH placed AS (
  SELECT source, coalesce(currency, '') AS currency, occurred_at AS told_at, lines
  FROM curated_order_events
  WHERE kind IN ('order_completed', 'order_updated')${wanted}
),
items AS (
  SELECT source, currency, told_at, ${items.select}
  FROM placed ${items.from}
),
told AS (
  SELECT
    source, coalesce(product_id, sku, trim(name)) AS product, currency, told_at, sku, trim(name) AS name, category, brand,
    CASE WHEN unit_price >= 0 THEN unit_price END AS price, 1 AS ordered
  FROM items
  WHERE quantity > 0
  UNION ALL
  SELECT
    source, product_id AS product, coalesce(currency, '') AS currency, occurred_at AS told_at, NULL AS sku,
    trim(product_name) AS name, category, brand, CASE WHEN unit_price >= 0 THEN unit_price END AS price, 0 AS ordered
  FROM curated_activity
  WHERE product_id IS NOT NULL AND kind IN ('product_viewed', 'product_added')${wanted}
),
by_price AS (
  SELECT
    source, product, currency, ${m.truncDay("told_at")} AS day, price,
    ${attributes.map((name) => `max(${name}) AS ${name}`).join(", ")},
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
  ${attributes.map((name) => `max(${name}) AS ${name}`).join(", ")},
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

export const productCatalogue: BatchTable = {
  name: "product_catalogue",
  grain: "one row per source and product, as it was told last",
  key: ["source", "product_id"],
  columns: {
    source: text("Source of the events"),
    product_id: text("The producer's id; where there is none its SKU, else its name"),
    sku: text("The last that was told"),
    name: text("The last that was told"),
    category: text("The last that was told"),
    brand: text("The last that was told"),
    names: bigint("Distinct names, by day: more than one is a renaming, or an id that is used twice"),
    categories: bigint("Distinct categories, by day"),
    first_day: { type: "date", description: "UTC; first told of" },
    last_day: { type: "date", description: "UTC; last told of" },
    told: bigint("Order lines, views and cart additions that told of it"),
    ordered: bigint("Of those the order lines"),
  },
  reads: ["product_days"],
  engine: "athena",
  sql: (m) => `
SELECT
  source, product_id,
  ${attributes.map((name) => `${latest(m.dayText("day"), name, 10)} AS ${name}`).join(",\n  ")},
  CAST(count(DISTINCT name) AS bigint) AS names,
  CAST(count(DISTINCT category) AS bigint) AS categories,
  min(day) AS first_day, max(day) AS last_day,
  CAST(sum(told) AS bigint) AS told, CAST(sum(ordered) AS bigint) AS ordered
FROM product_days
GROUP BY source, product_id`,
  tests: {
    "one row a product": "SELECT product_id FROM product_catalogue GROUP BY source, product_id HAVING count(*) > 1",
    "who has a name is told of by it": `
      SELECT product_id FROM product_catalogue WHERE (name IS NULL) <> (names = 0) OR first_day > last_day`,
  },
};

export const productPrices: BatchTable = {
  name: "product_prices",
  grain: "one row per source, product, currency and span of days with the same usual price",
  key: ["source", "product_id", "currency", "from_day"],
  columns: {
    source: text("Source of the events"),
    product_id: text("As in product_catalogue"),
    currency: text("Empty where none was told"),
    price: { type: "decimal(18,6)", description: "The day's most frequent unit price" },
    from_day: { type: "date", description: "UTC; the first day on which it was told" },
    until_day: { type: "date", description: "UTC; the first day on which another was told; NULL for the last" },
    previous_price: { type: "decimal(18,6)", description: "NULL for the first" },
  },
  reads: ["product_days"],
  engine: "athena",
  sql: () => `
WITH priced AS (
  SELECT
    source, product_id, currency, day, price,
    lag(price) OVER (PARTITION BY source, product_id, currency ORDER BY day) AS previous_price
  FROM product_days
  WHERE price IS NOT NULL
)
SELECT
  source, product_id, currency, price, day AS from_day,
  lead(day) OVER (PARTITION BY source, product_id, currency ORDER BY day) AS until_day,
  previous_price
FROM priced
WHERE previous_price IS NULL OR previous_price <> price`,
  tests: {
    "spans follow each other, each with another price": `
      SELECT product_id FROM product_prices WHERE until_day <= from_day OR previous_price = price`,
    "one price is the last": `
      SELECT product_id FROM product_prices GROUP BY source, product_id, currency
      HAVING count(CASE WHEN until_day IS NULL THEN 1 END) <> 1`,
  },
};
