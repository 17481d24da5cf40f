import { orderKinds } from "@ebb/core/kinds";
import type { BatchParameters, BatchTable } from "../batch-table.ts";
import type { Dialect } from "../dialect.ts";
import { orderEntries } from "../tables/order-entries.ts";
import { orderKeySql, orderStateSql } from "../tables/order-state.ts";
import { ordersSql } from "../tables/orders.ts";
import { refundsSql } from "../tables/refunds.ts";
import { monthText } from "./curated.ts";
import { inMonths, instantMs, timestampLiteral } from "./literals.ts";

/** What a run knows: everything, or what occurred before its cutoff. */
export const knownTo = ({ cutoff }: BatchParameters): string =>
  cutoff === undefined ? "true" : `occurred_at < ${timestampLiteral(instantMs(cutoff))}`;

const entryColumns = [
  ...Object.keys(orderEntries.columns).filter((column) => column !== "lines"),
  ...["stated_at", "units", "line_count"],
];

/**
 * The views `orders` and `refunds` as of the run, in one narrow table: what RFM and the marts read. An order and all its
 * refunds lie in one month. A run with `months` is right when these hold every month in which an event occurred of an
 * order that has changed since the table was written (`changedOrderMonths`).
 */
export const orderFacts: BatchTable = {
  name: "order_facts",
  grain: "one row per order and one per refund in its current state as of the run, without lines",
  key: ["entry", "event_id", "stated_at"],
  columns: {
    entry: { type: "string", description: "`order` or `refund`" },
    event_id: { type: "string", description: "The event that holds the current state" },
    stated_at: { type: "timestamp", description: "occurred_at of that event, UTC" },
    source: { type: "string", description: "Source of the events" },
    customer_key: { type: "string", description: "Pseudonym; NULL where the producer named no customer" },
    order_key: { type: "string", description: "Identity of the order within its customer: source and order id" },
    order_id: { type: "string", description: "NULL for a refund that names no order" },
    refund_id: { type: "string", description: "NULL for an order" },
    occurred_at: { type: "timestamp", description: "UTC; of the order, of the refund" },
    effect_at: {
      type: "timestamp",
      description: "UTC; the order's time for its refunds too, the refund's own where no order is known",
    },
    counts: {
      type: "boolean",
      description: "An order that is not cancelled and has a net above 0; false for a refund",
    },
    cancelled: { type: "boolean", description: "The order, or the order of the refund, was cancelled" },
    country: { type: "string", description: "As given with the event" },
    currency: { type: "string", description: "ISO 4217" },
    total_minor: { type: "bigint", description: "Minor units of currency, as stated; refunds ≥ 0, cancelled orders 0" },
    reporting_currency: { type: "string", description: "ISO 4217" },
    gross_minor: { type: "bigint", description: "Of an order, minor units of reporting_currency; 0 for a refund" },
    refund_minor: {
      type: "bigint",
      description: "What a refund took from the customer's worth, minor units of reporting_currency; 0 for an order",
    },
    units: { type: "decimal(18,6)", description: "Σ quantity; of a refund at most 0, of a cancelled order 0" },
    line_count: { type: "bigint", description: "Lines of the event" },
    month: { type: "string", description: "UTC month of effect_at, YYYY-MM (partition)" },
  },
  partitionedBy: "month",
  reads: ["curated_order_events", "repeated_orders"],
  engine: "spark",
  sql: (m, parameters) => {
    const { months } = parameters;
    const within = (timestamp: string): string => (months === undefined ? "true" : inMonths(timestamp, months));
    const states = (orders: "repeated" | "single"): string =>
      orderStateSql(m, {
        from: "curated_order_events",
        // What took effect when it occurred needs no event of another month.
        where: orders === "single" ? `${knownTo(parameters)} AND ${within("occurred_at")}` : knownTo(parameters),
        columns: entryColumns,
        orders,
      });
    const text = { duckdb: "varchar", trino: "varchar", spark: "string" }[m.name];
    const unitsOf = (turned: string): string =>
      `CASE WHEN cancelled THEN CAST(0 AS decimal(18,6)) ELSE CAST(${turned} AS decimal(18,6)) END AS units`;
    return `
WITH order_entries AS (${states("repeated")}
),
refunds AS (${refundsSql([
      "r.country",
      "r.stated_at",
      "r.units",
      "r.line_count",
      "coalesce(o.occurred_at, r.first_stated_at) AS effect_at",
      "coalesce(o.cancelled, false) AS cancelled",
    ])}
),
orders AS (${ordersSql(["stated_at", "units", "line_count", "cancelled"])}
),
single_entries AS (${states("single")}
)
SELECT
  'order' AS entry, event_id, stated_at, source, customer_key, order_key, order_id, CAST(NULL AS ${text}) AS refund_id,
  occurred_at, occurred_at AS effect_at, counts, cancelled, country, currency, total_minor, reporting_currency,
  gross_minor, CAST(0 AS bigint) AS refund_minor, ${unitsOf("units")}, line_count,
  ${monthText(m, "occurred_at")} AS month
FROM orders
WHERE ${within("occurred_at")}
UNION ALL
SELECT
  'refund' AS entry, event_id, stated_at, source, customer_key, order_key, order_id, refund_id,
  occurred_at, effect_at, false AS counts, cancelled, country, currency, total_minor, reporting_currency,
  CAST(0 AS bigint) AS gross_minor, effective_minor AS refund_minor, ${unitsOf("-abs(units)")}, line_count,
  ${monthText(m, "effect_at")} AS month
FROM refunds
WHERE ${within("effect_at")}
UNION ALL
-- An order without another event is worth what it states, and so is a refund of an order that nobody has told of.
SELECT
  entry, event_id, stated_at, source, customer_key, order_key, order_id, refund_id,
  occurred_at, occurred_at AS effect_at, entry = 'order' AND NOT cancelled AND reporting_minor > 0 AS counts, cancelled,
  country, currency, total_minor, reporting_currency,
  CASE WHEN entry = 'order' THEN reporting_minor ELSE 0 END AS gross_minor,
  CASE WHEN entry = 'order' THEN 0 ELSE reporting_minor END AS refund_minor,
  ${unitsOf("CASE WHEN entry = 'order' THEN units ELSE -abs(units) END")}, line_count,
  ${monthText(m, "occurred_at")} AS month
FROM single_entries`;
  },
  tests: {
    "an order has one state": `
      SELECT order_key FROM order_facts WHERE entry = 'order' GROUP BY customer_key, order_key HAVING count(*) > 1`,
    "a refund gives back at least nothing": "SELECT event_id FROM order_facts WHERE refund_minor < 0",
    "a cancelled order is worth nothing": `
      SELECT event_id FROM order_facts WHERE cancelled AND (counts OR gross_minor <> 0 OR refund_minor <> 0)`,
    "an order counts exactly when something is left of it": `
      SELECT order_key FROM order_facts GROUP BY customer_key, order_key
      HAVING (max(CASE WHEN entry = 'order' AND counts THEN 1 ELSE 0 END) = 1 AND sum(gross_minor - refund_minor) <= 0)
        OR (max(CASE WHEN entry = 'order' AND NOT counts THEN 1 ELSE 0 END) = 1 AND sum(gross_minor - refund_minor) > 0)`,
  },
};

