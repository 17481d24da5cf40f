/** What the data of each source looks like, month by month: what is missing, distinct, out of range, far off, said twice. */
import type { BatchParameters, BatchTable } from "../batch-table.ts";
import type { Dialect } from "../dialect.ts";
import { lineFields } from "../tables/order-lines.ts";
import { monthText } from "./curated.ts";
import { inMonths } from "./literals.ts";

/** A value further from the month's mean than so many standard deviations is an outlier. */
const OUTLIER_SDS = 6;

export interface ProfiledColumn {
  readonly name: string;
  readonly is: "text" | "number";
  /** Its absence is a fault, not a choice. */
  readonly expected?: boolean;
  /** Below zero it is a fault. */
  readonly atLeastZero?: boolean;
}

/** A table of events as a source sends them: what of it is looked at. */
export interface Subject {
  readonly name: string;
  /** A SELECT of `source`, `told_at`, `received_at` and the columns. @param wanted true for rows of the months that are asked for */
  readonly sql: (m: Dialect, wanted: string) => string;
  readonly columns: readonly ProfiledColumn[];
  /** Rows that are equal in these say the same thing twice; all of the SELECT has them. */
  readonly sameRow: readonly string[];
}

const plain = (from: string, columns: readonly string[], where: string) => (_m: Dialect, wanted: string) => `
  SELECT source, occurred_at AS told_at, received_at, ${columns.join(", ")}
  FROM ${from}
  WHERE ${where} AND ${wanted}`;

const text = (name: string, expected = false): ProfiledColumn => ({ name, is: "text", expected });
const number = (name: string, more: Partial<ProfiledColumn> = {}): ProfiledColumn => ({ name, is: "number", ...more });

export const subjects: readonly Subject[] = [
  {
    name: "orders",
    columns: [
      text("customer_key", true),
      text("order_id", true),
      text("country"),
      text("currency", true),
      number("total_minor", { expected: true }),
      number("line_count"),
    ],
    sameRow: ["order_id", "customer_key", "told_at", "total_minor"],
    sql: plain(
      "curated_order_events",
      ["customer_key", "order_id", "country", "currency", "total_minor", "line_count"],
      "kind = 'order_completed'",
    ),
  },
  {
    name: "order_lines",
    columns: [
      text("customer_key", true),
      text("product_id", true),
      text("name"),
      text("category"),
      number("quantity", { expected: true }),
      number("unit_price", { expected: true, atLeastZero: true }),
      number("line_minor"),
    ],
    sameRow: ["order_id", "customer_key", "line_at", "product_id", "name", "quantity", "unit_price"],
    sql: (m, wanted) => {
      const items = m.explodeRows("lines", lineFields);
      return `
  SELECT
    source, told_at, received_at, order_id, customer_key, coalesce(occurred_at, told_at) AS line_at, product_id, name,
    category, quantity, unit_price, total_minor AS line_minor
  FROM (
    SELECT source, told_at, received_at, order_id, customer_key, ${items.select}
    FROM (
      SELECT source, occurred_at AS told_at, received_at, order_id, customer_key, lines
      FROM curated_order_events
      WHERE kind IN ('order_completed', 'order_refunded') AND ${wanted}
    ) AS placed ${items.from}
  ) AS lines_of_orders`;
    },
  },
  {
    name: "visits",
    columns: [
      text("visitor", true),
      text("product_id"),
      text("category"),
      text("page_path"),
      number("unit_price", { atLeastZero: true }),
    ],
    sameRow: ["visitor", "kind", "told_at", "product_id", "page_path", "session_id"],
    sql: plain(
      "curated_activity",
      [
        ...["coalesce(anonymous_key, customer_key) AS visitor", "kind", "session_id", "product_id", "category"],
        ...["page_path", "unit_price"],
      ],
      "kind <> 'products_searched'",
    ),
  },
  {
    name: "posts",
    columns: [text("author_key", true), text("body"), text("language"), text("sentiment"), number("reach")],
    sameRow: ["platform", "author_key", "body"],
    sql: plain(
      "curated_social",
      ["platform", "author_key", "body", "language", "sentiment", "reach"],
      "kind = 'social_mentioned'",
    ),
  },
];

/** The name under which a table as a whole is told. */
export const WHOLE_TABLE = "*";

const rounded = (sql: string): string => `round(${sql}, 6)`;

