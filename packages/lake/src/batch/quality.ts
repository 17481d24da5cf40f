/** Data quality: what the features look like at a cutoff, and when each source was last heard of. */
import type { BatchTable } from "../batch-table.ts";
import { curatedTables } from "./curated.ts";
import { cutoffMsOf } from "./customer-features.ts";
import type { Feature } from "./feature.ts";
import { features } from "./features.ts";
import { dayOf, daysBefore, timestampLiteral } from "./literals.ts";
import { knownTo } from "./order-facts.ts";

/** A value further from the mean than so many standard deviations is an outlier. */
const OUTLIER_SDS = 4;

/** Doubles are summed in an order of the engine's own: the last digits would differ from run to run. */
const rounded = (sql: string): string => `round(${sql}, 6)`;

/**
 * Features that one SELECT takes together. All at once take Spark's compiler minutes; each by itself, all joined by UNION
 * ALL, are more stages than Trino takes in a query (150).
 */
const TOGETHER = 10;

type Some = readonly Pick<Feature, "name" | "type">[];

/** One row, or none where there is no customer. A text has no moments. */
const momentsSql = (some: Some, part: number, known: string): string => `moments_${part} AS (
  SELECT
    CAST(count(*) AS bigint) AS customers,
    ${some
      .map(({ name, type }, at) => {
        const value = type === "string" ? "CAST(NULL AS double)" : `CAST(${name} AS double)`;
        return `CAST(count(*) - count(${name}) AS bigint) AS missing_${at}, min(${value}) AS minimum_${at},
    max(${value}) AS maximum_${at}, avg(${value}) AS mean_${at}, stddev_samp(${value}) AS sd_${at}`;
      })
      .join(",\n    ")}
  FROM ${known}
  HAVING count(*) > 0
)`;

const farSql = (some: Some, part: number, day: string): string => `far_${part} AS (
  SELECT
    ${some
      .map(({ name, type }, at) =>
        type === "string"
          ? `CAST(0 AS bigint) AS outliers_${at}`
          : `CAST(count(CASE WHEN abs(CAST(f.${name} AS double) - m.mean_${at}) > ${OUTLIER_SDS} * m.sd_${at} THEN 1 END) AS bigint) AS outliers_${at}`,
      )
      .join(",\n    ")}
  FROM customer_features AS f
  CROSS JOIN moments_${part} AS m
  WHERE f.cutoff = '${day}'
)`;

/** A row a feature. */
const rowsSql = (some: Some, part: number, day: string): string => {
  const of = (relation: string, name: string): string =>
    `CASE n.place ${some.map((_, at) => `WHEN ${at} THEN ${relation}.${name}_${at}`).join(" ")} END`;
  return `SELECT
  n.feature, m.customers, ${of("m", "missing")} AS missing, ${of("m", "minimum")} AS minimum,
  ${of("m", "maximum")} AS maximum, ${rounded(of("m", "mean"))} AS mean, ${rounded(of("m", "sd"))} AS sd,
  ${of("o", "outliers")} AS outliers, '${day}' AS cutoff
FROM moments_${part} AS m
CROSS JOIN far_${part} AS o
CROSS JOIN (VALUES ${some.map(({ name }, at) => `('${name}', ${at})`).join(", ")}) AS n (feature, place)`;
};

export const featureQuality: BatchTable = {
  name: "feature_quality",
  grain: "one row per cutoff and feature",
  key: ["cutoff", "feature"],
  columns: {
    feature: { type: "string", description: "Column of customer_features" },
    customers: { type: "bigint", description: "Customers with features" },
    missing: { type: "bigint", description: "Customers for whom it is NULL" },
    minimum: { type: "double", description: "NULL for a text, and where all are missing" },
    maximum: { type: "double", description: "NULL for a text, and where all are missing" },
    mean: { type: "double", description: "To six decimals" },
    sd: { type: "double", description: "Standard deviation (n − 1), to six decimals" },
    outliers: { type: "bigint", description: `Values further from the mean than ${OUTLIER_SDS} standard deviations` },
    cutoff: { type: "string", description: "UTC day of the cutoff, YYYY-MM-DD (partition)" },
  },
  partitionedBy: "cutoff",
  reads: ["customer_features"],
  engine: "athena",
  sql: (_m, parameters) => {
    const day = dayOf(cutoffMsOf(parameters));
    const known = `customer_features WHERE cutoff = '${day}'`;
    const parts = Array.from({ length: Math.ceil(features.length / TOGETHER) }, (_, part) =>
      features.slice(part * TOGETHER, (part + 1) * TOGETHER),
    );
    return `
WITH ${parts.map((some, part) => `${momentsSql(some, part, known)},\n${farSql(some, part, day)}`).join(",\n")}
${parts.map((some, part) => rowsSql(some, part, day)).join("\nUNION ALL\n")}`;
  },
  tests: {
    "every feature is looked at": `
      SELECT cutoff FROM feature_quality GROUP BY cutoff HAVING count(*) <> ${features.length}`,
    "what is present lies between minimum and maximum": `
      SELECT feature FROM feature_quality WHERE missing > customers OR missing < 0 OR minimum > maximum OR outliers > customers - missing`,
  },
};

export const sourceFreshness: BatchTable = {
  name: "source_freshness",
  grain: "one row per source and kind of event, as of the run",
  key: ["source", "kind"],
  columns: {
    source: { type: "string", description: "Source of the events" },
    kind: { type: "string", description: "Kind of event" },
    events: { type: "bigint", description: "Events known" },
    first_occurred_at: { type: "timestamp", description: "UTC" },
    last_occurred_at: { type: "timestamp", description: "UTC" },
    last_received_at: { type: "timestamp", description: "UTC" },
    events_7d: { type: "bigint", description: "Of the 7 days before the cutoff" },
    events_8_to_35d: {
      type: "bigint",
      description: "Of the 28 days before those: silent when 7 days have none and these many",
    },
  },
  reads: curatedTables.map(({ name }) => name),
  engine: "athena",
  sql: (_m, parameters) => {
    const cutoffMs = cutoffMsOf(parameters);
    const since = (days: number): string => timestampLiteral(daysBefore(cutoffMs, days));
    return `
WITH known AS (
  ${curatedTables
    .map(({ name }) => `SELECT source, kind, occurred_at, received_at FROM ${name} WHERE ${knownTo(parameters)}`)
    .join("\n  UNION ALL\n  ")}
)
SELECT
  source, kind,
  CAST(count(*) AS bigint) AS events,
  min(occurred_at) AS first_occurred_at,
  max(occurred_at) AS last_occurred_at,
  max(received_at) AS last_received_at,
  CAST(sum(CASE WHEN occurred_at >= ${since(7)} THEN 1 ELSE 0 END) AS bigint) AS events_7d,
  CAST(sum(CASE WHEN occurred_at >= ${since(35)} AND occurred_at < ${since(7)} THEN 1 ELSE 0 END) AS bigint) AS events_8_to_35d
FROM known
GROUP BY source, kind`;
  },
  tests: {
    "the last is not before the first":
      "SELECT source FROM source_freshness WHERE last_occurred_at < first_occurred_at",
  },
};
