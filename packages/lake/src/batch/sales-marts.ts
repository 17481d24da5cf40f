/** Marts over sales. Money is in minor units of the reporting currency; a day is that of the order, or of the refund. */
import type { BatchTable } from "../batch-table.ts";
import type { ViewColumn } from "../table.ts";
import { orderItemsSql } from "../tables/order-lines.ts";
import { monthText, monthsSql } from "./curated.ts";
import { inMonths, trimmed } from "./literals.ts";

const day: ViewColumn = { type: "date", description: "UTC day of the order, of the refund for refunds" };
const monthOfDay: ViewColumn = { type: "string", description: "UTC month of day, YYYY-MM (partition)" };
const country: ViewColumn = { type: "string", description: "As given with the event; empty where none was" };

/** Rows of the months that are written. */
const ofMonths = (months: readonly string[] | undefined, timestamp = "occurred_at"): string =>
  months === undefined ? "true" : inMonths(timestamp, months);

export const salesDaily: BatchTable = {
  name: "sales_daily",
  grain: "one row per day, country, currency and source with an order or a refund, of customers known or not",
  key: ["day", "country", "currency", "source", "month"],
  columns: {
    day,
    country,
    currency: { type: "string", description: "ISO 4217, of the orders; empty where none was given" },
    source: { type: "string", description: "Source of the events" },
    orders: { type: "bigint", description: "Counted orders" },
    units: { type: "decimal(38,6)", description: "Units ordered less units given back" },
    gross_minor: { type: "bigint", description: "Orders of the day, whatever was given back later" },
    refund_minor: { type: "bigint", description: "Refunds of the day, whenever the order was" },
    net_minor: { type: "bigint", description: "gross_minor − refund_minor" },
    new_customers: { type: "bigint", description: "Customers whose first counted order ever is on this day" },
    returning_customers: {
      type: "bigint",
      description: "Customers with a counted order that have an earlier day with one",
    },
    customers: { type: "bigint", description: "Known customers with an order or a refund" },
    month: monthOfDay,
  },
  partitionedBy: "month",
  reads: ["order_facts", "rfm_base"],
  engine: "athena",
  sql: (m, { months }) => `
WITH first_days AS (
  SELECT customer_key AS buyer_key, ${m.truncDay("first_order_at")} AS first_day
  FROM rfm_base
),
-- Everybody once a day: what is counted below need not be told apart again.
visits AS (
  SELECT
    ${m.truncDay("occurred_at")} AS day, coalesce(country, '') AS country, coalesce(currency, '') AS currency, source,
    customer_key,
    count(CASE WHEN counts THEN 1 END) AS orders, sum(coalesce(units, 0)) AS units,
    sum(gross_minor) AS gross_minor, sum(refund_minor) AS refund_minor
  FROM order_facts
  WHERE ${ofMonths(months)}
  GROUP BY ${m.truncDay("occurred_at")}, coalesce(country, ''), coalesce(currency, ''), source, customer_key
)
SELECT
  v.day, v.country, v.currency, v.source,
  CAST(sum(v.orders) AS bigint) AS orders,
  CAST(sum(v.units) AS decimal(38,6)) AS units,
  CAST(sum(v.gross_minor) AS bigint) AS gross_minor,
  CAST(sum(v.refund_minor) AS bigint) AS refund_minor,
  CAST(sum(v.gross_minor - v.refund_minor) AS bigint) AS net_minor,
  CAST(count(CASE WHEN v.orders > 0 AND d.first_day = v.day THEN 1 END) AS bigint) AS new_customers,
  CAST(count(CASE WHEN v.orders > 0 AND d.first_day < v.day THEN 1 END) AS bigint) AS returning_customers,
  CAST(count(v.customer_key) AS bigint) AS customers,
  ${monthText(m, "v.day")} AS month
FROM visits AS v
LEFT JOIN first_days AS d ON d.buyer_key = v.customer_key
GROUP BY v.day, v.country, v.currency, v.source`,
  tests: {
    "one row a day, country, currency and source":
      "SELECT day FROM sales_daily GROUP BY day, country, currency, source HAVING count(*) > 1",
    "net = gross - refunds": "SELECT day FROM sales_daily WHERE net_minor <> gross_minor - refund_minor",
    // A refund is in the month of its order in order_facts, in its own here.
    "the sums of orders are those of all orders": `
      WITH mart AS (SELECT sum(net_minor + refund_minor) AS gross_minor, sum(orders) AS orders FROM sales_daily),
      facts AS (
        SELECT sum(gross_minor) AS gross_minor, sum(CASE WHEN counts THEN 1 ELSE 0 END) AS orders
        FROM order_facts
      )
      SELECT m.gross_minor FROM mart AS m CROSS JOIN facts AS f
      WHERE m.gross_minor <> f.gross_minor OR m.orders <> f.orders`,
    "who bought is new or returns": "SELECT day FROM sales_daily WHERE new_customers + returning_customers > customers",
  },
};