const subjectSql = (m: Dialect, { name, columns, sameRow, sql }: Subject, wanted: string): string => {
  const each = (of: (column: ProfiledColumn, at: number) => string): string => columns.map(of).join(",\n    ");
  const unfolded = (of: (column: ProfiledColumn, at: number) => string, whole: string): string =>
    `CASE n.place WHEN -1 THEN ${whole} ${columns.map((column, at) => `WHEN ${at} THEN ${of(column, at)}`).join(" ")} END`;
  const value = (column: ProfiledColumn, table: string): string =>
    column.is === "number" ? `CAST(${table}.${column.name} AS double)` : "CAST(NULL AS double)";
  return `
${name}_told AS (SELECT t.*, ${monthText(m, "t.told_at")} AS month FROM (${sql(m, wanted)}
  ) AS t),
${name}_moments AS (
  SELECT
    source, month, count(*) AS row_count, min(told_at) AS first_at, max(told_at) AS last_at, max(received_at) AS received_at,
    ${each(
      (column, at) => `count(t.${column.name}) AS present_${at}, count(DISTINCT t.${column.name}) AS distinct_${at},
    min(${value(column, "t")}) AS minimum_${at}, max(${value(column, "t")}) AS maximum_${at},
    avg(${value(column, "t")}) AS mean_${at}, stddev_samp(${value(column, "t")}) AS sd_${at},
    ${column.is === "number" ? `count(CASE WHEN t.${column.name} < 0 THEN 1 END)` : "0"} AS negative_${at}`,
    )}
  FROM ${name}_told AS t
  GROUP BY source, month
),
${name}_far AS (
  SELECT
    t.source, t.month,
    ${each((column, at) =>
      column.is === "number"
        ? `count(CASE WHEN abs(${value(column, "t")} - m.mean_${at}) > ${OUTLIER_SDS} * m.sd_${at} THEN 1 END) AS far_${at}`
        : `0 AS far_${at}`,
    )}
  FROM ${name}_told AS t
  JOIN ${name}_moments AS m ON m.source = t.source AND m.month = t.month
  GROUP BY t.source, t.month
),
${name}_same AS (
  SELECT source, month, sum(times - 1) AS repeated
  FROM (
    SELECT source, month, count(*) AS times FROM ${name}_told GROUP BY source, month, ${sameRow.join(", ")}
  ) AS rows_told
  GROUP BY source, month
),
${name}_rows AS (
  SELECT
    m.source, '${name}' AS table_name,
    CASE n.place WHEN -1 THEN '${WHOLE_TABLE}' ${columns.map((column, at) => `WHEN ${at} THEN '${column.name}'`).join(" ")} END AS column_name,
    CAST(m.row_count AS bigint) AS rows_told,
    CAST(${unfolded((_, at) => `m.row_count - m.present_${at}`, "0")} AS bigint) AS missing,
    CAST(${unfolded((_, at) => `m.distinct_${at}`, "m.row_count - s.repeated")} AS bigint) AS distinct_values,
    ${unfolded((_, at) => `m.minimum_${at}`, "CAST(NULL AS double)")} AS minimum,
    ${unfolded((_, at) => `m.maximum_${at}`, "CAST(NULL AS double)")} AS maximum,
    ${rounded(unfolded((_, at) => `m.mean_${at}`, "CAST(NULL AS double)"))} AS mean,
    ${rounded(unfolded((_, at) => `m.sd_${at}`, "CAST(NULL AS double)"))} AS sd,
    CAST(${unfolded((_, at) => `m.negative_${at}`, "0")} AS bigint) AS negative,
    CAST(${unfolded((_, at) => `f.far_${at}`, "0")} AS bigint) AS outliers,
    CAST(CASE WHEN n.place = -1 THEN s.repeated ELSE 0 END AS bigint) AS repeated,
    m.first_at, m.last_at, m.received_at, m.month
  FROM ${name}_moments AS m
  JOIN ${name}_far AS f ON f.source = m.source AND f.month = m.month
  JOIN ${name}_same AS s ON s.source = m.source AND s.month = m.month
  CROSS JOIN (VALUES (-1), ${columns.map((_, at) => `(${at})`).join(", ")}) AS n (place)
)`;
};

const bigint = (description: string) => ({ type: "bigint", description }) as const;
const double = (description: string) => ({ type: "double", description }) as const;

