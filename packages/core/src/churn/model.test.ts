import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { driverGroups } from "./drivers.ts";
import type { FeatureRow } from "./features.ts";
import { contributionColumns, fitModel, probabilitiesOf } from "./fit-model.ts";
import { ChurnModel, contributionsOf, meanLogOdds, schemaHashOf, score } from "./model.ts";
import { designOf, fitPreprocessing } from "./preprocessing.ts";
import { shopFeatures, shopSlice } from "./testing.ts";

const slice = shopSlice("2026-01-01", 1, 800);
const settings = { modelId: "mdl_1", horizonDays: 90, l2: 1, threshold: 0.4 };
const fitted = fitModel(
  shopFeatures,
  { ...slice, cutoffs: [slice.cutoff] },
  shopSlice("2026-04-01", 2, 800, 0.5),
  settings,
);
assert.ok(fitted.kind === "fitted");
const { model } = fitted;

const rowOf = (i: number): FeatureRow =>
  Object.fromEntries(
    Object.entries(slice.columns).map(([name, column]) => [
      name,
      column instanceof Float64Array ? column[i]! : (column.levels[column.codes[i]!] ?? null),
    ]),
  );

describe("model document", () => {
  it("scores one customer as it scores a column of them", () => {
    const probabilities = probabilitiesOf(model, slice.columns, 800);
    for (let i = 0; i < 800; i++) {
      const one = score(model, rowOf(i));
      assert.ok(Math.abs(one.probability - probabilities[i]!) < 1e-12);
      assert.equal(one.atRisk, one.probability >= 0.4);
    }
  });

  it("explains a score exactly: the mean customer's log-odds plus all contributions", () => {
    const columns = contributionColumns(model, slice.columns, 800);
    for (let i = 0; i < 800; i += 7) {
      const row = rowOf(i);
      const contributions = contributionsOf(model, row);
      const total = contributions.reduce((sum, { logOdds }) => sum + logOdds, meanLogOdds(model));
      const { logOdds, drivers } = score(model, row);
      assert.ok(Math.abs(total - logOdds) < 1e-12);
      contributions.forEach((contribution, g) => assert.ok(Math.abs(contribution.logOdds - columns[g]![i]!) < 1e-12));
      const sizes = contributions.map((contribution) => Math.abs(contribution.logOdds)).sort((a, b) => b - a);
      assert.deepEqual(
        drivers.map((driver) => Math.abs(driver.logOdds)),
        sizes.slice(0, 3),
      );
    }
  });

  it("answers for a customer of whom nothing is known, and for absurd values", () => {
    for (const row of [{}, { recency_days: 1e300, orders: -5, noise: Infinity, country: "Atlantis" }]) {
      const { probability } = score(model, row);
      assert.ok(probability >= 0 && probability <= 1);
    }
  });

  it("reads back what it wrote, and refuses a document that cannot be scored", () => {
    const text = JSON.stringify(model);
    assert.deepEqual(ChurnModel.parse(JSON.parse(text)), model);
    const broken = (change: (document: ChurnModel) => void): boolean => {
      const document = JSON.parse(text) as ChurnModel;
      change(document);
      return !ChurnModel.safeParse(document).success;
    };
    assert.ok(broken((document) => (document.terms[0]!.feature = "unknown")));
    assert.ok(broken((document) => (document.terms[0]!.sd = 0)));
    assert.ok(broken((document) => (document.features[0]!.name = "x; DROP TABLE orders")));
    assert.ok(broken((document) => document.groups.pop()));
    assert.ok(broken((document) => document.groups.push(document.groups[0]!)));
    assert.ok(broken((document) => document.features.push(document.features[0]!)));
    assert.ok(broken((document) => (document.terms[0]!.part = { kind: "level", level: "UK" })));
  });

  it("has a schema hash that changes with names and kinds, not with their order", () => {
    assert.equal(schemaHashOf(shopFeatures), schemaHashOf(shopFeatures.toReversed()));
    assert.notEqual(schemaHashOf(shopFeatures), schemaHashOf(shopFeatures.slice(1)));
    assert.equal(model.schemaHash, schemaHashOf(shopFeatures));
  });
});

describe("groups of drivers", () => {
  it("join what was declared together and what is correlated, and are named as declared or after the strongest", () => {
    const a = Float64Array.from({ length: 200 }, (_, i) => (i * 37) % 101);
    const columns = {
      a,
      b: a.map((value, i) => value + ((i * 13) % 11)),
      c: Float64Array.from({ length: 200 }, (_, i) => (i * 53) % 97),
      d: Float64Array.from({ length: 200 }, (_, i) => (i * 29) % 89),
      e: Float64Array.from({ length: 200 }, (_, i) => (i * 71) % 83),
    };
    const preprocessing = fitPreprocessing(
      [
        { name: "a", kind: "number" },
        { name: "b", kind: "number", label: "Bee" },
        { name: "c", kind: "number", group: "Basket" },
        { name: "d", kind: "number" },
        { name: "e", kind: "number", group: "Basket" },
      ],
      columns,
    );
    const groups = driverGroups(
      preprocessing.features,
      preprocessing.terms,
      designOf(preprocessing, columns),
      Float64Array.of(0.1, -0.9, 0.3, 0.2, 0.1),
    );
    assert.deepEqual(groups, [
      { name: "b", label: "Bee", features: ["a", "b"] },
      { name: "Basket", label: "Basket", features: ["c", "e"] },
      { name: "d", label: "d", features: ["d"] },
    ]);
  });

  it("do not grow by chains: what is unlike the first stays apart, whatever lies between", () => {
    const a = Float64Array.from({ length: 300 }, (_, i) => ((i * 37) % 101) / 101);
    const c = Float64Array.from({ length: 300 }, (_, i) => ((i * 53) % 97) / 97);
    const columns = { a, between: a.map((value, i) => value + c[i]!), c };
    const preprocessing = fitPreprocessing(
      (["a", "between", "c"] as const).map((name, i) => ({
        name,
        kind: "number",
        // A signed log bends the middle one, or it would be a plain sum of the others.
        ...(i === 1 && { log: "signed_log1p" as const }),
      })),
      columns,
    );
    const groups = driverGroups(
      preprocessing.features,
      preprocessing.terms,
      designOf(preprocessing, columns),
      Float64Array.of(0.1, 0.2, 0.3),
      0.65,
    );
    assert.deepEqual(groups.map(({ features }) => features.length).sort(), [1, 2]);
  });
});
