import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { driftOf } from "./drift.ts";
import { categoryColumn } from "./features.ts";
import { uniform } from "../numeric/random.ts";
import { normals } from "./testing.ts";

const sample = (seed: number, rows: number, shift = 0): Float64Array => {
  const random = uniform(seed);
  return Float64Array.from({ length: rows }, () => shift + normals(random));
};

describe("drift", () => {
  it("is the sum (a − e)·ln(a / e) over the bins", () => {
    const of = (ones: number): ReturnType<typeof categoryColumn> =>
      categoryColumn(Array.from({ length: 100_000 }, (_, i) => (i < ones ? "x" : "y")));
    const { psi } = driftOf(of(20_000), of(40_000), { seed: 1, permutations: 20 });
    const expected = 0.2 * Math.log(2) + -0.2 * Math.log(0.6 / 0.8);
    assert.ok(Math.abs(psi - expected) < 1e-4, `${psi} against ${expected}`);
  });

  it("stays below its band in about nineteen of twenty pairs of equal samples, and passes it when values move", () => {
    let above = 0;
    for (let seed = 0; seed < 100; seed++) {
      const { psi, band } = driftOf(sample(2 * seed + 1, 400), sample(2 * seed + 2, 300), { seed, permutations: 100 });
      if (psi > band) above++;
    }
    assert.ok(above <= 14, `${above} of 100 false alarms`);
    const moved = driftOf(sample(1, 400), sample(2, 300, 0.6), { seed: 1, permutations: 100 });
    assert.ok(moved.psi > 2 * moved.band);
  });

  it("scales the band of large samples as theory does: with 1/n + 1/m", () => {
    const small = driftOf(sample(1, 10_000), sample(2, 10_000), { seed: 3, permutations: 200 });
    const large = driftOf(sample(1, 80_000), sample(2, 80_000), { seed: 3, permutations: 200 });
    assert.ok(Math.abs(large.band / small.band - 1 / 8) < 0.04, `${large.band} against ${small.band}`);
  });

  it("sees values go missing, and levels never seen before", () => {
    const full = sample(1, 2000);
    const holes = full.map((value, i) => (i % 5 === 0 ? NaN : value));
    const missing = driftOf(full, holes, { seed: 1, permutations: 50 });
    assert.ok(missing.psi > missing.band);
    assert.deepEqual([missing.expectedMissing, missing.actualMissing], [0, 0.2]);
    const names = (other: string) =>
      categoryColumn(Array.from({ length: 900 }, (_, i) => (i % 3 === 0 ? other : "UK")));
    const renamed = driftOf(names("France"), names("Japan"), { seed: 1, permutations: 50 });
    assert.ok(renamed.psi > renamed.band);
  });

  it("does not move for a constant", () => {
    const constant = driftOf(new Float64Array(50).fill(3), new Float64Array(80).fill(3), { seed: 1, permutations: 20 });
    assert.equal(constant.psi, 0);
  });
});