export const qualityProfiles: BatchTable = {
  name: "quality_profiles",
  grain: "one row per source, table, column and month, and one with the column `*` for the table as a whole",
  key: ["source", "table_name", "column_name", "month"],
  columns: {
    source: { type: "string", description: "Source of the events" },
    table_name: { type: "string", description: subjects.map(({ name }) => `\`${name}\``).join(", ") },
    column_name: { type: "string", description: "The column, or `*`" },
    rows_told: bigint("Rows of the month, each event once"),
    missing: bigint("Rows without a value"),
    distinct_values: bigint("Distinct values; of `*` the rows without their repetitions"),
    minimum: double("NULL for a text"),
    maximum: double("NULL for a text"),
    mean: double("To six decimals; NULL for a text"),
    sd: double("Standard deviation (n − 1), to six decimals; NULL for a text"),
    negative: bigint("Values below zero"),
    outliers: bigint(`Values further from the mean than ${OUTLIER_SDS} standard deviations`),
    repeated: bigint(
      "Of `*`: rows that say what another row of the month has said, under another event id or as another line",
    ),
    first_at: { type: "timestamp", description: "UTC; when the first row of the month occurred" },
    last_at: { type: "timestamp", description: "UTC; when the last row of the month occurred" },
    received_at: { type: "timestamp", description: "UTC; when the last of them arrived" },
    month: { type: "string", description: "UTC month, YYYY-MM (partition)" },
  },
  partitionedBy: "month",
  reads: ["curated_order_events", "curated_activity", "curated_social"],
  engine: "spark",
  sql: (m, { months }: BatchParameters) => {
    const wanted = months === undefined ? "true" : inMonths("occurred_at", months);
    return `
WITH ${subjects.map((subject) => subjectSql(m, subject, wanted).trim()).join(",\n")}
${subjects.map(({ name }) => `SELECT * FROM ${name}_rows`).join("\nUNION ALL\n")}`;
  },
  tests: {
    "one row a column and month": `
      SELECT column_name FROM quality_profiles GROUP BY source, table_name, column_name, month HAVING count(*) > 1`,
    "what is counted is among the rows": `
      SELECT column_name FROM quality_profiles
      WHERE missing > rows_told OR distinct_values > rows_told OR negative + missing > rows_told OR repeated >= rows_told
        OR minimum > maximum OR (column_name <> '*' AND (distinct_values = 0) <> (missing = rows_told))`,
  },
};

/** What of one table must be found in another. */
export const references = [
  { name: "refunds to orders", table: "refunds", column: "order_id", to: "orders" },
  { name: "views to ordered products", table: "visits", column: "product_id", to: "order_lines" },
] as const;

export const qualityReferences: BatchTable = {
  name: "quality_references",
  grain: "one row per source and reference from one table to another",
  key: ["source", "reference"],
  columns: {
    source: { type: "string", description: "Source of the events" },
    reference: { type: "string", description: references.map(({ name }) => `\`${name}\``).join(", ") },
    values_named: bigint("Distinct values that refer"),
    gaps: bigint("Of those the ones that are not found"),
  },
  reads: ["curated_order_events", "product_days"],
  engine: "spark",
  sql: () => `
WITH orders_known AS (
  SELECT DISTINCT source, order_id AS known FROM curated_order_events
  WHERE kind <> 'order_refunded' AND order_id IS NOT NULL
),
refunds_named AS (
  SELECT DISTINCT source, order_id AS named FROM curated_order_events
  WHERE kind = 'order_refunded' AND order_id IS NOT NULL
),
products AS (
  SELECT source, product_id, sum(ordered) AS ordered, sum(told) - sum(ordered) AS viewed
  FROM product_days
  GROUP BY source, product_id
)
SELECT
  r.source, '${references[0].name}' AS reference, CAST(count(*) AS bigint) AS values_named,
  CAST(count(*) - count(o.known) AS bigint) AS gaps
FROM refunds_named AS r
LEFT JOIN orders_known AS o ON o.source = r.source AND o.known = r.named
GROUP BY r.source
UNION ALL
SELECT
  source, '${references[1].name}' AS reference, CAST(count(*) AS bigint) AS values_named,
  CAST(count(CASE WHEN ordered = 0 THEN 1 END) AS bigint) AS gaps
FROM products
WHERE viewed > 0
GROUP BY source`,
  tests: {
    "one row a source and reference": `
      SELECT source FROM quality_references GROUP BY source, reference HAVING count(*) > 1`,
    "gaps are among what is named": "SELECT source FROM quality_references WHERE gaps < 0 OR gaps > values_named",
  },
};

/** What is expected of each column, for the report. */
export const columnRules = subjects.flatMap(({ name: table, columns }) =>
  columns.map(({ name: column, expected = false, atLeastZero = false }) => ({ table, column, expected, atLeastZero })),
);
