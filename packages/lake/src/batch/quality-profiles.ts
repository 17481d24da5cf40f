/** What the data of each source looks like, month by month: what is missing, distinct, out of range, far off, said twice. */
import type { BatchParameters, BatchTable } from "../batch-table.ts";
import type { Dialect } from "../dialect.ts";
import { monthText } from "./curated.ts";
import { inMonths } from "./literals.ts";
import { type ProfiledColumn, type Subject, subjects } from "./quality-subjects.ts";

/** A value further from the month's mean than so many standard deviations is an outlier. */
const OUTLIER_SDS = 6;

/** The name under which a table as a whole is told. */
export const WHOLE_TABLE = "*";

const rounded = (sql: string): string => `round(${sql}, 6)`;

/** What of a subject its CTEs are named by. */
const idOf = ({ name, part }: Subject): string => (part === undefined ? name : `${name}_of_${part}`);

const asDouble = (column: ProfiledColumn, table: string): string =>
  column.is === "number" ? `CAST(${table}.${column.name} AS double)` : "CAST(NULL AS double)";

const timesWhere = (condition: string): string => `sum(CASE WHEN ${condition} THEN t.times ELSE 0 END)`;

const NULL_DOUBLE = "CAST(NULL AS double)";

/** What of a sum of squares is left by rounding where all values are the same. */
const ROUNDING = "1e-12";

/**
 * Standard deviation (n − 1) by sums, in the pass that counts: engines compute a relation anew for everybody who names it.
 * NULL for fewer than two values.
 */
const deviation = (m: Dialect, { count, total, squares }: Record<"count" | "total" | "squares", string>): string => {
  const spread = `${squares} - ${total} * ${m.ratio(total, count)}`;
  return `sqrt(${m.ratio(`CASE WHEN ${spread} > ${ROUNDING} * ${squares} THEN ${spread} ELSE 0e0 END`, `CASE WHEN ${count} > 1 THEN ${count} - 1 END`)})`;
};

const momentsSql = (m: Dialect, subject: Subject): string => {
  const id = idOf(subject);
  const each = (of: (column: ProfiledColumn, at: number) => string): string => subject.columns.map(of).join(",\n    ");
  const numbers = subject.columns.flatMap((column, at) => (column.is === "number" ? [{ column, at }] : []));
  const present = (column: ProfiledColumn): string => timesWhere(`t.${column.name} IS NOT NULL`);
  const total = (column: ProfiledColumn): string => `sum(${asDouble(column, "t")} * t.times)`;
  return `${id}_moments AS (
  SELECT
    source, month, sum(t.times) AS row_count, min(told_at) AS first_at, max(last_told_at) AS last_at,
    max(received_at) AS received_at,${subject.sameRow === "repeated" ? " sum(t.repeated) AS repeated," : ""}
    ${each(
      (column, at) => `${present(column)} AS present_${at},
    count(DISTINCT t.${column.name}) AS distinct_${at}${
      column.is === "text"
        ? ""
        : `,
    min(${asDouble(column, "t")}) AS minimum_${at}, max(${asDouble(column, "t")}) AS maximum_${at},
    ${m.ratio(total(column), present(column))} AS mean_${at},
    ${deviation(m, { count: present(column), total: total(column), squares: `sum(${asDouble(column, "t")} * ${asDouble(column, "t")} * t.times)` })} AS sd_${at}, ${timesWhere(`t.${column.name} < 0`)} AS negative_${at}`
    }`,
    )}
  FROM ${id}_told AS t
  GROUP BY source, month
)${numbers.length === 0 ? "" : farSql(id, numbers)}`;
};

type Numbers = readonly { readonly column: ProfiledColumn; readonly at: number }[];

const farSql = (id: string, numbers: Numbers): string => `,
${id}_far AS (
  SELECT
    t.source, t.month,
    ${numbers
      .map(
        ({ column, at }) =>
          `${timesWhere(`abs(${asDouble(column, "t")} - m.mean_${at}) > ${OUTLIER_SDS} * m.sd_${at}`)} AS far_${at}`,
      )
      .join(",\n    ")}
  FROM ${id}_told AS t
  JOIN ${id}_moments AS m ON m.source = t.source AND m.month = t.month
  GROUP BY t.source, t.month
)`;

