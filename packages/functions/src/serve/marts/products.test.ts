import assert from "node:assert/strict";
import { test } from "node:test";
import { changeOf, changed } from "./products.ts";

test("a change is counted in robust standard deviations of the product's own past", () => {
  // Median 100; deviations 10, 0, 10, 20, 0 with median 10: the scale is 14.826.
  assert.equal(changeOf(200, [90, 100, 110, 120, 100], 0).toFixed(9), (100 / 14.826).toFixed(9));
  // One wild window moves neither the median nor the scale.
  assert.equal(changeOf(200, [90, 100, 110, 9_000, 100], 0).toFixed(9), (100 / 14.826).toFixed(9));
});

test("a past without spread does not make every change endless: a tenth of the median is the least scale", () => {
  assert.equal(changeOf(150, [100, 100, 100], 0), 5);
  assert.equal(changeOf(2, [0, 0, 0], 40), 0.05);
});

test("rising and falling are told apart, the largest first, from the windows since the first sale alone", () => {
  const row = (product: string, windows: number, ...nets: number[]) => ({
    product_id: product,
    windows,
    ...Object.fromEntries(Array.from({ length: 9 }, (_, back) => [`w${back}`, nets[back] ?? 0])),
  });
  const rows = [
    row("steady", 4, 100, 100, 101, 99, 100),
    row("up", 3, 900, 300, 310, 290),
    row("far up", 3, 3_000, 300, 310, 290),
    row("down", 4, 10, 500, 510, 490, 500),
  ];
  const names = (direction: "rising" | "falling", limit: number) =>
    changed(rows, direction, limit).map((found) => found.row["product_id"]);
  assert.deepEqual(names("rising", 10), ["far up", "up"]);
  assert.deepEqual(names("rising", 1), ["far up"]);
  assert.deepEqual(names("falling", 10), ["down"]);
  // Windows before the first sale are no past: with them the medians of "up" would be 0.
  assert.equal(changed(rows, "rising", 10).find((found) => found.row["product_id"] === "up")!.netMinor, 900);
});
