/**
 * A fitted churn model as SQL over the features table: the same text on DuckDB, Spark and Trino, because a logistic model
 * is nothing but CASE, LN, EXP and sums. Agrees with `score` of `@ebb/core/churn/model` to rounding.
 */
import { type ChurnModel, type FittedFeature, meanLogOdds, type ModelTerm } from "@ebb/core/churn/model";
import { textLiteral } from "../batch/literals.ts";

export interface ScoredTable {
  /** Name of the features table, or a SELECT in parentheses; one row a customer. */
  readonly from: string;
  /** Column that names the customer; absent, `customer_key`. */
  readonly key?: string;
}

/** Levels of drivers that a row carries. */
const DRIVERS = 3;

/**
 * customer_key, log_odds, probability, decile (1 the riskiest tenth, ties by key), at_risk, model_id.
 * One pass over the features and one sort for the deciles.
 */
export const scoreSql = (model: ChurnModel, { from, key = "customer_key" }: ScoredTable): string =>
  `-- one row per customer: probability of leaving, by model ${commented(model.modelId)}
WITH scored AS (
  SELECT
    ${key} AS customer_key,
    ${[double(meanLogOdds(model)), ...model.terms.map((term) => contribution(model, term))].join("\n    + ")} AS log_odds
  FROM ${from} AS features
),
${judged(model, "scored", [])}`;

/**
 * The columns of `scoreSql` and driver_1, driver_1_log_odds, … driver_3, driver_3_log_odds: the three groups of features that
 * move the customer's log-odds furthest from the mean customer's, either way; NULL where the model has fewer groups. Equal
 * ones in the order of the model. What each group adds is reckoned once, and the log-odds are the sum of it.
 */
export const scoresAndDriversSql = (model: ChurnModel, { from, key = "customer_key" }: ScoredTable): string => {
  const names = model.groups.map((_, i) => `c${i + 1}`);
  const columns = model.groups.map(({ features }) => {
    const terms = model.terms.filter(({ feature }) => features.includes(feature));
    return terms.length === 0 ? "0E0" : terms.map((term) => contribution(model, term)).join(" + ");
  });
  const places = Array.from({ length: Math.min(DRIVERS, names.length) }, (_, i) => i + 1);
  const size = (i: number, place: number): string => {
    const earlier = places.filter((other) => other < place).map((other) => `place_${other} = ${i + 1}`);
    return earlier.length === 0
      ? `ABS(${names[i]})`
      : `CASE WHEN ${earlier.join(" OR ")} THEN -1E0 ELSE ABS(${names[i]}) END`;
  };
  const steps = places.map((place) => {
    const sizes = names.map((_, i) => size(i, place));
    const largest = sizes.length === 1 ? sizes[0]! : `GREATEST(${sizes.join(", ")})`;
    const before = place === 1 ? "contributions" : `with_place_${place - 1}`;
    return `with_largest_${place} AS (SELECT *, ${largest} AS largest_${place} FROM ${before}),
with_place_${place} AS (
  SELECT *, CASE ${sizes.map((of, i) => `WHEN ${of} = largest_${place} THEN ${i + 1}`).join(" ")} END AS place_${place}
  FROM with_largest_${place}
)`;
  });
  const chosen = (place: number, values: readonly string[]): string =>
    `CASE place_${place} ${values.map((value, i) => `WHEN ${i + 1} THEN ${value}`).join(" ")} END`;
  const outputs = Array.from({ length: DRIVERS }, (_, i) => i + 1).map((place) => {
    const [driver, logOdds] = places.includes(place)
      ? [
          chosen(
            place,
            model.groups.map(({ name }) => textLiteral(name)),
          ),
          chosen(place, names),
        ]
      : ["CAST(NULL AS VARCHAR(1))", "CAST(NULL AS DOUBLE)"];
    return `${driver} AS driver_${place},\n    ${logOdds} AS driver_${place}_log_odds`;
  });
  const driverNames = outputs.flatMap((_, i) => [`driver_${i + 1}`, `driver_${i + 1}_log_odds`]);
  return `-- one row per customer: probability of leaving and what it comes from, by model ${commented(model.modelId)}
WITH contributions AS (
  SELECT
    ${[`${key} AS customer_key`, ...columns.map((column, i) => `${column} AS ${names[i]}`)].join(",\n    ")}
  FROM ${from} AS features
),
${[...steps, ""].join(",\n")}scored AS (
  SELECT
    customer_key,
    ${[double(meanLogOdds(model)), ...names].join(" + ")} AS log_odds,
    ${outputs.join(",\n    ")}
  FROM ${places.length === 0 ? "contributions" : `with_place_${places.length}`}
),
${judged(model, "scored", driverNames)}`;
};

