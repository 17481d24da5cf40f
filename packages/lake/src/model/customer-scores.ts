import { ChurnModel } from "@ebb/core/churn/model";
import { cutoffMsOf } from "../batch/customer-features.ts";
import { dayOf } from "../batch/literals.ts";
import type { BatchTable } from "../batch-table.ts";
import type { ScalarType } from "../columns.ts";
import type { ViewColumn } from "../table.ts";
import { driverWordsSql } from "./driver-words.ts";

/** What a run computes outside SQL, a row a customer: given to the job that writes `customer_scores` as this relation. */
export const SCORED_CUSTOMERS = "scored_customers";

const places = [1, 2, 3] as const;

export const scoredCustomerColumns = {
  customer_key: "string",
  cluster: "string",
  expected_value_minor: "bigint",
  value_if_active_minor: "bigint",
  probability_active: "double",
} as const satisfies Readonly<Record<string, ScalarType>>;
export type ScoredCustomerColumn = keyof typeof scoredCustomerColumns;

const driverColumns: BatchTable["columns"] = Object.fromEntries(
  places.flatMap((place): [string, ViewColumn][] => [
    [
      `driver_${place}`,
      { type: "string" as const, description: `Group of features that moves the score ${place}. most` },
    ],
    [
      `driver_${place}_log_odds`,
      { type: "double" as const, description: "Its part of the log-odds; positive: leaving" },
    ],
    [`driver_${place}_words`, { type: "string" as const, description: "In words that follow “This customer …”" }],
  ]),
);

/**
 * Snapshot of every customer at each run: what lists, segments and exports are served from. Document `model`: the
 * `ChurnModel` that `churn_scores` of the same day are of; absent where the run has none.
 */
export const customerScores: BatchTable = {
  name: "customer_scores",
  grain: "one row per as-of date and customer of `customer_segments`, with all that the run knows of the customer",
  key: ["cutoff", "customer_key"],
  columns: {
    customer_key: { type: "string", description: "Pseudonym" },
    segment: { type: "string", description: "As in `customer_segments`" },
    cluster: { type: "string", description: "Name of the K-Means cluster; NULL without a counted order" },
    orders: { type: "bigint", description: "Counted orders in the window of RFM" },
    net_minor: { type: "bigint", description: "Net of orders in the window, minor units of the reporting currency" },
    last_order_at: { type: "timestamp", description: "UTC; last counted order" },
    recency_score: { type: "int", description: "1 to 5, 5 the latest; NULL without a counted order in the window" },
    frequency_score: { type: "int", description: "1 to 5" },
    monetary_score: { type: "int", description: "1 to 5" },
    churn_probability: { type: "double", description: "Of no counted order within the horizon; NULL without a model" },
    churn_decile: { type: "int", description: "1: the tenth most likely to leave" },
    expected_value_minor: { type: "bigint", description: "Expected net within the horizon (BG/NBD × Gamma-Gamma)" },
    value_if_active_minor: {
      type: "bigint",
      description: "Expected net within the horizon of who stays: (r + x) ÷ (α + T) purchases a day × expected spend",
    },
    probability_active: { type: "double", description: "That the customer is still active (BG/NBD)" },
    expected_loss_minor: {
      type: "bigint",
      description: "churn_probability × value_if_active_minor, rounded: what is lost with those who leave",
    },
    ...driverColumns,
    cutoff: { type: "string", description: "UTC day of the as-of date, YYYY-MM-DD (partition)" },
  },
  partitionedBy: "cutoff",
  reads: ["churn_scores", "customer_segments", SCORED_CUSTOMERS],
  engine: "spark",
  sql: (_m, parameters) => {
    const day = dayOf(cutoffMsOf(parameters));
    const document = parameters.documents?.["model"];
    const churn = document === undefined ? withoutModel : byModel(ChurnModel.parse(document));
    return `
SELECT
  s.customer_key, s.segment, c.cluster, s.orders, s.net_minor, s.last_order_at,
  s.recency_score, s.frequency_score, s.monetary_score,
  ${churn.probability} AS churn_probability, ${churn.decile} AS churn_decile,
  c.expected_value_minor, c.value_if_active_minor, c.probability_active,
  CAST(round(${churn.probability} * c.value_if_active_minor) AS bigint) AS expected_loss_minor,
  ${churn.drivers.join(",\n  ")},
  '${day}' AS cutoff
FROM customer_segments AS s
LEFT JOIN ${SCORED_CUSTOMERS} AS c ON c.customer_key = s.customer_key${
      document === undefined
        ? ""
        : `\nLEFT JOIN churn_scores AS p ON p.customer_key = s.customer_key AND p.cutoff = '${day}'`
    }
WHERE s.cutoff = '${day}'`;
  },
  tests: {
    "one row a customer and cutoff":
      "SELECT customer_key FROM customer_scores GROUP BY cutoff, customer_key HAVING count(*) > 1",
    "the customers are those of customer_segments, with their segments": `
      SELECT coalesce(c.customer_key, s.customer_key) AS customer_key
      FROM customer_scores AS c
      FULL OUTER JOIN customer_segments AS s ON s.customer_key = c.customer_key AND s.cutoff = c.cutoff
      WHERE s.customer_key IS NULL OR c.segment <> s.segment
        OR (c.customer_key IS NULL AND s.cutoff IN (SELECT cutoff FROM customer_scores))`,
    "a loss is at most the value": `
      SELECT customer_key FROM customer_scores WHERE expected_loss_minor < 0 OR expected_loss_minor > value_if_active_minor`,
  },
};

interface ChurnSql {
  readonly probability: string;
  readonly decile: string;
  readonly drivers: readonly string[];
}

const withoutModel: ChurnSql = {
  probability: "CAST(NULL AS double)",
  decile: "CAST(NULL AS int)",
  drivers: places.map(
    (place) =>
      `CAST(NULL AS varchar(1)) AS driver_${place}, CAST(NULL AS double) AS driver_${place}_log_odds, ` +
      `CAST(NULL AS varchar(1)) AS driver_${place}_words`,
  ),
};

const byModel = (model: ChurnModel): ChurnSql => ({
  probability: "p.probability",
  decile: "p.decile",
  drivers: places.map((place) => {
    const [driver, logOdds] = [`p.driver_${place}`, `p.driver_${place}_log_odds`];
    return `${driver}, ${logOdds}, ${driverWordsSql(model, driver, logOdds)} AS driver_${place}_words`;
  }),
});
