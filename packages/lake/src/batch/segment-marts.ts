/** Marts over segments: how large they are, who moved between them, and the RFM grid. */
import type { BatchTable } from "../batch-table.ts";
import { cutoffMsOf } from "./customer-features.ts";
import { dayOf } from "./literals.ts";

const cutoff = { type: "string", description: "UTC day of the run, YYYY-MM-DD (partition)" } as const;
const customers = { type: "bigint", description: "Customers" } as const;
const orders = { type: "bigint", description: "Their counted orders in the window of RFM" } as const;
const net = { type: "bigint", description: "Their net in that window, minor units of the reporting currency" } as const;

export const segmentMovements: BatchTable = {
  name: "segment_movements",
  grain: "one row per cutoff, segment in the run before it and segment now, with a customer that moved or stayed so",
  key: ["cutoff", "from_segment", "to_segment"],
  columns: {
    from_segment: { type: "string", description: "In the last run before; empty for who was no customer then" },
    to_segment: { type: "string", description: "In this run; empty for who is no customer any more" },
    customers,
    orders,
    net_minor: net,
    previous_cutoff: { type: "string", description: "The run before, YYYY-MM-DD; NULL for the first" },
    cutoff,
  },
  partitionedBy: "cutoff",
  reads: ["customer_segments"],
  engine: "athena",
  sql: (_m, parameters) => {
    const day = dayOf(cutoffMsOf(parameters));
    return `
WITH previous_run AS (
  SELECT max(cutoff) AS previous_cutoff FROM customer_segments WHERE cutoff < '${day}'
),
current_run AS (
  SELECT customer_key, segment, orders, net_minor FROM customer_segments WHERE cutoff = '${day}'
),
earlier AS (
  SELECT s.customer_key, s.segment
  FROM customer_segments AS s
  JOIN previous_run AS p ON p.previous_cutoff = s.cutoff
),
moved AS (
  SELECT
    coalesce(e.segment, '') AS from_segment, coalesce(n.segment, '') AS to_segment,
    coalesce(n.orders, 0) AS orders, coalesce(n.net_minor, 0) AS net_minor
  FROM current_run AS n
  FULL JOIN earlier AS e ON e.customer_key = n.customer_key
)
SELECT
  m.from_segment, m.to_segment,
  CAST(count(*) AS bigint) AS customers,
  CAST(sum(m.orders) AS bigint) AS orders,
  CAST(sum(m.net_minor) AS bigint) AS net_minor,
  max(p.previous_cutoff) AS previous_cutoff,
  '${day}' AS cutoff
FROM moved AS m
CROSS JOIN previous_run AS p
GROUP BY m.from_segment, m.to_segment`;
  },
  tests: {
    "everybody of this run is somewhere": `
      WITH counted AS (
        SELECT cutoff, count(*) AS customers FROM customer_segments GROUP BY cutoff
      ),
      moved AS (
        SELECT cutoff, sum(customers) AS customers FROM segment_movements WHERE to_segment <> '' GROUP BY cutoff
      )
      SELECT m.cutoff FROM moved AS m JOIN counted AS c ON c.cutoff = m.cutoff WHERE c.customers <> m.customers`,
  },
};

export const segmentDaily: BatchTable = {
  name: "segment_daily",
  grain: "one row per cutoff and segment that has customers now or had some in the run before",
  key: ["cutoff", "segment"],
  columns: {
    segment: { type: "string", description: "Name" },
    customers,
    orders,
    net_minor: net,
    customers_before: { type: "bigint", description: "Customers in the run before" },
    entered: { type: "bigint", description: "Customers that were not in it in the run before" },
    departed: { type: "bigint", description: "Customers that were in it in the run before and are no more" },
    previous_cutoff: { type: "string", description: "The run before, YYYY-MM-DD; NULL for the first" },
    cutoff,
  },
  partitionedBy: "cutoff",
  reads: ["segment_movements"],
  engine: "athena",
  sql: (_m, parameters) => {
    const day = dayOf(cutoffMsOf(parameters));
    return `
WITH sides AS (
  SELECT
    to_segment AS segment, customers, orders, net_minor, 0 AS customers_before,
    CASE WHEN from_segment <> to_segment THEN customers ELSE 0 END AS entered, 0 AS departed, previous_cutoff
  FROM segment_movements WHERE cutoff = '${day}'
  UNION ALL
  SELECT
    from_segment AS segment, 0 AS customers, 0 AS orders, 0 AS net_minor, customers AS customers_before,
    0 AS entered, CASE WHEN from_segment <> to_segment THEN customers ELSE 0 END AS departed, previous_cutoff
  FROM segment_movements WHERE cutoff = '${day}'
)
SELECT
  segment,
  ${["customers", "orders", "net_minor", "customers_before", "entered", "departed"]
    .map((column) => `CAST(sum(${column}) AS bigint) AS ${column}`)
    .join(",\n  ")},
  max(previous_cutoff) AS previous_cutoff,
  '${day}' AS cutoff
FROM sides
WHERE segment <> ''
GROUP BY segment`;
  },
  tests: {
    "who is there was there or has entered": `
      SELECT segment FROM segment_daily WHERE customers <> customers_before + entered - departed`,
  },
};

export const rfmGrid: BatchTable = {
  name: "rfm_grid",
  grain: "one row per cutoff and cell of the RFM grid that has customers",
  key: ["cutoff", "recency_score", "frequency_score", "monetary_score"],
  columns: {
    recency_score: { type: "int", description: "1 to 5" },
    frequency_score: { type: "int", description: "1 to 5" },
    monetary_score: { type: "int", description: "1 to 5" },
    segment: { type: "string", description: "Segment of the cell" },
    customers,
    orders,
    net_minor: net,
    cutoff,
  },
  partitionedBy: "cutoff",
  reads: ["customer_segments"],
  engine: "athena",
  sql: (_m, parameters) => `
SELECT
  recency_score, frequency_score, monetary_score, min(segment) AS segment,
  CAST(count(*) AS bigint) AS customers,
  CAST(sum(orders) AS bigint) AS orders,
  CAST(sum(net_minor) AS bigint) AS net_minor,
  '${dayOf(cutoffMsOf(parameters))}' AS cutoff
FROM customer_segments
WHERE cutoff = '${dayOf(cutoffMsOf(parameters))}' AND recency_score IS NOT NULL
GROUP BY recency_score, frequency_score, monetary_score`,
  tests: {
    "a cell has one segment": `
      SELECT s.customer_key FROM customer_segments AS s
      JOIN rfm_grid AS g ON g.cutoff = s.cutoff AND g.recency_score = s.recency_score
        AND g.frequency_score = s.frequency_score AND g.monetary_score = s.monetary_score
      WHERE g.segment <> s.segment`,
  },
};
