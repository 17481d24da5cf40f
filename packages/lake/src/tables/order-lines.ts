import { lineTotals } from "../batch/line-lists.ts";
import type { Dialect } from "../dialect.ts";
import { rawEventsColumns } from "../raw-events.ts";
import type { View } from "../table.ts";

const lines = rawEventsColumns.find((column) => column.name === "lines")!;
export const lineFields = typeof lines.type === "string" ? [] : lines.type.listOf.map((field) => field.name);

/** 1, or -1 for a refund whose lines are stated as what was given back: its lines give money back either way. */
const turn = (m: Dialect): string => {
  const { minorSum, quantitySum } = lineTotals(m);
  return `CASE
      WHEN entry = 'refund' AND (${minorSum} > 0 OR (${minorSum} = 0 AND ${quantitySum} > 0)) THEN -1
      ELSE 1
    END`;
};

/**
 * The lines of orders and refunds that are not cancelled. Producers state the lines of a refund with either sign; here
 * they always give money back. The sign is turned for a refund as a whole, so that an exchange inside it keeps its own.
 * Row by row: a list of lines is neither sorted nor kept.
 *
 * @param from a relation with `entry`, `lines` and the columns that are carried
 * @param carried columns of that relation
 * @param taken fields of the lines besides quantity and total_minor; all where absent
 */
export const orderItemsSql = (
  m: Dialect,
  { from, carried, taken = lineFields }: { from: string; carried: readonly string[]; taken?: readonly string[] },
): string => {
  const others = taken.filter((field) => field !== "quantity" && field !== "total_minor");
  const items = m.explodeRows("stated", "lines", lineFields);
  const own = carried.map((column) => `${column}, `).join("");
  return `
WITH stated AS (
  SELECT ${own}lines, ${turn(m)} AS turn
  FROM ${from}
),
items AS (
  SELECT ${own}turn, ${items.select}
  FROM ${items.from}
)
SELECT
  ${own}line_number, ${others.map((field) => `${field}, `).join("")}
  CAST(CASE WHEN turn = 1 THEN quantity ELSE -quantity END AS decimal(18,6)) AS quantity,
  CAST(CASE WHEN turn = 1 THEN total_minor ELSE -total_minor END AS bigint) AS total_minor
FROM items`;
};

/** Reads `order_entries`. */
export const orderLinesSql = (m: Dialect): string => {
  const own = [
    ...["order_key", "entry", "entry_event_id", "entry_source", "customer_key", "order_id", "refund_id"],
    ...["entry_occurred_at", "currency", "country"],
  ];
  return `
WITH cancelled_orders AS (
  SELECT customer_part, order_key FROM order_entries WHERE cancelled
),
live_entries AS (
  SELECT
    e.order_key, e.entry, e.event_id AS entry_event_id, e.source AS entry_source, e.customer_key, e.order_id,
    e.refund_id, e.occurred_at AS entry_occurred_at, e.currency, e.country, e.lines
  FROM order_entries AS e
  LEFT JOIN cancelled_orders AS c ON c.customer_part = e.customer_part AND c.order_key = e.order_key
  WHERE c.order_key IS NULL
),
items AS (${orderItemsSql(m, { from: "live_entries", carried: own })}
)
SELECT
  order_key, entry, entry_event_id AS event_id, CAST(line_number AS bigint) AS line_number, entry_source AS source,
  customer_key, order_id, refund_id, coalesce(occurred_at, entry_occurred_at) AS occurred_at,
  line_id, product_id, sku, name, category, brand, variant, quantity, unit_price, currency, total_minor, country
FROM items`;
};

export const orderLines: View = {
  name: "order_lines",
  grain:
    "one row per line of each order and each refund in its current state, refunds negative, cancelled orders left out",
  columns: {
    order_key: { type: "string", description: "Identity of the order within its customer: source and order id" },
    entry: { type: "string", description: "`order` or `refund`" },
    event_id: { type: "string", description: "The event that holds the current state" },
    line_number: { type: "bigint", description: "Position in that event, from 1" },
    source: { type: "string", description: "Source of the order" },
    customer_key: { type: "string", description: "Pseudonym; NULL where the producer named no customer" },
    order_id: { type: "string", description: "NULL for a refund that names no order" },
    refund_id: { type: "string", description: "NULL for an order" },
    occurred_at: { type: "timestamp", description: "UTC; the line's own time where it has one, else the order's" },
    line_id: { type: "string", description: "Row identity of a file line; NULL for lines sent over HTTP" },
    product_id: { type: "string", description: "The producer's product id" },
    sku: { type: "string", description: "Stock keeping unit" },
    name: { type: "string", description: "Product name" },
    category: { type: "string", description: "Product category" },
    brand: { type: "string", description: "Brand" },
    variant: { type: "string", description: "Variant" },
    quantity: { type: "decimal(18,6)", description: "Signed units" },
    unit_price: { type: "decimal(18,6)", description: "In currency, decimals kept" },
    currency: { type: "string", description: "ISO 4217" },
    total_minor: {
      type: "bigint",
      description: "quantity × unit_price in minor units of currency, half away from zero",
    },
    country: { type: "string", description: "As given with the order" },
  },
  sql: (m) => orderLinesSql(m),
  tests: {
    "one row a line": `SELECT event_id, line_number FROM order_lines GROUP BY event_id, line_number HAVING count(*) > 1`,
    "a refund takes money back": `
      SELECT event_id FROM order_lines WHERE entry = 'refund' GROUP BY event_id HAVING sum(total_minor) > 0`,
    "no line of a cancelled order": `
      SELECT l.event_id FROM order_lines AS l
      JOIN orders AS o ON o.order_key = l.order_key AND coalesce(o.customer_key, '') = coalesce(l.customer_key, '')
      WHERE o.status = 'cancelled'`,
  },
};