/** From log-odds to probability, tenth and decision. @param others columns that are taken along */
const judged = (model: ChurnModel, scored: string, others: readonly string[]): string => `probabilities AS (
  -- EXP of minus the size never overflows.
  SELECT
    ${["customer_key", "log_odds", ...others].join(", ")},
    CASE
      WHEN log_odds >= 0 THEN 1E0 / (1E0 + EXP(-ABS(log_odds)))
      ELSE EXP(-ABS(log_odds)) / (1E0 + EXP(-ABS(log_odds)))
    END AS probability
  FROM ${scored}
)
SELECT
  customer_key,
  log_odds,
  probability,
  CAST(ntile(10) OVER (ORDER BY probability DESC NULLS LAST, customer_key NULLS LAST) AS INT) AS decile,
  probability >= ${double(model.threshold)} AS at_risk,
  ${[...others, `${textLiteral(model.modelId)} AS model_id`].join(",\n  ")}
FROM probabilities
`;

/** slope · β · (x − mean) / sd. */
const contribution = (model: ChurnModel, term: ModelTerm): string => {
  const feature = model.features.find(({ name }) => name === term.feature)!;
  const weight = (model.recalibration.slope * term.beta) / term.sd;
  return `${double(weight)} * (${valueOf(feature, term)} - ${double(term.mean)})`;
};

/** A number that is present and finite: NULL, NaN and infinities fail it on all three engines, however they order NaN. */
const isPresent = (value: string): string =>
  `${value} BETWEEN ${double(-Number.MAX_VALUE)} AND ${double(Number.MAX_VALUE)}`;

const valueOf = (feature: FittedFeature, { part }: ModelTerm): string => {
  if (feature.kind === "category") {
    if (part.kind === "missing") return `CASE WHEN ${feature.name} IS NULL THEN 1E0 ELSE 0E0 END`;
    if (part.kind === "level") return `CASE WHEN ${feature.name} = ${textLiteral(part.level)} THEN 1E0 ELSE 0E0 END`;
    return `CASE WHEN ${feature.name} NOT IN (${feature.levels.map(textLiteral).join(", ")}) THEN 1E0 ELSE 0E0 END`;
  }
  const number = `CAST(${feature.name} AS DOUBLE)`;
  if (part.kind === "missing") return `CASE WHEN ${isPresent(number)} THEN 0E0 ELSE 1E0 END`;
  // Each limit and the imputed value are plain numbers: their logarithms are taken here, once. What most rows have comes
  // first, in one comparison; a limit that is not there is the largest number, so that what is not finite passes none.
  const { lower, upper, imputed } = feature;
  const [lowest, highest] = [lower ?? -Number.MAX_VALUE, upper ?? Number.MAX_VALUE];
  const logged = (value: number): number =>
    feature.log === "none" ? value : value < 0 ? -Math.log(1 - value) : Math.log(1 + value);
  const between = (from: number, to: number): string => `${number} BETWEEN ${double(from)} AND ${double(to)}`;
  const branches =
    feature.log === "none"
      ? [`WHEN ${between(lowest, highest)} THEN ${number}`]
      : [
          ...(highest < 0 ? [] : [`WHEN ${between(Math.max(lowest, 0), highest)} THEN LN(1E0 + ${number})`]),
          ...(lowest < 0 ? [`WHEN ${between(lowest, Math.min(highest, 0))} THEN -LN(1E0 - ${number})`] : []),
        ];
  if (lower !== null) branches.push(`WHEN ${between(-Number.MAX_VALUE, lower)} THEN ${double(logged(lower))}`);
  if (upper !== null) branches.push(`WHEN ${between(upper, Number.MAX_VALUE)} THEN ${double(logged(upper))}`);
  return `CASE ${branches.join(" ")} ELSE ${double(logged(Math.min(highest, Math.max(lowest, imputed))))} END`;
};

/** A DOUBLE in all three engines, to the last digit; negative ones in parentheses. */
const double = (value: number): string => {
  const digits = value.toExponential().replace("e+", "E").replace("e", "E");
  return value < 0 ? `(${digits})` : digits;
};

/** Text that can neither end a comment's line nor, with a backslash at its end, join the next line to it (Spark). */
const commented = (value: string): string => value.replaceAll(/[\r\n\\]/g, " ");