/** A customer counts in a month with any order or refund, whether it counts for RFM or not. */
export const activeCustomersMonthly: BatchTable = {
  name: "active_customers_monthly",
  grain:
    "one row per month and country with an order or a refund of a known customer, and one per month over all countries",
  key: ["month", "country"],
  columns: {
    country: { type: "string", description: "As given with the event, empty where none was; `*` for all countries" },
    customers: {
      type: "bigint",
      description: "Distinct customers with an order or a refund; not additive over countries",
    },
    buyers: { type: "bigint", description: "Of those the customers with a counted order" },
    month: { type: "string", description: "UTC month, YYYY-MM (partition)" },
  },
  partitionedBy: "month",
  reads: ["order_facts"],
  engine: "athena",
  sql: (m, { months }) => `
WITH seen AS (
  SELECT ${monthText(m, "occurred_at")} AS month, coalesce(country, '') AS country, customer_key, max(CASE WHEN counts THEN 1 ELSE 0 END) AS bought
  FROM order_facts
  WHERE customer_key IS NOT NULL AND ${ofMonths(months)}
  GROUP BY 1, 2, 3
)
SELECT country, CAST(count(*) AS bigint) AS customers, CAST(sum(bought) AS bigint) AS buyers, month
FROM seen
GROUP BY month, country
UNION ALL
SELECT '*' AS country, CAST(count(*) AS bigint) AS customers, CAST(sum(bought) AS bigint) AS buyers, month
FROM (SELECT month, customer_key, max(bought) AS bought FROM seen GROUP BY month, customer_key) AS anywhere
GROUP BY month`,
  tests: {
    "one row a month and country":
      "SELECT month FROM active_customers_monthly GROUP BY month, country HAVING count(*) > 1",
    "all countries have at least as many as each": `
      SELECT c.month FROM active_customers_monthly AS c
      JOIN active_customers_monthly AS a ON a.month = c.month AND a.country = '*'
      WHERE c.customers > a.customers OR c.buyers > c.customers`,
  },
};

const named = (description: string): ViewColumn => ({
  type: "string",
  description: `${description}; empty where none was given`,
});

export const productSalesDaily: BatchTable = {
  name: "product_sales_daily",
  grain: "one row per day, product as it was named, category and country with a line of an order or a refund",
  key: ["day", "product_id", "sku", "name", "category", "country", "month"],
  columns: {
    day,
    product_id: named("The producer's product id"),
    sku: named("Stock keeping unit"),
    name: named("Product name without spaces around it"),
    category: named("Product category"),
    country,
    lines: { type: "bigint", description: "Lines of orders (those of refunds are not counted)" },
    units: { type: "decimal(38,6)", description: "Units ordered less units given back" },
    net_minor: {
      type: "bigint",
      description:
        "Σ quantity × unit price, refunds taken off, at the order's rate in minor units of the reporting currency: before discounts, shipping and tax of the order as a whole",
    },
    month: monthOfDay,
  },
  partitionedBy: "month",
  monthsSql: (m) => monthsSql(m, "occurred_at", "order_facts"),
  reads: ["order_facts", "curated_order_events"],
  engine: "athena",
  sql: (m, { months }) => `
WITH live_entries AS (
  SELECT
    f.entry, f.occurred_at AS sold_at, f.currency, f.country, f.reporting_currency,
    c.total_minor AS stated_minor, c.reporting_minor AS stated_reporting_minor, c.lines
  FROM order_facts AS f
  JOIN curated_order_events AS c ON c.event_id = f.event_id AND c.occurred_at = f.stated_at
  WHERE NOT f.cancelled AND ${ofMonths(months, "f.occurred_at")}
),
order_lines AS (${orderItemsSql(m, {
    from: "live_entries",
    carried: [
      ...["entry", "sold_at", "currency", "country", "reporting_currency"],
      ...["stated_minor", "stated_reporting_minor"],
    ],
    taken: ["product_id", "sku", "name", "category"],
  })}
),
sold AS (
  SELECT
    ${m.truncDay("sold_at")} AS day, coalesce(product_id, '') AS product_id, coalesce(sku, '') AS sku,
    coalesce(${trimmed("name")}, '') AS name, coalesce(category, '') AS category, coalesce(country, '') AS country,
    entry, quantity,
    CASE
      WHEN currency = reporting_currency THEN total_minor
      WHEN stated_minor <> 0 THEN CAST(round(
        CAST(total_minor AS double) * CAST(stated_reporting_minor AS double) / CAST(stated_minor AS double)
      ) AS bigint)
      ELSE 0
    END AS net_minor
  FROM order_lines
),
summed AS (
  SELECT
    day, product_id, sku, name, category, country,
    count(CASE WHEN entry = 'order' THEN 1 END) AS lines,
    CAST(sum(quantity) AS decimal(38,6)) AS units,
    CAST(sum(net_minor) AS bigint) AS net_minor
  FROM sold
  GROUP BY day, product_id, sku, name, category, country
)
SELECT *, substr(${m.dayText("day")}, 1, 7) AS month
FROM summed`,
  tests: {
    "one row a day, product, category and country": `
      SELECT day FROM product_sales_daily
      GROUP BY day, product_id, sku, name, category, country HAVING count(*) > 1`,
    "a row is in the month of its day": `
      SELECT day FROM product_sales_daily WHERE CAST(substr(month, 6, 2) AS int) <> extract(month FROM day)`,
  },
};
