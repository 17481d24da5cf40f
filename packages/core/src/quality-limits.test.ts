import assert from "node:assert/strict";
import test from "node:test";
import fc from "fast-check";
import { z } from "zod";
import {
  type Measure,
  type Place,
  QualityLimit,
  defaultLimits,
  limitText,
  limitsOf,
  measures,
} from "./quality-limits.ts";

const faultsOf = (limit: unknown): string => {
  const parsed = QualityLimit.safeParse(limit);
  return parsed.success ? "" : z.prettifyError(parsed.error);
};

test("a limit that makes no sense is refused with the field and the reason", () => {
  assert.equal(faultsOf({ measure: "missing", source: "till", warn: 0.3, stop: 0.8, stops: "model" }), "");
  assert.equal(faultsOf({ measure: "drift_mean", warn: null, stop: 12 }), "");
  for (const [limit, reason] of [
    [{ measure: "missing" }, /says from where on to warn, or to stop/],
    [{ measure: "mising", warn: 0.1 }, /missing/],
    [{ measure: "missing", warn: 30 }, /is a share of 0 to 1[^]*at warn/],
    [{ measure: "missing", warn: -1 }, />=0/],
    [{ measure: "missing", warn: 0.5, stop: 0.2 }, /is below warn[^]*at stop/],
    [{ measure: "drift_rows", warn: 0.5 }, /is above 1/],
    [{ measure: "quarantined", stop: 0.5 }, /a run does not know the share of the refused rows/],
    [{ measure: "missing", warn: 0.1, stops: "run" }, /there is none/],
    [{ measure: "missing", warn: 0.1, colum: "x" }, /colum/],
  ] as const)
    assert.match(faultsOf(limit), reason, JSON.stringify(limit));
  for (const limit of defaultLimits) assert.equal(faultsOf(limit), "");
});

test("the limit that names a place most closely counts, the later of two alike, before those without it", () => {
  const some = <T>(value: fc.Arbitrary<T>) => fc.option(value, { nil: undefined });
  const [source, table, column] = [
    ["a", "b"],
    ["orders", "visits"],
    ["x", "y"],
  ].map((names) => fc.constantFrom(...names)) as [fc.Arbitrary<string>, fc.Arbitrary<string>, fc.Arbitrary<string>];
  const measure = fc.constantFrom<Measure>("missing", "repeated");
  const limit = fc.record({
    measure,
    source: some(source),
    table: some(table),
    column: some(column),
    warn: some(fc.option(fc.constantFrom(0.1, 0.2, 0.3))),
    stop: some(fc.option(fc.constantFrom(0.4, 0.5, 0.6))),
  }) as fc.Arbitrary<QualityLimit>;
  const place: fc.Arbitrary<Place> = fc.record({ source, table, column: some(column) });

  /** One after the other, from the vaguest to the closest: the last that says something has the word. */
  const plain = (own: readonly QualityLimit[], of: Measure, at: Place, field: "warn" | "stop") => {
    let word: number | null | undefined;
    for (const limits of [defaultLimits, own])
      for (const names of [
        [],
        ["source"],
        ["table"],
        ["source", "table"],
        ["column"],
        ["source", "column"],
        ["table", "column"],
        ["source", "table", "column"],
      ] as const)
        for (const one of limits) {
          const named = (["source", "table", "column"] as const).filter((name) => one[name] !== undefined);
          if (one.measure !== of || named.join() !== names.join()) continue;
          if (named.some((name) => one[name] !== at[name]) || one[field] === undefined) continue;
          word = one[field];
        }
    return word ?? undefined;
  };
  fc.assert(
    fc.property(fc.array(limit, { maxLength: 12 }), measure, place, (own, of, at) => {
      const { warn, stop } = limitsOf(own)(of, at);
      assert.deepEqual([warn, stop], [plain(own, of, at, "warn"), plain(own, of, at, "stop")]);
    }),
    { seed: 20_261_122, numRuns: 500 },
  );
});

test("a limit reads as a sentence; every measure says what it is", () => {
  assert.equal(
    limitText({ measure: "missing", source: "till", table: "orders", column: "customer_key", warn: 0.3, stop: 0.8 }),
    "missing of till, orders.customer_key: warns from 0.3, stops a run from 0.8",
  );
  assert.equal(limitText({ measure: "outliers", warn: null }), "outliers: never warns");
  assert.equal(Object.keys(measures).length, 11);
});
