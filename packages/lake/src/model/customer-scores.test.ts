import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { ChurnModel } from "@ebb/core/churn/model";
import type { DuckDBConnection } from "@duckdb/node-api";
import { renderBatch } from "../batch-table.ts";
import { brokenPromises, writeEmpty } from "../batch/testing.ts";
import { duckdb, spark, trino } from "../dialect.ts";
import { type ScalarType, duckdbType } from "../columns.ts";
import { lakeOf, rowsOf } from "../testing.ts";
import { churnScores } from "./churn-scores.ts";
import { customerScores, scoredCustomerColumns } from "./customer-scores.ts";
import { driverWords, driverWordsSql } from "./driver-words.ts";
import { plainModel } from "./testing.ts";

const cutoff = "2026-03-01T00:00:00.000Z";
const documents = { model: plainModel };

/** @param computed rows of `scored_customers` @param churn rows of `churn_scores` of that day; none without a model */
const lakeWith = async (computed: string, churn?: string): Promise<DuckDBConnection> => {
  const lake = await lakeOf([]);
  await lake.run(`
    CREATE TABLE customer_segments AS SELECT * FROM (VALUES
      ('cus_a', 5, 4, 3, 'Loyal', 3::BIGINT, 9000::BIGINT, TIMESTAMP '2026-02-01', 'v1', '2026-03-01'),
      ('cus_b', 1, 1, 1, 'Lost', 1::BIGINT, 500::BIGINT, TIMESTAMP '2025-02-01', 'v1', '2026-03-01'),
      ('cus_a', 1, 1, 1, 'Lost', 1::BIGINT, 100::BIGINT, TIMESTAMP '2025-01-01', 'v0', '2026-02-01')
    ) AS t(customer_key, recency_score, frequency_score, monetary_score, segment, orders, net_minor, last_order_at,
      cut_points_version, cutoff)`);
  const columns = Object.entries(scoredCustomerColumns).map(([name, type]) => `"${name}" ${duckdbType({ type })}`);
  await lake.run(`CREATE TABLE scored_customers (${columns.join(", ")})`);
  if (computed !== "") await lake.run(`INSERT INTO scored_customers BY NAME ${computed}`);
  if (churn !== undefined) {
    await writeEmpty(lake, churnScores);
    await lake.run(`INSERT INTO churn_scores BY NAME ${churn}`);
  }
  const parameters = churn === undefined ? { cutoff } : { cutoff, documents };
  await lake.run(`CREATE TABLE customer_scores AS ${renderBatch(customerScores, duckdb, parameters)}`);
  return lake;
};

/** Two days of one customer: another run's, and the run's own. */
const churnOfA = `
  SELECT 'cus_a' AS customer_key, 0.9 AS probability, 1 AS decile, 'frequency' AS driver_1, 5.0 AS driver_1_log_odds, '2026-02-01' AS cutoff
  UNION ALL BY NAME
  SELECT 'cus_a' AS customer_key, 0.25 AS probability, 10 AS decile, 'recency' AS driver_1, -1.5 AS driver_1_log_odds,
    'it''s' AS driver_2, 0.5 AS driver_2_log_odds, '2026-03-01' AS cutoff`;

describe("scores of all customers", () => {
  it("hold every customer of the run once, whether anything was computed of him or not", async () => {
    const lake = await lakeWith("SELECT 'cus_a' AS customer_key, 1001 AS value_if_active_minor", churnOfA);
    const rows = await rowsOf(
      lake,
      `SELECT customer_key, segment, churn_probability, churn_decile, expected_loss_minor, driver_1, driver_1_log_odds,
        driver_1_words, driver_2_words, driver_3, driver_3_words, cutoff
      FROM customer_scores ORDER BY ALL`,
    );
    const words = driverWords(plainModel);
    assert.deepEqual(
      rows.map((row) => Object.values(row)),
      [
        [
          ...["cus_a", "Loyal", 0.25, 10, 250, "recency", -1.5],
          ...[words("recency", -1.5), words("it's", 0.5), null, null, "2026-03-01"],
        ],
        ["cus_b", "Lost", null, null, null, null, null, null, null, null, null, "2026-03-01"],
      ],
    );
    assert.deepEqual(await brokenPromises(lake, customerScores), []);
  });

  it("know nothing of churn where the run has no model, whatever an earlier one left", async () => {
    const lake = await lakeWith("SELECT 'cus_a' AS customer_key, 1001 AS value_if_active_minor");
    const [row] = await rowsOf(
      lake,
      "SELECT churn_probability, churn_decile, expected_loss_minor, driver_1, driver_1_words, value_if_active_minor FROM customer_scores WHERE customer_key = 'cus_a'",
    );
    assert.deepEqual(Object.values(row!), [null, null, null, null, null, 1001]);
  });

  it("have the columns and types that they declare, with a model and without", async () => {
    for (const churn of [undefined, churnOfA]) {
      const described = await rowsOf(await lakeWith("", churn), "DESCRIBE customer_scores");
      assert.deepEqual(
        described.map((row) => [row["column_name"], row["column_type"]]),
        Object.entries(customerScores.columns).map(([name, { type }]) => [
          name,
          duckdbType({ type: type as ScalarType }),
        ]),
      );
    }
  });

  it("read what they say, in every dialect", () => {
    for (const dialect of [duckdb, spark, trino]) {
      const sql = renderBatch(customerScores, dialect, { cutoff, documents });
      const named = new Set([...sql.matchAll(/\b(?:FROM|JOIN) ([a-z_]+)/g)].map((match) => match[1]!));
      assert.deepEqual([...named].sort(), [...customerScores.reads].sort(), dialect.name);
    }
  });
});

describe("a driver in words", () => {
  it("says high or low of the strongest feature, by its coefficient and which way the driver points", () => {
    ChurnModel.parse(plainModel);
    const words = driverWords(plainModel);
    assert.deepEqual(
      [words("recency", 1), words("recency", -1), words("frequency", 1), words("frequency", -1)],
      [
        "has not ordered for a long time",
        "ordered recently",
        "orders less often than others",
        "orders more often than others",
      ],
    );
    assert.equal(words("unknown", 1), "unknown");
    const nameless = driverWords({ ...plainModel, terms: [] });
    assert.equal(nameless("recency", 1), "recency");
  });

  it("is the same in SQL", async () => {
    const lake = await lakeOf([]);
    const groups = [...plainModel.groups.map(({ name }) => name), "unknown"];
    const pairs = groups.flatMap((group) => [-1, 0, 1].map((logOdds) => [group, logOdds] as const));
    for (const model of [plainModel, { ...plainModel, terms: [] }, { ...plainModel, groups: [] }]) {
      const words = driverWords(model);
      const values = pairs.map(([group, logOdds]) => `('${group.replaceAll("'", "''")}', ${logOdds})`);
      const rows = await rowsOf(
        lake,
        `SELECT ${driverWordsSql(model, "driver", "log_odds")} AS words FROM (VALUES ${values.join(", ")}, (NULL, NULL)) AS t (driver, log_odds)`,
      );
      assert.deepEqual(
        rows.map(({ words: found }) => found),
        [...pairs.map(([group, logOdds]) => words(group, logOdds)), null],
      );
    }
  });
});
