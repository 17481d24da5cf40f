/** RFM and segments in SQL: what each customer is worth, exact quantiles over all of them, and the segment of each. */
import { type CutPoints, NO_PURCHASE, SEGMENT_CELLS, cellOf, scores, segmentOf } from "@ebb/core/rfm";
import { type SegmentConfiguration, windowFromMonth } from "@ebb/core/segments";
import type { BatchParameters, BatchTable } from "../batch-table.ts";
import { cutoffMsOf } from "./customer-features.ts";
import { dayOf, textLiteral, timestampLiteral } from "./literals.ts";

/** Names of the documents among a run's parameters. */
export const RFM_DOCUMENTS = {
  /** A parsed `SegmentConfiguration`; read by `rfm_base`, and the default where absent. */
  configuration: "segmentConfiguration",
  /** `CutPoints` as `cutPointsOf` makes them; read by `customer_segments`. */
  cutPoints: "cutPoints",
} as const;

/** @throws RangeError for a window without a cutoff that it ends at */
const windowCondition = (parameters: BatchParameters, configuration: SegmentConfiguration | undefined): string => {
  if (configuration?.windowMonths === undefined) return "true";
  const from = windowFromMonth(cutoffMsOf(parameters), configuration.windowMonths);
  return `effect_at >= ${timestampLiteral(Date.parse(`${from}-01T00:00:00Z`))}`;
};

export const rfmBase: BatchTable = {
  name: "rfm_base",
  grain: "one row per customer who ever ordered or gave something back, as of the run",
  key: ["customer_key"],
  columns: {
    customer_key: { type: "string", description: "Pseudonym" },
    orders: { type: "bigint", description: "Counted orders in the configured window, the whole history without one" },
    gross_minor: { type: "bigint", description: "Of orders in the window, minor units of the reporting currency" },
    refund_minor: { type: "bigint", description: "Of the same orders, whenever they were given back" },
    net_minor: { type: "bigint", description: "gross_minor − refund_minor" },
    monetary_minor: { type: "bigint", description: "net_minor or gross_minor, as configured: what M is scored by" },
    first_order_at: { type: "timestamp", description: "UTC; first counted order ever, NULL when none counts" },
    last_order_at: { type: "timestamp", description: "UTC; last counted order ever, NULL when none counts" },
  },
  reads: ["order_facts"],
  engine: "spark",
  sql: (_m, parameters) => {
    const configuration = parameters.documents?.[RFM_DOCUMENTS.configuration] as SegmentConfiguration | undefined;
    const within = windowCondition(parameters, configuration);
    return `
WITH summed AS (
  SELECT
    customer_key,
    CAST(count(CASE WHEN counts AND ${within} THEN 1 END) AS bigint) AS orders,
    CAST(sum(CASE WHEN ${within} THEN gross_minor ELSE 0 END) AS bigint) AS gross_minor,
    CAST(sum(CASE WHEN ${within} THEN refund_minor ELSE 0 END) AS bigint) AS refund_minor,
    min(CASE WHEN counts THEN occurred_at END) AS first_order_at,
    max(CASE WHEN counts THEN occurred_at END) AS last_order_at
  FROM order_facts
  WHERE customer_key IS NOT NULL
  GROUP BY customer_key
)
SELECT
  customer_key, orders, gross_minor, refund_minor, gross_minor - refund_minor AS net_minor,
  ${configuration?.money === "gross" ? "gross_minor" : "gross_minor - refund_minor"} AS monetary_minor,
  first_order_at, last_order_at
FROM summed`;
  },
  tests: {
    "one row a customer": "SELECT customer_key FROM rfm_base GROUP BY customer_key HAVING count(*) > 1",
    "who ordered has a last order": "SELECT customer_key FROM rfm_base WHERE orders > 0 AND last_order_at IS NULL",
  },
};

/** Quantile `fifth`/5: the smallest value that at least so many of all are not above (`fifths` in `@ebb/core/segments`). */
const cut = (fifth: number): string =>
  `CAST(min(CASE WHEN place * 5 >= customers * ${fifth} THEN value END) AS bigint) AS cut_${fifth}`;

export const rfmQuantiles: BatchTable = {
  name: "rfm_quantiles",
  grain: "one row per measure (recency, frequency, monetary) over the customers with a counted order in the window",
  key: ["measure"],
  columns: {
    measure: { type: "string", description: "`recency`, `frequency` or `monetary`" },
    customers: { type: "bigint", description: "Customers with a counted order in the window" },
    ...Object.fromEntries(
      [1, 2, 3, 4].map((fifth) => [
        `cut_${fifth}`,
        {
          type: "bigint" as const,
          description: `The value at rank ⌈${fifth}·n/5⌉: epoch milliseconds of the last order, orders, minor units`,
        },
      ]),
    ),
  },
  reads: ["rfm_base"],
  engine: "athena",
  sql: (m) => {
    // A cut is a value, and equal values are scored alike: which of them has which place does not matter.
    const places = (measure: string, value: string): string => `
  SELECT '${measure}' AS measure, value, customers, row_number() OVER (ORDER BY value) AS place
  FROM (
    SELECT ${value} AS value, c.customers
    FROM rfm_base CROSS JOIN (SELECT count(*) AS customers FROM rfm_base WHERE orders > 0) AS c
    WHERE orders > 0
  ) AS ${measure}_values`;
    return `
WITH ranked AS (${places("recency", m.epochMs("last_order_at"))}
  UNION ALL${places("frequency", "orders")}
  UNION ALL${places("monetary", "monetary_minor")}
)
SELECT
  measure,
  CAST(max(customers) AS bigint) AS customers,
  ${[1, 2, 3, 4].map(cut).join(",\n  ")}
FROM ranked
GROUP BY measure`;
  },
  tests: {
    "cut points ascend": "SELECT measure FROM rfm_quantiles WHERE cut_1 > cut_2 OR cut_2 > cut_3 OR cut_3 > cut_4",
  },
};

