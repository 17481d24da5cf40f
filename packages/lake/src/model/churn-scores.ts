import { ChurnModel } from "@ebb/core/churn/model";
import type { BatchTable } from "../batch-table.ts";
import { dayOf, instantMs } from "../batch/literals.ts";
import { scoresAndDriversSql } from "./score-sql.ts";

const driver = (place: string) => ({
  type: "string" as const,
  description: `What moves the score ${place} furthest from the average customer's: a group of features`,
});
const part = { type: "double" as const, description: "Its part of the log-odds; positive speaks for leaving" };

/** Document `model`: a `ChurnModel`, rendered to SQL. */
export const churnScores: BatchTable = {
  name: "churn_scores",
  grain: "one row per as-of date and customer with a counted order before it, scored by the model of the run",
  key: ["cutoff", "customer_key"],
  columns: {
    customer_key: { type: "string", description: "Pseudonym" },
    probability: { type: "double", description: "Of no counted order within the horizon after the cutoff, 0 to 1" },
    decile: { type: "int", description: "1: the tenth most likely to leave" },
    at_risk: { type: "boolean", description: "The probability reaches the threshold at which a contact pays" },
    log_odds: { type: "double", description: "ln(probability ÷ (1 − probability))" },
    driver_1: driver("1st"),
    driver_1_log_odds: part,
    driver_2: driver("2nd"),
    driver_2_log_odds: part,
    driver_3: driver("3rd"),
    driver_3_log_odds: part,
    horizon_days: { type: "int", description: "Length of the horizon, days" },
    model_id: { type: "string", description: "The run whose model it is" },
    cutoff: { type: "string", description: "UTC day of the as-of date, YYYY-MM-DD (partition)" },
  },
  partitionedBy: "cutoff",
  reads: ["customer_features"],
  engine: "athena",
  sql: (_dialect, { cutoff, documents }) => {
    if (cutoff === undefined) throw new RangeError("A cutoff is needed");
    const model = ChurnModel.parse(documents?.["model"]);
    const day = dayOf(instantMs(cutoff));
    const from = `(SELECT * FROM customer_features WHERE cutoff = '${day}')`;
    return `
SELECT
  customer_key, probability, decile, at_risk, log_odds,
  driver_1, driver_1_log_odds, driver_2, driver_2_log_odds, driver_3, driver_3_log_odds,
  CAST(${model.horizonDays} AS int) AS horizon_days,
  model_id,
  '${day}' AS cutoff
FROM (
${scoresAndDriversSql(model, { from })}
) AS scores`;
  },
  tests: {
    "one row a customer and cutoff":
      "SELECT customer_key FROM churn_scores GROUP BY cutoff, customer_key HAVING count(*) > 1",
    "a probability is one": "SELECT customer_key FROM churn_scores WHERE NOT (probability >= 0 AND probability <= 1)",
    "every customer of the features has a score, and no other": `
      SELECT coalesce(s.customer_key, f.customer_key) AS customer_key
      FROM churn_scores AS s
      FULL OUTER JOIN customer_features AS f ON f.customer_key = s.customer_key AND f.cutoff = s.cutoff
      WHERE (s.customer_key IS NULL AND f.cutoff IN (SELECT cutoff FROM churn_scores)) OR f.customer_key IS NULL`,
  },
};