const sameSql = (id: string, sameRow: readonly string[]): string => `,
${id}_same AS (
  SELECT source, month, sum(times - 1) AS repeated
  FROM (
    SELECT source, month, count(*) AS times FROM ${id}_told GROUP BY source, month, ${sameRow.join(", ")}
  ) AS rows_told
  GROUP BY source, month
)`;

const subjectSql = (m: Dialect, subject: Subject, wanted: string): string => {
  const { name, columns, sameRow, sql } = subject;
  const id = idOf(subject);
  const unfolded = (of: (column: ProfiledColumn, at: number) => string, whole: string): string =>
    `CASE n.place WHEN -1 THEN ${whole} ${columns.map((column, at) => `WHEN ${at} THEN ${of(column, at)}`).join(" ")} END`;
  const ofNumber = (table: string, measure: string, otherwise: string) => (column: ProfiledColumn, at: number) =>
    column.is === "number" ? `${table}.${measure}_${at}` : otherwise;
  const places = [...(sameRow === undefined ? [] : [-1]), ...columns.keys()];
  const same = Array.isArray(sameRow) ? (sameRow as readonly string[]) : undefined;
  const repeated = sameRow === undefined ? "0" : same === undefined ? "m.repeated" : "s.repeated";
  const joined = (relation: string, letter: string): string =>
    `\n  JOIN ${id}_${relation} AS ${letter} ON ${letter}.source = m.source AND ${letter}.month = m.month`;
  const joins = [
    columns.some(({ is }) => is === "number") ? joined("far", "f") : "",
    same === undefined ? "" : joined("same", "s"),
  ].join("");
  return `
${id}_told AS (SELECT t.*, ${monthText(m, "t.told_at")} AS month FROM (${sql(m, wanted)}
  ) AS t),
${momentsSql(m, subject)}${same === undefined ? "" : sameSql(id, same)},
${id}_rows AS (
  SELECT
    m.source, '${name}' AS table_name,
    CASE n.place WHEN -1 THEN '${WHOLE_TABLE}' ${columns.map((column, at) => `WHEN ${at} THEN '${column.name}'`).join(" ")} END AS column_name,
    CAST(m.row_count AS bigint) AS rows_told,
    CAST(${unfolded((_, at) => `m.row_count - m.present_${at}`, "0")} AS bigint) AS missing,
    CAST(${unfolded((_, at) => `m.distinct_${at}`, `m.row_count - ${repeated}`)} AS bigint) AS distinct_values,
    ${unfolded(ofNumber("m", "minimum", NULL_DOUBLE), NULL_DOUBLE)} AS minimum,
    ${unfolded(ofNumber("m", "maximum", NULL_DOUBLE), NULL_DOUBLE)} AS maximum,
    ${rounded(unfolded(ofNumber("m", "mean", NULL_DOUBLE), NULL_DOUBLE))} AS mean,
    ${rounded(unfolded(ofNumber("m", "sd", NULL_DOUBLE), NULL_DOUBLE))} AS sd,
    CAST(${unfolded(ofNumber("m", "negative", "0"), "0")} AS bigint) AS negative,
    CAST(${unfolded(ofNumber("f", "far", "0"), "0")} AS bigint) AS outliers,
    CAST(CASE WHEN n.place = -1 THEN ${repeated} ELSE 0 END AS bigint) AS repeated,
    m.first_at, m.last_at, m.received_at, m.month
  FROM ${id}_moments AS m${joins}
  CROSS JOIN (VALUES ${places.map((place) => `(${place})`).join(", ")}) AS n (place)
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
    table_name: { type: "string", description: [...new Set(subjects.map(({ name }) => `\`${name}\``))].join(", ") },
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
      "Of `*`: rows that say what another row of the month has said under another event id; lines, what another one of their order has said",
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
${subjects.map((subject) => `SELECT * FROM ${idOf(subject)}_rows`).join("\nUNION ALL\n")}`;
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
