import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { uniform } from "../numeric/random.ts";
import { NotANumberError, type Points, assign, kMeans } from "./k-means.ts";

const points = (rows: readonly (readonly number[])[]): Points => ({
  values: Float64Array.from(rows.flat()),
  dimensions: rows[0]?.length ?? 3,
});

/** Blobs around the given centres, the same number of rows each. */
const blobs = (centres: readonly (readonly number[])[], each: number, spread: number, seed: number) => {
  const random = uniform(seed);
  return points(
    Array.from({ length: centres.length * each }, (_row, i) =>
      centres[i % centres.length]!.map((centre) => centre + spread * (random() + random() - 1)),
    ),
  );
};

/** Least inertia over every way to put the rows into k clusters. */
const leastInertia = ({ values, dimensions }: Points, k: number): number => {
  const rows = values.length / dimensions;
  let least = Infinity;
  for (let code = 0; code < k ** rows; code++) {
    let inertia = 0;
    const clusterOf = Array.from({ length: rows }, (_row, i) => Math.floor(code / k ** i) % k);
    for (let cluster = 0; cluster < k; cluster++)
      for (let d = 0; d < dimensions; d++) {
        const column = clusterOf.flatMap((own, i) => (own === cluster ? [values[i * dimensions + d]!] : []));
        const mean = column.reduce((sum, value) => sum + value, 0) / column.length;
        inertia += column.reduce((sum, value) => sum + (value - mean) ** 2, 0);
      }
    least = Math.min(least, inertia);
  }
  return least;
};

describe("K-Means", () => {
  it("reaches the least inertia of all partitions of a few points", () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.integer({ min: 0, max: 9 }), fc.integer({ min: 0, max: 9 })), {
          minLength: 3,
          maxLength: 7,
        }),
        (rows) => {
          const found = kMeans(points(rows), { k: 2, seed: 1, starts: 40 });
          assert.ok(Math.abs(found.inertia - leastInertia(points(rows), found.k)) < 1e-9);
        },
      ),
      { seed: 20261122, numRuns: 60 },
    );
  });

  it("finds blobs again, in three dimensions and in five", () => {
    for (const dimensions of [3, 5]) {
      const centres = [0, 1, 2, 3].map((c) => Array.from({ length: dimensions }, (_x, d) => (c >> (d % 2)) * 10 + c));
      const found = kMeans(blobs(centres, 50, 1, 3), { k: 4, seed: 9 });
      assert.deepEqual([...found.sizes], [50, 50, 50, 50]);
      for (let row = 4; row < 200; row++) assert.equal(found.assignment[row], found.assignment[row % 4]);
      assert.ok(found.converged);
    }
  });

  it("gives rows, sizes and inertia that belong to its centroids", () => {
    const given = blobs(
      [
        [0, 0, 0],
        [1, 1, 1],
        [2, 0, 1],
      ],
      200,
      1.5,
      4,
    );
    const found = kMeans(given, { k: 5, seed: 2 });
    assert.deepEqual(found.assignment, assign(given, found.centroids));
    let inertia = 0;
    for (let row = 0; row < 600; row++)
      for (let d = 0; d < 3; d++)
        inertia += (given.values[row * 3 + d]! - found.centroids[found.assignment[row]! * 3 + d]!) ** 2;
    assert.ok(Math.abs(inertia - found.inertia) < 1e-9 * inertia);
    assert.equal(
      found.sizes.reduce((sum, size) => sum + size, 0),
      600,
    );
  });

  it("is the same for the same seed", () => {
    const given = blobs(
      [
        [0, 0, 0],
        [1, 1, 1],
      ],
      300,
      2,
      5,
    );
    assert.deepEqual(kMeans(given, { k: 6, seed: 3 }), kMeans(given, { k: 6, seed: 3 }));
  });

  it("from starts on a sample is within a hundredth of starts on all rows", () => {
    const given = blobs(
      [
        [0, 0, 0],
        [3, 1, 1],
        [0, 4, 2],
        [5, 5, 5],
      ],
      2_000,
      3,
      6,
    );
    const all = kMeans(given, { k: 4, seed: 1 });
    const sampled = kMeans(given, { k: 4, seed: 1, startRows: 500 });
    assert.equal(sampled.assignment.length, 8_000);
    assert.ok(sampled.inertia < all.inertia * 1.01);
  });

  it("gives no more clusters than there are distinct points, and none of them empty", () => {
    const found = kMeans(
      points([
        [1, 1, 1],
        [2, 2, 2],
        [1, 1, 1],
        [2, 2, 2],
        [1, 1, 1],
      ]),
      { k: 4, seed: 1 },
    );
    assert.equal(found.k, 2);
    assert.deepEqual([...found.sizes].sort(), [2, 3]);
    assert.equal(found.inertia, 0);
    const alike = kMeans(points(Array.from({ length: 10 }, () => [7, 7, 7])), { k: 3, seed: 1 });
    assert.deepEqual([alike.k, ...alike.sizes], [1, 10]);
  });

  it("gives a cluster that falls empty on the way the point that is farthest from its own", () => {
    // Found by search: from this start the first of five clusters loses all its rows.
    const values = Float64Array.of(14, 0, 14, 13, 9, 0, 0, 0, 1, 1, 15, 9, 23, 8, 17);
    const found = kMeans({ values, dimensions: 1 }, { k: 5, seed: 823_803, starts: 1 });
    assert.ok(
      found.sizes.every((size) => size > 0),
      `sizes ${found.sizes.join()}`,
    );
    assert.ok(found.inertia < 5);
  });

  it("leaves no cluster empty, whatever the points", () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.integer({ min: 0, max: 4 }), fc.integer({ min: 0, max: 4 }), fc.constant(0)), {
          minLength: 1,
          maxLength: 40,
        }),
        fc.integer({ min: 1, max: 8 }),
        fc.integer(),
        (rows, k, seed) => {
          const found = kMeans(points(rows), { k, seed, starts: 1 });
          assert.ok(
            found.sizes.every((size) => size > 0),
            `sizes ${found.sizes.join()}`,
          );
          assert.equal(found.k, Math.min(k, new Set(rows.map(String)).size));
        },
      ),
      { seed: 20261122, numRuns: 500 },
    );
  });

  it("names the row and column of what is no number, and refuses nothing to cluster", () => {
    assert.throws(
      () =>
        kMeans(
          points([
            [1, 2, 3],
            [4, NaN, 6],
          ]),
          { k: 1, seed: 1 },
        ),
      (error: unknown) => error instanceof NotANumberError && error.row === 1 && error.column === 1,
    );
    assert.throws(() => kMeans(points([[1, 2, Infinity]]), { k: 1, seed: 1 }), NotANumberError);
    assert.throws(() => kMeans(points([]), { k: 1, seed: 1 }), RangeError);
    assert.throws(() => kMeans(points([[1, 2, 3]]), { k: 0, seed: 1 }), RangeError);
  });
});
