/** Data quality: what the features look like at a cutoff, and when each source was last heard of. */
import type { BatchTable } from "../batch-table.ts";
import { curatedTables } from "./curated.ts";
import { cutoffMsOf } from "./customer-features.ts";
import { features } from "./features.ts";
import { dayOf, daysBefore, timestampLiteral } from "./literals.ts";
import { knownTo } from "./order-facts.ts";

/** A value further from the mean than so many standard deviations is an outlier. */
const OUTLIER_SDS = 4;

/** Doubles are summed in an order of the engine's own: the last digits would differ from run to run. */
const rounded = (sql: string): string => `round(${sql}, 6)`;

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
    const values = features.map(
      ({ name, type }) => `
  SELECT
    '${name}' AS feature,
    CASE WHEN ${name} IS NULL THEN 1 ELSE 0 END AS missing,
    ${type === "string" ? "CAST(NULL AS double)" : `CAST(${name} AS double)`} AS value
  FROM customer_features WHERE cutoff = '${day}'`,
    );
    // One column at a time: two hundred aggregates in one SELECT take Spark's compiler minutes.
    return `
WITH long AS (${values.join("\n  UNION ALL")}
),
moments AS (
  SELECT
    feature, CAST(count(*) AS bigint) AS customers, CAST(sum(missing) AS bigint) AS missing,
    min(value) AS minimum, max(value) AS maximum, avg(value) AS mean, stddev_samp(value) AS sd
  FROM long
  GROUP BY feature
),
far AS (
  SELECT l.feature AS far_feature, count(CASE WHEN abs(l.value - m.mean) > ${OUTLIER_SDS} * m.sd THEN 1 END) AS outliers
  FROM long AS l
  JOIN moments AS m ON m.feature = l.feature
  GROUP BY l.feature
)
SELECT
  m.feature, m.customers, m.missing, m.minimum, m.maximum,
  ${rounded("m.mean")} AS mean, ${rounded("m.sd")} AS sd, CAST(f.outliers AS bigint) AS outliers,
  '${day}' AS cutoff
FROM moments AS m
JOIN far AS f ON f.far_feature = m.feature`;
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
