import assert from "node:assert/strict";
import test from "node:test";
import type { DuckDBConnection } from "@duckdb/node-api";
import { rowsOf } from "../testing.ts";
import { batchTables } from "./batch-tables.ts";
import { customerFeatures } from "./customer-features.ts";
import { customerLabels } from "./customer-labels.ts";
import { makeHistory } from "./history.ts";
import { promisesSql } from "./promises.ts";
import { curatedLakeOf, write } from "./testing.ts";

const CUTOFF = "2024-10-01T00:00:00.000Z";
const EARLIER = "2024-07-01T00:00:00.000Z";
const parameters = { cutoff: CUTOFF, horizonDays: 90 };

const brokenIn = async (lake: DuckDBConnection, table: typeof customerLabels, cutoffs?: string[]) => {
  const sql = promisesSql({ table, ...(cutoffs === undefined ? {} : { cutoffs }) }, batchTables);
  assert.ok(sql !== undefined);
  const rows = await rowsOf(lake, sql);
  assert.equal(rows.length, Object.keys(table.tests).length);
  return rows
    .filter((row) => Number(row["breaking"]) > 0)
    .map((row) => [row["table_name"], row["promise"], row["breaking"]]);
};

test("a falsified table is told by its promise and how many rows break it, in the partitions that are asked for", async () => {
  const lake = await curatedLakeOf(makeHistory({ seed: 5, customers: 40 }));
  for (const cutoff of [EARLIER, CUTOFF])
    for (const table of [customerFeatures, customerLabels]) await write(lake, table, { ...parameters, cutoff });
  const both = [EARLIER.slice(0, 10), CUTOFF.slice(0, 10)];
  assert.deepEqual(await brokenIn(lake, customerFeatures, both), []);
  assert.deepEqual(await brokenIn(lake, customerLabels, both), []);

  await lake.run(`UPDATE customer_labels SET churned = 1 - churned WHERE cutoff = '${both[0]}' AND customer_key IN (
    SELECT customer_key FROM customer_labels WHERE cutoff = '${both[0]}' ORDER BY customer_key LIMIT 3)`);
  assert.deepEqual(await brokenIn(lake, customerLabels, both), [["customer_labels", "who ordered has not left", 3]]);
  assert.deepEqual(await brokenIn(lake, customerLabels), [["customer_labels", "who ordered has not left", 3]]);
  assert.deepEqual(await brokenIn(lake, customerLabels, [both[1]!]), []);

  // The features of a cutoff that is not asked for do not have to fit.
  await lake.run(`DELETE FROM customer_features WHERE cutoff = '${both[0]}' AND orders = 1`);
  assert.deepEqual(await brokenIn(lake, customerLabels, [both[1]!]), []);
  assert.equal((await brokenIn(lake, customerLabels, both)).length, 2);
});

test("a table that promises nothing has nothing to count", () => {
  assert.equal(promisesSql({ table: { ...customerLabels, tests: {} } }, batchTables), undefined);
});
