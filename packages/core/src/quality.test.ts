import assert from "node:assert/strict";
import test from "node:test";
import { type MonthProfile, qualityReport } from "./quality.ts";

const month = (name: string, column: string, fields: Partial<MonthProfile> = {}): MonthProfile => ({
  ...{ source: "shop", table: "orders", column, month: name, rows: 1_000, missing: 0, distinct: 10 },
  ...{ negative: 0, outliers: 0, repeated: 0 },
  ...{
    firstAt: `${name}-01T00:00:00.000Z`,
    lastAt: `${name}-10T00:00:00.000Z`,
    receivedAt: "2025-06-01T00:00:00.000Z",
  },
  ...fields,
});
const rules = [{ table: "orders", column: "customer_key", expected: true, atLeastZero: false }];
const before = ["2025-01", "2025-02", "2025-03"];
const found = (profiles: readonly MonthProfile[]) =>
  qualityReport({ profiles, references: [], rules }).findings.map(({ severity, code, column }) => [
    severity,
    code,
    column,
  ]);

test("months of a column add up, and its mean is that of its values", () => {
  const { tables } = qualityReport({
    profiles: [
      month("2025-01", "*"),
      month("2025-02", "*", { rows: 100, repeated: 1 }),
      month("2025-01", "total_minor", { minimum: 1, maximum: 5, mean: 2, missing: 500 }),
      month("2025-02", "total_minor", { rows: 100, minimum: -3, maximum: 4, mean: 8, negative: 7 }),
    ],
    references: [],
    rules,
  });
  assert.deepEqual([tables[0]!.rows, tables[0]!.repeated, tables[0]!.months], [1_100, 1, 2]);
  assert.deepEqual(tables[0]!.columns, [
    { column: "total_minor", missing: 500, distinct: 10, minimum: -3, maximum: 5, mean: 3, negative: 7, outliers: 0 },
  ]);
});

test("what is missing warns from a twentieth on; orders of which half are said twice stop the model", () => {
  assert.deepEqual(found([month("2025-01", "*"), month("2025-01", "customer_key", { missing: 49 })]), []);
  assert.deepEqual(found([month("2025-01", "*"), month("2025-01", "customer_key", { missing: 50 })]), [
    ["warn", "missing", "customer_key"],
  ]);
  assert.deepEqual(
    found([month("2025-01", "*", { repeated: 1 }), month("2025-01", "customer_key", { missing: 900 })]),
    [
      ["warn", "repeated", undefined],
      ["warn", "missing", "customer_key"],
    ],
  );
  assert.deepEqual(found([month("2025-01", "*", { repeated: 499 })]), [["warn", "repeated", undefined]]);
  assert.deepEqual(found([month("2025-01", "*", { repeated: 500 })]), [["stop", "repeated", undefined]]);
});

test("the newest month drifts by what is missing, by its mean, by its rows a day; never against too few months", () => {
  const whole = [...before, "2025-04"].map((name) => month(name, "*"));
  const steady = before.map((name) => month(name, "price", { mean: 10, sd: 2, minimum: 0, maximum: 20 }));
  const now = (fields: Partial<MonthProfile>) => found([...whole, ...steady, month("2025-04", "price", fields)]);
  assert.deepEqual(now({ mean: 11.9, sd: 2, minimum: 0, maximum: 20 }), []);
  assert.deepEqual(now({ mean: 12.1, sd: 2, minimum: 0, maximum: 20 }), [["warn", "drift", "price"]]);
  assert.deepEqual(now({ mean: 10, sd: 2, minimum: 0, maximum: 20, missing: 101 }), [["warn", "drift", "price"]]);
  const few = before.map((name) => month(name, "*"));
  assert.deepEqual(found([...few, month("2025-04", "*", { rows: 4_100 })]), [["warn", "drift", undefined]]);
  assert.deepEqual(found([...few.slice(1), month("2025-04", "*", { rows: 4_100 })]), []);
});

test("gaps and what the ledger says are told with their counts", () => {
  const { findings } = qualityReport({
    profiles: [],
    references: [{ source: "shop", reference: "refunds to orders", values: 10, gaps: 1 }],
    rules,
    arrived: [{ source: "shop", by: "tweets.csv", received: 1_000, duplicates: 155, conflicting: 119, quarantined: 9 }],
  });
  assert.deepEqual(
    findings.map(({ sentence }) => sentence),
    [
      "shop, refunds to orders: 1 of 10 values are not found (10.0 %).",
      "shop, tweets.csv: 155 of 1,000 rows carried an id that was there already (15.5 %).",
      "shop, tweets.csv: 119 of 1,000 rows carried the id of another row of the file and say something else (11.9 %).",
    ],
  );
});
