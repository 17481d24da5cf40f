/** Data quality: what the features look like at a cutoff, and when each source was last heard of. */
import type { BatchTable } from "../batch-table.ts";
import { curatedTables } from "./curated.ts";
import { cutoffMsOf } from "./customer-features.ts";
import { features } from "./features.ts";
import { dayOf, daysBefore, timestampLiteral } from "./literals.ts";
import { knownTo } from "./order-facts.ts";

/** A value further from the mean than so many standard deviations is an outlier. */
const OUTLIER_SDS = 4;

const numeric = features.filter(({ type }) => type !== "string");
/** Doubles are summed in an order of the engine's own: the last digits would differ from run to run. */
const rounded = (sql: string): string => `round(${sql}, 6)`;

const choose = (suffix: string): string =>
  `CASE f.feature ${features.map(({ name }) => `WHEN '${name}' THEN ${name}_${suffix}`).join(" ")} END`;
const chooseNumeric = (suffix: string): string =>
  `CASE f.feature ${numeric.map(({ name }) => `WHEN '${name}' THEN ${name}_${suffix}`).join(" ")} END`;

export const featureQuality: BatchTable = {
  name: "feature_quality",
  grain: "one row per cutoff and feature",
  key: ["cutoff", "feature"],
  columns: {
    feature: { type: "string", description: "Column of customer_features" },
    customers: { type: "bigint", description: "Customers with features" },
    missing: { type: "bigint", description: "Customers for whom it is NULL" },
    distinct_values: { type: "bigint", description: "Distinct values of a text; NULL for a number" },
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
    return `
WITH moments AS (
  SELECT
    count(*) AS row_count,
    ${features.map(({ name }) => `count(*) - count(${name}) AS ${name}_missing`).join(",\n    ")},
    ${features
      .filter(({ type }) => type === "string")
      .map(({ name }) => `count(DISTINCT ${name}) AS ${name}_values`)
      .join(",\n    ")},
    ${numeric
      .map(
        ({ name }) =>
          `CAST(min(${name}) AS double) AS ${name}_min, CAST(max(${name}) AS double) AS ${name}_max, avg(CAST(${name} AS double)) AS ${name}_mean, stddev_samp(CAST(${name} AS double)) AS ${name}_sd`,
      )
      .join(",\n    ")}
  FROM customer_features
  WHERE cutoff = '${day}'
),
far AS (
  SELECT
    ${numeric
      .map(
        ({ name }) =>
          `count(CASE WHEN abs(${name} - ${name}_mean) > ${OUTLIER_SDS} * ${name}_sd THEN 1 END) AS ${name}_far`,
      )
      .join(",\n    ")}
  FROM customer_features
  CROSS JOIN moments
  WHERE cutoff = '${day}'
),
names (feature) AS (
  VALUES ${features.map(({ name }) => `('${name}')`).join(", ")}
)
SELECT
  f.feature,
  row_count AS customers,
  ${choose("missing")} AS missing,
  CASE f.feature ${features
    .filter(({ type }) => type === "string")
    .map(({ name }) => `WHEN '${name}' THEN ${name}_values`)
    .join(" ")} END AS distinct_values,
  ${chooseNumeric("min")} AS minimum,
  ${chooseNumeric("max")} AS maximum,
  ${rounded(chooseNumeric("mean"))} AS mean,
  ${rounded(chooseNumeric("sd"))} AS sd,
  ${chooseNumeric("far")} AS outliers,
  '${day}' AS cutoff
FROM names AS f
CROSS JOIN moments
CROSS JOIN far`;
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
