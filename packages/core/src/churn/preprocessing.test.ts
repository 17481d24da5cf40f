import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { categoryColumn, concatenated, type FeatureRow } from "./features.ts";
import { designOf, fitPreprocessing, termOf } from "./preprocessing.ts";
import { quantile } from "../numeric/quantile.ts";
import { shopFeatures, shopSlice } from "./testing.ts";

describe("preprocessing", () => {
  it("takes quantiles as NumPy does", () => {
    // numpy.quantile([1, 2, 4, 8], [0, .1, .5, .9, 1])
    assert.deepEqual(
      [0, 0.1, 0.5, 0.9, 1].map((q) => Number(quantile([1, 2, 4, 8], q).toFixed(10))),
      [1, 1.3, 3, 6.8, 8],
    );
    assert.ok(Number.isNaN(quantile([], 0.5)));
  });

  it("imputes the median, cuts off, takes the log, and marks what was missing", () => {
    const columns = { spend: Float64Array.of(0, 1, 2, 3, 1000, NaN, Infinity) };
    const { features, terms } = fitPreprocessing(
      [{ name: "spend", kind: "number", log: "log1p", winsor: [0, 0.75], indicator: true }],
      columns,
    );
    assert.deepEqual(features, [
      { kind: "number", name: "spend", label: "spend", imputed: 2, lower: 0, upper: 3, log: "log1p" },
    ]);
    const [value, missing] = terms;
    const logs = [0, 1, 2, 3, 3, 2, 2].map(Math.log1p);
    assert.ok(Math.abs(value!.mean - logs.reduce((a, b) => a + b) / 7) < 1e-12);
    assert.equal(missing!.name, "spend:missing");
    assert.ok(Math.abs(missing!.mean - 2 / 7) < 1e-12);
  });

  it("keeps the sign under a signed logarithm", () => {
    const { features, terms } = fitPreprocessing(
      [{ name: "net", kind: "number", log: "signed_log1p", winsor: "none" }],
      { net: Float64Array.of(-Math.E + 1, Math.E - 1) },
    );
    assert.ok(Math.abs(terms[0]!.mean) < 1e-12 && Math.abs(terms[0]!.sd - 1) < 1e-12);
    assert.ok(Math.abs(termOf(features[0]!, terms[0]!, { net: -(Math.E ** 3) + 1 }) + 3) < 1e-12);
  });

  it("standardises: mean 0 and standard deviation 1 on the rows that it was fitted on", () => {
    const { columns } = shopSlice("2026-01-01", 1, 500);
    const fitted = fitPreprocessing(shopFeatures, columns);
    for (const column of designOf(fitted, columns)) {
      const mean = column.reduce((sum, value) => sum + value, 0) / 500;
      const variance = column.reduce((sum, value) => sum + (value - mean) ** 2, 0) / 500;
      assert.ok(Math.abs(mean) < 1e-10 && Math.abs(variance - 1) < 1e-10);
    }
  });

  it("gives one customer what it gives a column", () => {
    const slice = shopSlice("2026-01-01", 1, 300);
    const fitted = fitPreprocessing(shopFeatures, slice.columns);
    const later = shopSlice("2026-04-01", 2, 300).columns;
    const design = designOf(fitted, later);
    for (let i = 0; i < 300; i++) {
      const row: FeatureRow = Object.fromEntries(
        Object.entries(later).map(([name, column]) => [
          name,
          column instanceof Float64Array ? column[i]! : (column.levels[column.codes[i]!] ?? null),
        ]),
      );
      fitted.terms.forEach((term, j) => {
        const feature = fitted.features.find(({ name }) => name === term.feature)!;
        assert.equal(termOf(feature, term, row), design[j]![i]);
      });
    }
  });

  it("gives the frequent levels a column each, the rest one, and missing another; the most frequent is the reference", () => {
    const country = categoryColumn(["UK", "UK", "UK", "DE", "DE", "FR", "IT", null]);
    const { features, terms } = fitPreprocessing([{ name: "country", kind: "category", maxLevels: 2 }], { country });
    assert.deepEqual(features[0]!.kind === "category" && features[0]!.levels, ["UK", "DE"]);
    assert.deepEqual(
      terms.map(({ name }) => name),
      ["country=DE", "country:other", "country:missing"],
    );
    const raw = (value: string | null) =>
      terms.map((term) => Math.round(termOf(features[0]!, term, { country: value }) * term.sd + term.mean));
    assert.deepEqual(
      [raw("UK"), raw("DE"), raw("Mars"), raw(null)],
      [
        [0, 0, 0],
        [1, 0, 0],
        [0, 1, 0],
        [0, 0, 1],
      ],
    );
  });

  it("drops and names what is constant, empty, or a combination of others", () => {
    const a = Float64Array.of(1, 5, 2, 8, 3, 9);
    const { terms, dropped } = fitPreprocessing(
      ["a", "twice", "constant", "empty"].map((name) => ({ name, kind: "number", winsor: "none" }) as const),
      {
        a,
        twice: a.map((value) => 2 * value + 1),
        constant: new Float64Array(6).fill(0.1),
        empty: new Float64Array(6).fill(NaN),
      },
    );
    assert.deepEqual(
      terms.map(({ name }) => name),
      ["a"],
    );
    assert.deepEqual(
      new Set(dropped),
      new Set([
        { name: "twice", reason: "collinear" },
        { name: "constant", reason: "constant" },
        { name: "empty", reason: "no_values" },
      ]),
    );
  });

  it("is fitted on the training rows alone: later customers change nothing", () => {
    const train = shopSlice("2026-01-01", 1, 200).columns;
    assert.deepEqual(fitPreprocessing(shopFeatures, train), fitPreprocessing(shopFeatures, structuredClone(train)));
    const later = shopSlice("2026-04-01", 9, 200).columns;
    const before = JSON.stringify(fitPreprocessing(shopFeatures, train));
    designOf(fitPreprocessing(shopFeatures, train), later);
    assert.equal(JSON.stringify(fitPreprocessing(shopFeatures, train)), before);
  });

  it("names a column that is absent or of another kind", () => {
    assert.throws(() => fitPreprocessing([{ name: "x", kind: "number" }], {}), /no column for feature x/);
    assert.throws(
      () => fitPreprocessing([{ name: "x", kind: "number" }], { x: categoryColumn(["a"]) }),
      /column x is not a number/,
    );
  });

  it("joins categories of several cutoffs by name", () => {
    const joined = concatenated([categoryColumn(["UK", null]), categoryColumn(["FR", "UK"])]);
    assert.ok(!(joined instanceof Float64Array));
    assert.deepEqual(
      [...joined.codes].map((code) => joined.levels[code]),
      ["UK", undefined, "FR", "UK"],
    );
  });
});