/** 1 + the number of cut points below the value. */
const scoreSql = (value: string, cuts: readonly number[]): string =>
  `CAST(1 ${cuts.map((point) => `+ CASE WHEN ${value} > ${point} THEN 1 ELSE 0 END`).join(" ")} AS int)`;

/** The segment of each cell, the cells of one segment together. */
const segmentSql = (cuts: CutPoints): string => {
  const cells = new Map<string, number[]>();
  for (const recency of scores)
    for (const frequency of scores)
      for (const monetary of scores) {
        const cell = cellOf(recency, frequency, monetary);
        const segment = cuts.segments?.[cell] ?? segmentOf(recency, frequency, monetary);
        cells.set(segment, [...(cells.get(segment) ?? []), cell]);
      }
  const whens = [...cells].map(([segment, of]) => `WHEN cell IN (${of.join(", ")}) THEN ${textLiteral(segment)}`);
  return `CASE ${whens.join("\n    ")} END`;
};

export const customerSegments: BatchTable = {
  name: "customer_segments",
  grain: "one row per cutoff and customer who ever ordered or gave something back",
  key: ["cutoff", "customer_key"],
  columns: {
    customer_key: { type: "string", description: "Pseudonym" },
    recency_score: { type: "int", description: "1 to 5, 5 the latest; NULL without a counted order in the window" },
    frequency_score: { type: "int", description: "1 to 5; NULL without a counted order in the window" },
    monetary_score: { type: "int", description: "1 to 5; NULL without a counted order in the window" },
    segment: { type: "string", description: `One of the configured names, or \`${NO_PURCHASE}\`` },
    orders: { type: "bigint", description: "Counted orders in the window" },
    net_minor: { type: "bigint", description: "Net of orders in the window, minor units of the reporting currency" },
    last_order_at: { type: "timestamp", description: "UTC; last counted order" },
    cut_points_version: { type: "string", description: "Version of the cut points and of the map" },
    cutoff: { type: "string", description: "UTC day of the run, YYYY-MM-DD (partition)" },
  },
  partitionedBy: "cutoff",
  reads: ["rfm_base"],
  engine: "athena",
  sql: (m, parameters) => {
    const cuts = parameters.documents?.[RFM_DOCUMENTS.cutPoints] as CutPoints | undefined;
    if (cuts === undefined) throw new RangeError("Segments need cut points");
    if (cuts.segments !== undefined && cuts.segments.length !== SEGMENT_CELLS)
      throw new RangeError(`A segment map has ${SEGMENT_CELLS} cells, not ${cuts.segments.length}`);
    return `
WITH scored AS (
  SELECT
    customer_key, orders, net_minor, last_order_at,
    ${scoreSql(m.epochMs("last_order_at"), cuts.recencyAtMs)} AS recency_score,
    ${scoreSql("orders", cuts.frequency)} AS frequency_score,
    ${scoreSql("monetary_minor", cuts.monetaryMinor)} AS monetary_score
  FROM rfm_base
),
placed AS (
  SELECT *, (recency_score - 1) * 25 + (frequency_score - 1) * 5 + monetary_score - 1 AS cell FROM scored
)
SELECT
  customer_key,
  CASE WHEN orders > 0 THEN recency_score END AS recency_score,
  CASE WHEN orders > 0 THEN frequency_score END AS frequency_score,
  CASE WHEN orders > 0 THEN monetary_score END AS monetary_score,
  CASE WHEN orders = 0 THEN '${NO_PURCHASE}' ELSE ${segmentSql(cuts)} END AS segment,
  orders, net_minor, last_order_at,
  ${textLiteral(cuts.version)} AS cut_points_version,
  '${dayOf(cutoffMsOf(parameters))}' AS cutoff
FROM placed`;
  },
  tests: {
    "one row a customer and cutoff":
      "SELECT customer_key FROM customer_segments GROUP BY cutoff, customer_key HAVING count(*) > 1",
    "every customer has one segment": "SELECT customer_key FROM customer_segments WHERE segment IS NULL",
    "scores go with a purchase": `
      SELECT customer_key FROM customer_segments
      WHERE (segment = '${NO_PURCHASE}') <> (recency_score IS NULL)
        OR recency_score NOT BETWEEN 1 AND 5 OR frequency_score NOT BETWEEN 1 AND 5 OR monetary_score NOT BETWEEN 1 AND 5`,
    "equal values have equal scores": `
      SELECT orders FROM customer_segments WHERE orders > 0 GROUP BY cutoff, orders
      HAVING min(frequency_score) <> max(frequency_score)`,
  },
};
