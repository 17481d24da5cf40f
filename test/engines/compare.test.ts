import assert from "node:assert/strict";
import test from "node:test";
import { differenceOf } from "./compare.ts";
import { type Plain, type Shape, plainOf } from "./engine.ts";

const side = (title: string, shapes: Readonly<Record<string, Shape>>, ...rows: readonly (readonly Plain[])[]) => ({
  title,
  rows: { columns: Object.entries(shapes).map(([name, shape]) => ({ name, shape })), rows },
});
const shapes = { id: "text", amount: "integer", share: "double" } as const;

test("rows are the same in any order, and doubles within a billionth", () => {
  const a = side("A", shapes, ["x", 1n, 0.1], ["y", 2n, null], ["y", 2n, null]);
  const b = side("B", shapes, ["y", 2n, null], ["x", 1n, 0.1 + 1e-12], ["y", 2n, null]);
  assert.equal(differenceOf("q", a, b), undefined);
  assert.equal(differenceOf("q", side("A", shapes), side("B", shapes)), undefined);
});

test("rows that only doubles tell apart are matched by those", () => {
  const a = side("A", shapes, ["x", 1n, 0.25], ["x", 1n, 0.75]);
  const b = side("B", shapes, ["x", 1n, 0.75 - 1e-12], ["x", 1n, 0.25 + 1e-12]);
  assert.equal(differenceOf("q", a, b), undefined);
  assert.match(differenceOf("q", a, side("B", shapes, ["x", 1n, 0.25], ["x", 1n, 0.5]))!, /share differs/);
});

test("a difference names the query, the row and the column", () => {
  const a = side("A", shapes, ["x", 1n, 0.1], ["y", 2n, 0.2]);
  const b = side("B", shapes, ["x", 1n, 0.1], ["y", 3n, 0.2]);
  assert.equal(differenceOf("sales", a, b, ["id"]), 'sales: amount differs in the row id "y"\nA: "2"\nB: "3"');
  assert.match(
    differenceOf("sales", a, b)!,
    /^sales: 2 rows on A, 2 on B\.\nA alone has id "y".*\n.*B has amount "3"$/,
  );
});

test("a double beyond a billionth, a NULL, a missing row and another type are differences", () => {
  const a = side("A", shapes, ["x", 1n, 0.1]);
  assert.match(differenceOf("q", a, side("B", shapes, ["x", 1n, 0.1 + 1e-9]), ["id"])!, /share differs/);
  assert.match(differenceOf("q", a, side("B", shapes, ["x", null, 0.1]), ["id"])!, /amount differs/);
  assert.match(differenceOf("q", a, side("B", shapes), ["id"])!, /1 rows on A, 0 on B/);
  assert.match(differenceOf("q", a, side("B", { ...shapes, amount: "decimal" }, ["x", "1", 0.1]))!, /columns differ/);
});

test("a key that two rows share, or that no column has, is a fault of the proof", () => {
  const a = side("A", shapes, ["x", 1n, 0.1], ["x", 2n, 0.1]);
  assert.throws(() => differenceOf("q", a, a, ["id"]), /two rows with the key/);
  assert.throws(() => differenceOf("q", a, a, ["other"]), /names no column/);
});

test("what clients send becomes plain: decimals without their scale, timestamps to the microsecond, structs by name", () => {
  assert.equal(plainOf("decimal", "-2.500000"), "-2.5");
  assert.equal(plainOf("decimal", "100"), "100");
  assert.equal(plainOf("decimal", "0.000000"), "0");
  assert.equal(plainOf("integer", "9007199254740993"), 9_007_199_254_740_993n);
  assert.equal(plainOf("timestamp", "2026-01-31 08:26:00.5"), "2026-01-31T08:26:00.500000Z");
  assert.throws(() => plainOf("timestamp", "2026-01-31 08:26:00 Europe/Paris"), /Not a timestamp/);
  const items = { list: { struct: [{ name: "sku", shape: "text" }] } } as const;
  assert.deepEqual(plainOf(items, [["a"], [null]]), [{ sku: "a" }, { sku: null }]);
  assert.deepEqual(plainOf(items, [{ sku: "a" }, null]), [{ sku: "a" }, null]);
});
