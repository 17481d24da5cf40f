/** A fitted churn model as SQL on every engine: the rows of the reference in TypeScript, for absurd customers too. */
import assert from "node:assert/strict";
import path from "node:path";
import { fitModel } from "@ebb/core/churn/fit-model";
import type { FeatureColumn, FeatureRow } from "@ebb/core/churn/features";
import { type ChurnModel, score } from "@ebb/core/churn/model";
import { shopFeatures, shopSlice } from "@ebb/core/churn/testing";
import { renderBatch } from "@ebb/lake/batch-table";
import { churnScores } from "@ebb/lake/model/churn-scores";
import { scoreSql, scoresAndDriversSql } from "@ebb/lake/model/score-sql";
import type { Plain } from "./engine.ts";
import { temporaryFolder, writeParquet } from "./parquet.ts";
import { type ProofQuery, proveOnEveryEngine } from "./prove.ts";

const slice = shopSlice("2026-01-01", 1, 400);
const fitted = fitModel(shopFeatures, { ...slice, cutoffs: [slice.cutoff] }, shopSlice("2026-04-01", 2, 400, 0.5), {
  modelId: "mdl_'1\\",
  horizonDays: 90,
  l2: 1,
  threshold: 0.4,
});
assert.ok(fitted.kind === "fitted");
const { model } = fitted;
const parts = new Set(model.terms.map(({ part }) => part.kind));
assert.deepEqual([...parts].sort(), ["level", "missing", "other", "value"]);

const valueAt = (column: FeatureColumn, row: number): string | number | null =>
  column instanceof Float64Array ? column[row]! : (column.levels[column.codes[row]!] ?? null);

/** Customers of the slice, then absurd ones. */
const rows: readonly FeatureRow[] = [
  ...slice.customers.map((_, row) =>
    Object.fromEntries(Object.entries(slice.columns).map(([name, column]) => [name, valueAt(column, row)])),
  ),
  { recency_days: null, orders: null, gap_days: null, noise: null, country: null },
  { recency_days: 2 ** 31 - 1, orders: -Infinity, gap_days: NaN, noise: NaN, country: "" },
  { recency_days: -7, orders: 1e300, gap_days: Infinity, noise: -1e300, country: "Atlantis" },
  { recency_days: 0, orders: 0, gap_days: -0, noise: Number.MIN_VALUE, country: "It's\\far" },
  // Equal customers: tenths and drivers go by their keys and by the order of the model.
  { recency_days: 0, orders: 0, gap_days: -0, noise: Number.MIN_VALUE, country: "It's\\far" },
];
const keyOf = (row: number): string => `cus_${String(row).padStart(4, "0")}`;

const day = "2026-01-01";
const types = { recency_days: "INTEGER", orders: "DOUBLE", gap_days: "DOUBLE", noise: "DOUBLE", country: "VARCHAR" };
const sqlValue = (value: FeatureRow[string]): string => {
  if (value === null || value === undefined) return "NULL";
  return typeof value === "string" ? `'${value.replaceAll("'", "''")}'` : `'${value}'`;
};
const features = `
  SELECT * FROM (VALUES ${rows
    .map((row, at) => {
      const values = Object.entries(types).map(([name, type]) => `CAST(${sqlValue(row[name])} AS ${type})`);
      return `('${keyOf(at)}', ${values.join(", ")}, '${day}')`;
    })
    .join(",\n")}) AS t (customer_key, ${Object.keys(types).join(", ")}, cutoff)
  UNION ALL
  -- Of another cutoff, not to be scored.
  SELECT 'cus_0000', 1, 1, 1, 1, 'UK', '2025-10-01'`;

const from = `(SELECT * FROM customer_features WHERE cutoff = '${day}')`;
/** What the reference says of every customer. */
const expected = (of: ChurnModel, plain: (one: ReturnType<typeof score>) => readonly Plain[]): readonly Plain[][] =>
  rows.map((row, at) => [keyOf(at), ...plain(score(of, row))]);

const scored = (of: ChurnModel, sqlOf = scoreSql): ProofQuery => ({
  sql: () => `SELECT customer_key, log_odds, probability, at_risk, model_id FROM (${sqlOf(of, { from })}) AS scored`,
  key: ["customer_key"],
  expected: expected(of, ({ logOdds, probability, atRisk }) => [logOdds, probability, atRisk, of.modelId]),
});
const single: ChurnModel = {
  ...model,
  terms: model.terms.filter(({ feature }) => feature === "orders"),
  groups: [{ name: "orders", label: "orders", features: ["orders"] }],
};
const driverColumns = [1, 2, 3].flatMap((place) => [`driver_${place}`, `driver_${place}_log_odds`]);
const drivers = (of: ChurnModel): ProofQuery => ({
  sql: () => `SELECT customer_key, ${driverColumns.join(", ")} FROM (${scoresAndDriversSql(of, { from })}) AS scored`,
  key: ["customer_key"],
  expected: expected(of, (one) =>
    [0, 1, 2].flatMap((place) => {
      const driver = one.drivers[place];
      return driver === undefined ? [null, null] : [driver.name, driver.logOdds];
    }),
  ),
});

proveOnEveryEngine({
  title: "a churn model as SQL",
  tables: async () => {
    const file = path.join(temporaryFolder(), "customer_features.parquet");
    await writeParquet(file, features);
    return {
      customer_features: { parquet: file },
      churn_scores: {
        table: (dialect) => renderBatch(churnScores, dialect, { cutoff: `${day}T00:00:00.000Z`, documents: { model } }),
      },
    };
  },
  queries: {
    scores: scored(model),
    "scores of what each group adds": scored(model, scoresAndDriversSql),
    "scores at log-odds of 5,000": scored({ ...model, intercept: 5_000 }),
    "scores at log-odds of -5,000": scored({ ...model, intercept: -5_000 }),
    tenths: { sql: () => scoreSql(model, { from }), key: ["customer_key"], atLeast: rows.length },
    drivers: drivers(model),
    "drivers of a model with one group": drivers(single),
    churn_scores: { sql: () => "SELECT * FROM churn_scores", key: churnScores.key, atLeast: rows.length },
    ...Object.fromEntries(
      Object.entries(churnScores.tests).map(([promise, sql]) => [
        `churn_scores, ${promise}`,
        { sql: () => sql, atLeast: 0, expected: [] },
      ]),
    ),
  },
});
