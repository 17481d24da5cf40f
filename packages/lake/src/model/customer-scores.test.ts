import assert from "node:assert/strict";
import { test } from "node:test";
import type { DuckDBConnection } from "@duckdb/node-api";
import { renderBatch } from "../batch-table.ts";
import { brokenPromises } from "../batch/testing.ts";
import { duckdb, spark, trino } from "../dialect.ts";
import { duckdbType } from "../columns.ts";
import { lakeOf, rowsOf } from "../testing.ts";
import { customerScores, scoredCustomerColumns } from "./customer-scores.ts";

const cutoff = "2026-03-01T00:00:00.000Z";

const lakeWith = async (scored: string): Promise<DuckDBConnection> => {
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
  if (scored !== "") await lake.run(`INSERT INTO scored_customers BY NAME ${scored}`);
  await lake.run(`CREATE TABLE customer_scores AS ${renderBatch(customerScores, duckdb, { cutoff })}`);
  return lake;
};

test("every customer of the run is there once, whether anything was computed of him or not", async () => {
  const lake = await lakeWith(
    "SELECT 'cus_a' AS customer_key, 0.25 AS churn_probability, 10 AS churn_decile, 1001 AS value_if_active_minor",
  );
  const rows = await rowsOf(
    lake,
    "SELECT customer_key, segment, churn_probability, expected_loss_minor, cutoff FROM customer_scores ORDER BY ALL",
  );
  assert.deepEqual(
    rows.map((row) => Object.values(row)),
    [
      ["cus_a", "Loyal", 0.25, 250, "2026-03-01"],
      ["cus_b", "Lost", null, null, "2026-03-01"],
    ],
  );
  assert.deepEqual(await brokenPromises(lake, customerScores), []);
});

test("the table has the columns and types that it declares", async () => {
  const described = await rowsOf(await lakeWith(""), "DESCRIBE customer_scores");
  assert.deepEqual(
    described.map((row) => [row["column_name"], row["column_type"]]),
    Object.entries(customerScores.columns).map(([name, { type }]) => [
      name,
      duckdbType({ type: type as Parameters<typeof duckdbType>[0]["type"] }),
    ]),
  );
});

test("it reads what it says, in every dialect", () => {
  for (const dialect of [duckdb, spark, trino]) {
    const sql = renderBatch(customerScores, dialect, { cutoff });
    const named = new Set([...sql.matchAll(/\b(?:FROM|JOIN) ([a-z_]+)/g)].map((match) => match[1]!));
    assert.deepEqual([...named].sort(), [...customerScores.reads].sort(), dialect.name);
  }
});
