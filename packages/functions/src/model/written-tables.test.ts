import assert from "node:assert/strict";
import { test } from "node:test";
import { customerLabels } from "@ebb/lake/batch/customer-labels";
import { cutoffKey, definitionOf, nothingWritten, stands } from "./written-tables.ts";

const key = cutoffKey(customerLabels, "2026-01-05");
const written = {
  ...nothingWritten,
  version: 5,
  wholeAt: 2,
  cutoffs: { [key]: { definition: "d", version: 3 } },
};

test("a partition stands until a day that its SQL knows is touched, its SQL changes or everything is written anew", () => {
  assert.ok(stands(written, key, "d", "2026-04-05"));
  assert.ok(!stands(written, key, "other", "2026-04-05"));
  assert.ok(!stands(written, cutoffKey(customerLabels, "2026-01-12"), "d", "2026-04-05"));
  assert.ok(!stands({ ...written, wholeAt: 4 }, key, "d", "2026-04-05"));
  const touched = (day: string, version: number) => ({ ...written, days: { [day]: version } });
  assert.ok(stands(touched("2026-04-06", 4), key, "d", "2026-04-05"), "later than what it knows");
  assert.ok(!stands(touched("2026-04-05", 4), key, "d", "2026-04-05"));
  assert.ok(!stands(touched("2019-01-01", 4), key, "d", "2026-04-05"), "the state of an order may be years old");
  assert.ok(stands(touched("2026-04-05", 3), key, "d", "2026-04-05"), "it was made of the touched day");
});

test("a table's definition changes with its columns, its SQL and what the SQL depends on", () => {
  const at = { cutoff: "2026-01-05T00:00:00.000Z", horizonDays: 90 };
  const definition = definitionOf(customerLabels, at);
  assert.equal(definitionOf(customerLabels, at), definition);
  assert.notEqual(definitionOf(customerLabels, { ...at, horizonDays: 60 }), definition);
  assert.notEqual(definitionOf({ ...customerLabels, columns: {} }, at), definition);
  const inOneDialect = {
    ...customerLabels,
    sql: (...[m, parameters]: Parameters<typeof customerLabels.sql>) =>
      customerLabels.sql(m, parameters) + (m.name === "spark" ? " WHERE true" : ""),
  };
  assert.notEqual(definitionOf(inOneDialect, at), definition);
});
