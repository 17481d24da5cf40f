import assert from "node:assert/strict";
import test from "node:test";
import { batchTables } from "@ebb/lake/batch/batch-tables";
import { qualityProfiles, qualityReferences } from "@ebb/lake/batch/quality-profiles";
import { modelTables } from "@ebb/lake/model/model-tables";
import { make as quality } from "@ebb/functions/serve/quality";
import { ask, filled, martLake } from "../support/mart-lake.ts";

const profile = {
  ...{ source: "shop", table_name: "orders", column_name: "*", month: "2026-05", rows_told: 3, missing: 0 },
  ...{ distinct_values: 3, negative: 0, outliers: 0, repeated: 0 },
  ...{ first_at: "2026-05-01 00:00:00", last_at: "2026-05-02 00:00:00", received_at: "2026-05-03 00:00:00" },
};

test("between an upgrade and the next run every declared table is there, without rows", async (context) => {
  const lake = await martLake("2026-06-01", [filled(qualityProfiles, [profile])]);
  context.after(() => lake.close());
  for (const { name, columns } of [...batchTables, ...modelTables]) {
    const answer = await lake.queries.query(`SELECT * FROM ${name}`);
    assert.equal(answer.rows.length, name === "quality_profiles" ? 1 : 0, name);
    assert.deepEqual(
      answer.columns.map((column) => column.name),
      Object.keys(columns),
    );
  }
  const { status, body } = await ask(quality(lake.ports), "/v1/quality");
  assert.deepEqual([status, body["references"], body["run_id"]], [200, [], "2026-06-01"]);
  assert.equal((body["tables"] as { rows: number }[])[0]!.rows, 3);
});

test("a table of an older release has its rows, and what it did not know is NULL", async (context) => {
  const { outliers: _, ...columns } = qualityProfiles.columns;
  const { outliers: __, ...row } = profile;
  const lake = await martLake("2026-06-01", [
    filled({ ...qualityProfiles, columns }, [row]),
    filled(qualityReferences, [{ source: "shop", reference: "refunds to orders", values_named: 1, gaps: 0 }]),
  ]);
  context.after(() => lake.close());
  const { rows } = await lake.queries.query("SELECT source, rows_told, outliers, month FROM quality_profiles");
  assert.deepEqual(
    rows.map((cells) => cells.map(String)),
    [["shop", "3", "null", "2026-05"]],
  );
});
