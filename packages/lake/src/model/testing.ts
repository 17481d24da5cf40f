/** For tests: a model over features of the lake, small enough to reckon with by hand. */
import type { ChurnModel } from "@ebb/core/churn/model";

/** Recency speaks for leaving, orders against it, the country a little either way. */
export const plainModel: ChurnModel = {
  formatVersion: 1,
  kind: "logistic_regression",
  modelId: "plain",
  schemaHash: "schema",
  horizonDays: 90,
  trainedOn: ["2025-01-06"],
  recalibratedOn: null,
  rows: 1_000,
  customers: 1_000,
  l2: 0,
  logLikelihood: -1,
  features: [
    { kind: "number", name: "recency_days", label: "recency", imputed: 0, lower: null, upper: null, log: "none" },
    { kind: "number", name: "orders", label: "orders", imputed: 0, lower: null, upper: null, log: "log1p" },
    { kind: "category", name: "country", label: "country", levels: ["DE", "GB"] },
  ],
  intercept: -0.5,
  terms: [
    {
      name: "recency_days",
      feature: "recency_days",
      part: { kind: "value" },
      mean: 100,
      sd: 50,
      beta: 1,
      standardError: 0.1,
    },
    { name: "orders", feature: "orders", part: { kind: "value" }, mean: 1, sd: 0.5, beta: -0.75, standardError: 0.1 },
    {
      name: "country = DE",
      feature: "country",
      part: { kind: "level", level: "DE" },
      mean: 0.25,
      sd: 0.5,
      beta: -0.25,
      standardError: 0.1,
    },
  ],
  recalibration: { intercept: 0, slope: 1 },
  threshold: 0.5,
  groups: [
    { name: "recency", label: "recency", features: ["recency_days"] },
    { name: "frequency", label: "number of orders", features: ["orders"] },
    { name: "it's", label: "where they're from", features: ["country"] },
  ],
};
