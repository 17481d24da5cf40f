import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { type DuckDBConnection, DuckDBInstance } from "@duckdb/node-api";
import { fitModel } from "@ebb/core/churn/fit-model";
import type { FeatureRow } from "@ebb/core/churn/features";
import { type ChurnModel, meanLogOdds, score } from "@ebb/core/churn/model";
import { shopFeatures, shopSlice } from "@ebb/core/churn/testing";
import { scoreSql, scoresAndDriversSql } from "./score-sql.ts";

const slice = shopSlice("2026-01-01", 1, 600);
const fitted = fitModel(shopFeatures, { ...slice, cutoffs: [slice.cutoff] }, shopSlice("2026-04-01", 2, 600, 0.5), {
  modelId: "mdl_1",
  horizonDays: 90,
  l2: 1,
  threshold: 0.4,
});
assert.ok(fitted.kind === "fitted");
const { model } = fitted;

/** Customers of the slice, then absurd ones. */
const rows: FeatureRow[] = [
  ...Array.from({ length: 600 }, (_, i) =>
    Object.fromEntries(
      Object.entries(slice.columns).map(([name, column]) => [
        name,
        column instanceof Float64Array ? column[i]! : (column.levels[column.codes[i]!] ?? null),
      ]),
    ),
  ),
  { recency_days: null, orders: null, gap_days: null, noise: null, country: null },
  { recency_days: Infinity, orders: -Infinity, gap_days: NaN, noise: NaN, country: "" },
  { recency_days: -7, orders: 1e300, gap_days: -1, noise: -1e300, country: "Atlantis" },
  { recency_days: 0, orders: 0, gap_days: 0, noise: 0, country: "It's\\far" },
];
const keyOf = (i: number): string => `cus_${String(i).padStart(4, "0")}`;
const sqlNumber = (value: unknown): string =>
  typeof value !== "number" ? "NULL" : Number.isFinite(value) ? value.toExponential() : `CAST('${value}' AS DOUBLE)`;
const sqlText = (value: unknown): string => (typeof value === "string" ? `'${value.replaceAll("'", "''")}'` : "NULL");

describe("a model as SQL", () => {
  let connection: DuckDBConnection;
  const query = async (sql: string) => (await connection.runAndReadAll(sql)).getRowObjectsJson();

  before(async () => {
    connection = await (await DuckDBInstance.create(":memory:", { threads: "1" })).connect();
    await connection.run(
      `CREATE TABLE customer_features AS SELECT * FROM (VALUES ${rows
        .map(
          (row, i) =>
            `('${keyOf(i)}', ${["recency_days", "orders", "gap_days", "noise"].map((name) => sqlNumber(row[name])).join(", ")}, ${sqlText(row["country"])})`,
        )
        .join(",\n")}) AS t (customer_key, recency_days, orders, gap_days, noise, country)`,
    );
  });
  after(() => connection.closeSync());

  for (const [what, sqlOf] of [
    ["scores", scoreSql],
    ["scores and drivers", scoresAndDriversSql],
  ] as const) {
    it(`gives the probability and the decision of the reference, for missing and absurd values too: ${what}`, async () => {
      const scores = new Map(
        (await query(sqlOf(model, { from: "customer_features" }))).map((row) => [row["customer_key"], row]),
      );
      assert.equal(scores.size, rows.length);
      rows.forEach((row, i) => {
        const expected = score(model, row);
        const actual = scores.get(keyOf(i))!;
        assert.ok(Math.abs(Number(actual["log_odds"]) - expected.logOdds) < 1e-9, `log-odds of ${keyOf(i)}`);
        assert.ok(Math.abs(Number(actual["probability"]) - expected.probability) < 1e-12);
        assert.equal(actual["at_risk"], expected.atRisk);
        assert.equal(actual["model_id"], "mdl_1");
      });
    });

    it(`cuts tenths by falling probability, ties by key: ${what}`, async () => {
      const scores = await query(sqlOf(model, { from: "customer_features" }));
      const ordered = scores.toSorted(
        (a, b) =>
          Number(b["probability"]) - Number(a["probability"]) ||
          ((a["customer_key"] as string) < (b["customer_key"] as string) ? -1 : 1),
      );
      // 604 rows: ntile gives the first four tenths one more.
      const sizes = [61, 61, 61, 61, 60, 60, 60, 60, 60, 60];
      assert.deepEqual(
        ordered.map((row) => Number(row["decile"])),
        sizes.flatMap((size, i) => Array.from({ length: size }, () => i + 1)),
      );
    });
  }

  it("names the three drivers of the reference with their log-odds", async () => {
    const drivers = new Map(
      (await query(scoresAndDriversSql(model, { from: "customer_features" }))).map((row) => [row["customer_key"], row]),
    );
    rows.forEach((row, i) => {
      const actual = drivers.get(keyOf(i))!;
      score(model, row).drivers.forEach(({ name, logOdds }, place) => {
        assert.equal(actual[`driver_${place + 1}`], name, `driver ${place + 1} of ${keyOf(i)}`);
        assert.ok(Math.abs(Number(actual[`driver_${place + 1}_log_odds`]) - logOdds) < 1e-9);
      });
    });
  });

  it("leaves places empty where the model has fewer than three groups", async () => {
    const single: ChurnModel = {
      ...model,
      terms: model.terms.filter(({ feature }) => feature === "orders"),
      groups: [{ name: "orders", label: "orders", features: ["orders"] }],
    };
    const [row] = await query(scoresAndDriversSql(single, { from: "customer_features" }));
    assert.deepEqual([row!["driver_1"], row!["driver_2"], row!["driver_3_log_odds"]], ["orders", null, null]);
  });

  it("scores a model whose groups have no terms as the mean customer", async () => {
    const none: ChurnModel = {
      ...model,
      terms: [],
      groups: [{ name: "orders", label: "orders", features: ["orders"] }],
    };
    for (const sql of [scoreSql, scoresAndDriversSql]) {
      const [row] = await query(sql(none, { from: "customer_features" }));
      assert.ok(Math.abs(Number(row!["log_odds"]) - meanLogOdds(none)) < 1e-12);
    }
    const [row] = await query(scoresAndDriversSql({ ...none, groups: [] }, { from: "customer_features" }));
    assert.equal(row!["driver_1"], null);
  });

  it("neither overflows nor divides by zero at extreme log-odds", async () => {
    for (const intercept of [5000, -5000]) {
      const [row] = await query(scoreSql({ ...model, intercept }, { from: "customer_features" }));
      assert.equal(row!["probability"], intercept > 0 ? 1 : 0);
    }
  });

  it("keeps a model's id out of the SQL that surrounds it", async () => {
    const modelId = "m'); DROP TABLE customer_features; --\nSELECT 1";
    const [row] = await query(scoreSql({ ...model, modelId }, { from: "customer_features" }));
    assert.equal(row!["model_id"], modelId);
  });
});
