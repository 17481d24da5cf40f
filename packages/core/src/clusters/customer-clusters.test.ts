import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { uniform } from "../numeric/random.ts";
import { assignCustomers, clusterCustomers } from "./customer-clusters.ts";
import { NotANumberError } from "./k-means.ts";
import { clusterNames } from "./names.ts";
import { type RfmColumns, rfmPoints, scalesOf, valueAt } from "./rfm-space.ts";
import { silhouettes } from "./silhouette.ts";
import { adjustedRand } from "./stability.ts";

type Customer = readonly [recency: number, frequency: number, monetary: number];
const columnsOf = (customers: readonly Customer[]): RfmColumns => ({
  recency: Float64Array.from(customers, ([recency]) => recency),
  frequency: Float64Array.from(customers, ([, frequency]) => frequency),
  monetary: Float64Array.from(customers, ([, , monetary]) => monetary),
});

/** Three kinds of customers, a hundred each. */
const threeKinds = (seed: number): Customer[] => {
  const random = uniform(seed);
  const around = (value: number): number => value * (0.8 + 0.4 * random());
  return Array.from({ length: 300 }, (_customer, i): Customer => {
    if (i % 3 === 0) return [around(10), Math.round(around(30)), around(400_000)];
    return i % 3 === 1 ? [around(300), 1, around(2_000)] : [around(60), Math.round(around(5)), around(30_000)];
  });
};

describe("clusters of customers", () => {
  it("are as many as there are kinds, named from their centroids, the best first", () => {
    const found = clusterCustomers(columnsOf(threeKinds(1)), { seed: 1 })!;
    assert.deepEqual(
      found.clusters.map(({ name, customers }) => [name, customers]),
      [
        ["Recent, frequent, high spend", 100],
        ["Slowing, regular, medium spend", 100],
        ["Lapsed, rare, low spend", 100],
      ],
    );
    const best = found.clusters[0]!;
    assert.ok(best.recencyDays > 8 && best.recencyDays < 12 && best.orders > 24 && best.orders < 36);
    assert.ok(best.monetaryMinor > 320_000 && best.monetaryMinor < 480_000);
    assert.ok(found.stability.mean > 0.99 && found.stability.lowest > 0.95);
    assert.deepEqual([...found.assignment.slice(0, 3)], [0, 2, 1]);
  });

  it("are the same for the same seed, and for customers to come by scales and centroids alone", () => {
    const columns = columnsOf(threeKinds(2));
    const found = clusterCustomers(columns, { seed: 7 })!;
    assert.deepEqual(clusterCustomers(columns, { seed: 7 }), found);
    assert.deepEqual(assignCustomers(columns, found), found.assignment);
  });

  it("of noise are called unstable", () => {
    const random = uniform(3);
    const noise = Array.from({ length: 400 }, (): Customer => [random() * 300, 1 + random() * 20, random() * 90_000]);
    const found = clusterCustomers(columnsOf(noise), { seed: 1 })!;
    assert.ok(found.stability.lowest < 0.8, `lowest agreement ${found.stability.lowest}`);
  });

  it("do not exist for a handful of customers or where all are alike", () => {
    assert.equal(clusterCustomers(columnsOf(threeKinds(1).slice(0, 29)), { seed: 1 }), undefined);
    assert.equal(clusterCustomers(columnsOf(Array.from({ length: 99 }, () => [5, 1, 100])), { seed: 1 }), undefined);
    assert.equal(clusterCustomers(columnsOf([]), { seed: 1 }), undefined);
  });

  it("need numbers", () => {
    const columns = columnsOf([...threeKinds(1), [5, NaN, 100]]);
    assert.throws(
      () => clusterCustomers(columns, { seed: 1 }),
      (error: unknown) => error instanceof NotANumberError && error.row === 300 && error.column === 1,
    );
  });

  it("take their words from a table, and number those that share a name", () => {
    const centroids = Float64Array.of(-1, 1, 1, -0.9, 1.2, 1.3, 0, 0, 0);
    assert.deepEqual(clusterNames(centroids), [
      "Recent, frequent, high spend",
      "Recent, frequent, high spend (2)",
      "Slowing, regular, medium spend",
    ]);
    const words = { recency: ["neu", "-", "alt"], frequency: ["-", "-", "oft"], monetary: ["-", "-", "viel"] } as const;
    assert.equal(clusterNames(centroids, words)[0], "Neu, oft, viel");
  });
});