/** What may have changed the state of an order since tables were made of it. Instants in RFC 3339, UTC. */
export interface OrderChanges {
  /** UTC day: what arrived before it is in the tables. */
  readonly arrivedSince: string;
  /** What the tables knew, and what is known now. */
  readonly cutoffs: readonly [before: string, now: string];
}

/**
 * A SELECT of one column `month`: the months in which an event occurred of an order that an arrival is about, or that
 * one cutoff knows otherwise than the other. All that is told of such an order lies in them.
 */
export const changedOrderMonths = (m: Dialect, changes: OrderChanges): string => `
WITH ${changedOrderEvents(m, changes)}
SELECT DISTINCT month FROM changed_events`;

/**
 * A SELECT of one column `month`, besides those: the months in which somebody's first counted order may have been or may be
 * now. Whoever is new in a month or returns is told by them. Reads `rfm_base` as it was made when the tables were.
 */
export const changedFirstMonths = (m: Dialect, changes: OrderChanges): string => `
WITH ${changedOrderEvents(m, changes)},
-- A change to what came after somebody's first order leaves it the first.
suspects AS (
  SELECT c.customer_part
  FROM changed_events AS c
  LEFT JOIN rfm_base AS b ON b.customer_key = c.customer_part
  WHERE c.customer_part <> ''
  GROUP BY c.customer_part
  HAVING min(b.first_order_at) IS NULL OR min(c.occurred_at) <= min(b.first_order_at)
)
SELECT DISTINCT e.month
FROM curated_order_events AS e
JOIN suspects AS s ON s.customer_part = e.customer_key`;

/** `changed_events`: every event of the orders that may have changed. */
const changedOrderEvents = (m: Dialect, { arrivedSince, cutoffs }: OrderChanges): string => {
  const [from, to] = cutoffs.map(instantMs).sort((a, b) => a - b) as [number, number];
  const order = `coalesce(customer_key, '') AS customer_part, ${orderKeySql(m)}`;
  return `changed AS (
  SELECT ${order}
  FROM raw_events
  WHERE dt >= '${arrivedSince}' AND kind IN (${[...orderKinds].map((kind) => `'${kind}'`).join(", ")})
  UNION
  SELECT ${order}
  FROM curated_order_events
  WHERE occurred_at >= ${timestampLiteral(from)} AND occurred_at < ${timestampLiteral(to)}
),
order_events AS (
  SELECT ${order}, occurred_at, month FROM curated_order_events
),
changed_events AS (
  SELECT e.customer_part, e.occurred_at, e.month
  FROM order_events AS e
  JOIN changed AS c ON c.order_key = e.order_key AND c.customer_part = e.customer_part
)`;
};
