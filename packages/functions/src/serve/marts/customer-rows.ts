/** Customers of the latest run: the rows of `customer_scores` as the API tells them. */
import { type MartRow, instantOf, numberOf, numberOrAbsent, textOf } from "./mart-handler.ts";

export const customerColumns = [
  "customer_key",
  "segment",
  "cluster",
  "orders",
  "net_minor",
  "last_order_at",
  "recency_score",
  "frequency_score",
  "monetary_score",
  "churn_probability",
  "churn_decile",
  "expected_value_minor",
  "value_if_active_minor",
  "probability_active",
  "expected_loss_minor",
  ...[1, 2, 3].flatMap((place) => [`driver_${place}`, `driver_${place}_log_odds`, `driver_${place}_words`]),
];

/** Fields that the run does not know of a customer are absent. */
export const customerAnswer = (row: MartRow) => {
  const drivers = [1, 2, 3].flatMap((place) => {
    const feature = row[`driver_${place}`];
    return typeof feature !== "string"
      ? []
      : [
          {
            feature,
            log_odds: numberOf(row[`driver_${place}_log_odds`]),
            words: textOf(row[`driver_${place}_words`]),
          },
        ];
  });
  return {
    customer_key: textOf(row["customer_key"]),
    segment: textOf(row["segment"]),
    cluster: row["cluster"] === null ? undefined : textOf(row["cluster"]),
    orders: numberOf(row["orders"]),
    net_minor: numberOf(row["net_minor"]),
    last_order_at: instantOf(row["last_order_at"]),
    recency_score: numberOrAbsent(row["recency_score"]),
    frequency_score: numberOrAbsent(row["frequency_score"]),
    monetary_score: numberOrAbsent(row["monetary_score"]),
    churn_probability: numberOrAbsent(row["churn_probability"]),
    churn_decile: numberOrAbsent(row["churn_decile"]),
    expected_value_minor: numberOrAbsent(row["expected_value_minor"]),
    value_if_active_minor: numberOrAbsent(row["value_if_active_minor"]),
    probability_active: numberOrAbsent(row["probability_active"]),
    expected_loss_minor: numberOrAbsent(row["expected_loss_minor"]),
    ...(drivers.length === 0 ? {} : { drivers }),
  };
};