describe("the space of recency, frequency and money", () => {
  it("has mean 0 and deviation 1 in each column, whatever the outliers", () => {
    const columns = columnsOf([...threeKinds(4), [1e9, 1e6, 1e15]]);
    const { values } = rfmPoints(columns, scalesOf(columns));
    for (let column = 0; column < 3; column++) {
      const own = Array.from({ length: 301 }, (_row, row) => values[row * 3 + column]!);
      const mean = own.reduce((sum, value) => sum + value, 0) / 301;
      const variance = own.reduce((sum, value) => sum + (value - mean) ** 2, 0) / 301;
      assert.ok(Math.abs(mean) < 1e-12 && Math.abs(variance - 1) < 1e-12);
      assert.ok(Math.max(...own.map(Math.abs)) < 4);
    }
  });

  it("leads back to units, counts money below zero as zero and a constant column as nothing", () => {
    const columns = columnsOf([
      [10, 1, -500],
      [20, 1, 0],
      [30, 1, 900],
    ]);
    const scales = scalesOf(columns);
    const { values } = rfmPoints(columns, scales);
    assert.equal(values[2], values[5]);
    assert.deepEqual([values[1], values[4], values[7]], [0, 0, 0]);
    assert.ok(Math.abs(valueAt(values[3]!, scales.recency) - 20) < 1e-9);
  });
});

describe("measures of clusters", () => {
  it("silhouette: Rousseeuw's definition on four points by hand", () => {
    // Distances: 1 within each pair; from 0 to 10 and 11: mean 10.5; from 1: 9.5. All partitions in one pass.
    const points = { values: Float64Array.of(0, 1, 10, 11), dimensions: 1 };
    const partitions = [
      { assignment: Uint8Array.of(0, 0, 1, 1), k: 2 },
      { assignment: Uint8Array.of(0, 0, 0, 0), k: 1 },
      { assignment: Uint8Array.of(0, 0, 0, 1), k: 2 },
      { assignment: Uint8Array.of(0, 1, 2, 3), k: 4 },
    ];
    const [pairs, one, alone, each] = silhouettes(points, partitions);
    const expected = (2 * ((10.5 - 1) / 10.5) + 2 * ((9.5 - 1) / 9.5)) / 4;
    assert.ok(Math.abs(pairs! - expected) < 1e-15);
    assert.deepEqual([one, each], [undefined, undefined]);
    // A row alone counts 0.
    assert.ok(alone! < 0.7);
  });

  it("adjusted Rand: 1 for the same partition under other names, the textbook's figure, about 0 by chance", () => {
    assert.equal(adjustedRand(Uint8Array.of(0, 0, 1, 2), Uint8Array.of(5, 5, 3, 0)), 1);
    // Pairs: 2 joint; 2 and 3 within; 15 in all.
    const [one, other] = [Uint8Array.of(0, 0, 0, 1, 1, 1), Uint8Array.of(0, 0, 1, 1, 2, 2)];
    assert.ok(Math.abs(adjustedRand(one, other) - (2 - (6 * 3) / 15) / ((6 + 3) / 2 - (6 * 3) / 15)) < 1e-15);
    const random = uniform(8);
    const draw = (): Uint8Array => Uint8Array.from({ length: 5_000 }, () => Math.floor(random() * 4));
    assert.ok(Math.abs(adjustedRand(draw(), draw())) < 0.01);
    assert.throws(() => adjustedRand(Uint8Array.of(0), Uint8Array.of(0, 1)), RangeError);
  });
});
