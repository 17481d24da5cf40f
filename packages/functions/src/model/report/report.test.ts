import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { shopFeatures, shopSlice } from "@ebb/core/churn/testing";
import { train, type TrainingPlan } from "@ebb/core/churn/train";
import { SaxesParser } from "saxes";
import { reportHtml, reportJson } from "./report.ts";
import { ticksOf } from "./svg.ts";

const hostile = `<img src=x onerror="alert(1)"> & 'quoted'`;
const plan: TrainingPlan = {
  modelId: `mdl_${hostile}`,
  label: hostile,
  horizonDays: 90,
  features: shopFeatures.map((feature, i) => (i === 0 ? { ...feature, label: hostile } : feature)),
  slices: ["2025-07-01", "2025-10-01", "2026-01-01"].map((cutoff, i) => shopSlice(cutoff, i + 1, 700)),
  baselines: [{ name: "Recency only", features: [shopFeatures[0]] }],
  strata: [{ name: "Nobody", feature: "orders", from: 1e6 }],
  economics: { contactCostMinor: 50, saveRate: 0.1, valueMinor: 2000 },
  seed: 42,
  replicates: 30,
};
const result = train(plan);
assert.ok(result.kind === "trained");
const { card } = result;
const sources = [
  { source: `till ${hostile}`, firstDay: "2025-01-02", lastDay: "2026-04-18", events: 1_234, longestGapDays: 3 },
  { source: "shop", firstDay: "2025-01-01", lastDay: "2026-04-30", events: 98_765, longestGapDays: 1 },
];
const page = reportHtml(card, { asOf: "2026-05-01", sources });

describe("report", () => {
  it("is one page without scripts and without addresses", () => {
    assert.match(page, /^<!doctype html>/);
    assert.doesNotMatch(page, /<script|<link|@import|url\(|(src|href)=["']?(https?:)?\/\//i);
  });

  it("escapes whatever names say", () => {
    assert.ok(page.includes("&lt;img src=x onerror=&quot;alert(1)&quot;&gt; &amp; &#39;quoted&#39;"));
    assert.ok(!page.includes("<img"));
  });

  it("is well formed, with no figure that is not a number", () => {
    const parser = new SaxesParser();
    parser.on("error", (error) => assert.fail(error));
    parser.write(page.replace("<!doctype html>", "")).close();
    assert.doesNotMatch(page, /NaN|Infinity|undefined|\[object/);
  });

  it("shows every plot with a title, a caption and its figures as a table", () => {
    const titles = [...page.matchAll(/<svg[^>]*role="img"[^>]*aria-label="([^"]+)"/g)].map((match) => match[1]!);
    assert.equal(titles.length, 9);
    assert.equal([...page.matchAll(/<figcaption>/g)].length, 9);
    assert.equal([...page.matchAll(/<summary>/g)].length, 9);
    for (const word of [
      "ROC",
      "Precision",
      "Observed",
      "Lift",
      "churners reached",
      "Odds",
      "Customers by",
      "Profit",
      "Drift",
    ])
      assert.ok(
        titles.some((title) => title.includes(word)),
        word,
      );
  });

  it("tells the figures of the card", () => {
    assert.ok(page.includes(`${card.test.auc.value.toFixed(3)} (${card.test.auc.low.toFixed(3)} to`));
    for (const { name } of card.comparison) assert.ok(page.includes(`<th scope="row">${name}</th>`));
    assert.ok(page.includes("too few"));
  });

  it("tells how fresh each source is", () => {
    const cells = (source: string): string[] => {
      const [, row] = page.split(`<th scope="row">${source}`);
      return [...row!.split("</tr>")[0]!.matchAll(/<td[^>]*>([^<]*)<\/td>/g)].map((match) => match[1]!);
    };
    assert.deepEqual(cells("shop"), ["98,765", "2025-01-01", "2026-04-30", "0", "1"]);
    assert.deepEqual(cells("till"), ["1,234", "2025-01-02", "2026-04-18", "12", "3"]);
  });

  it("is the same for the same card, and so is its JSON, which reads back as the card", () => {
    assert.equal(reportHtml(card, { asOf: "2026-05-01", sources }), page);
    assert.deepEqual(JSON.parse(reportJson(card)), card);
  });

  it("puts ticks at round values", () => {
    assert.deepEqual(ticksOf({ from: 0, to: 1 }), [0, 0.2, 0.4, 0.6, 0.8, 1]);
    assert.deepEqual(ticksOf({ from: -3, to: 47 }), [0, 10, 20, 30, 40]);
  });
});
