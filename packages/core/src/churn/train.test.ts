import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { ChurnModel } from "./model.ts";
import { probabilitiesOf } from "./fit-model.ts";
import { rolesOf, type Slice } from "./slices.ts";
import { shopFeatures, shopSlice } from "./testing.ts";
import { train, type TrainingPlan, type TrainingResult } from "./train.ts";

const cutoffs = ["2025-04-01", "2025-07-01", "2025-10-01", "2026-01-01"];
const slices = cutoffs.map((cutoff, i) => shopSlice(cutoff, 101 * (i + 1), 1500, i === 0 ? 0 : 0.4));
const plan: TrainingPlan = {
  modelId: "mdl_test",
  label: "no net-positive order within 90 days",
  horizonDays: 90,
  features: shopFeatures,
  slices,
  baselines: [{ name: "Recency only", features: [shopFeatures[0]] }],
  strata: [
    { name: "One-time buyers", feature: "orders", from: 1, to: 2 },
    { name: "Repeat buyers", feature: "orders", from: 2 },
    { name: "Nobody", feature: "orders", from: 1e6 },
  ],
  economics: { contactCostMinor: 50, saveRate: 0.1, valueMinor: 2000 },
  seed: 42,
  replicates: 60,
};

const trained = (result: TrainingResult): Extract<TrainingResult, { kind: "trained" }> => {
  if (result.kind === "refused") assert.fail(JSON.stringify(result.problems));
  return result;
};
const problemsOf = (changed: Partial<TrainingPlan>): readonly { readonly reason: string }[] => {
  const result = train({ ...plan, ...changed });
  assert.equal(result.kind, "refused");
  return result.kind === "refused" ? result.problems : [];
};
const changedSlices = (change: (slice: Slice, i: number) => Partial<Slice>): Slice[] =>
  slices.map((slice, i) => ({ ...slice, ...change(slice, i) }));

describe("training", () => {
  const { card, model, current } = trained(train(plan));

  it("gives every cutoff a role in the order of time, with no label reaching into a later role", () => {
    assert.deepEqual(rolesOf(cutoffs, 90), ["train", "train", "calibrate", "test"]);
    assert.deepEqual(rolesOf(["2025-07-01", "2025-09-15", "2025-10-01", "2026-01-01"], 90), [
      "train",
      "unused",
      "calibrate",
      "test",
    ]);
    assert.deepEqual(rolesOf(["2025-10-01", "2026-01-01"], 90), ["train", "test"]);
    assert.deepEqual(rolesOf(["2025-12-01", "2026-01-01"], 90), ["unused", "test"]);
    assert.deepEqual(rolesOf(["2026-01-01"], 90), ["test"]);
  });

  it("finds the law that the customers follow, calibrated on customers it has not seen", () => {
    const effect = (term: string) => card.effects.find((of) => of.term === term)!;
    assert.ok(Math.abs(effect("recency_days").betaPerUnit - 0.8) < 0.15);
    assert.ok(effect("orders").oddsRatioInterval[1] < 1);
    assert.ok(effect("country=France").oddsRatioInterval[0] > 1);
    const [low, high] = effect("noise").oddsRatioInterval;
    assert.ok(low < 1 && high > 1);
    assert.equal(effect("recency_days").signStability, 1);
    assert.ok(card.test.auc.low > 0.6 && card.test.auc.low < card.test.auc.value);
    assert.ok(card.test.calibration!.slope > 0.8 && card.test.calibration!.slope < 1.25);
    assert.ok(Math.abs(card.test.calibration!.inTheLarge) < 0.25);
  });

  it("stands beside its baselines with intervals of the difference", () => {
    assert.deepEqual(
      card.comparison.map(({ name }) => name),
      ["Model", "Base rate", "Recency only"],
    );
    const [, base, recency] = card.comparison;
    assert.equal(base!.evaluation.auc.value, 0.5);
    assert.ok(recency!.aucBehindModel!.low > 0);
  });

  it("compares with given probabilities, recalibrated like the model", () => {
    const given = (slice: Slice): Record<string, Float64Array> => ({
      "Twice as sure": probabilitiesOf(model, slice.columns, slice.labels.length).map((p) => p ** 2),
    });
    const result = trained(train({ ...plan, slices: changedSlices((slice) => ({ given: given(slice) })) }));
    const line = result.card.comparison.at(-1)!;
    assert.equal(line.name, "Twice as sure");
    assert.ok(Math.abs(line.evaluation.auc.value - result.card.test.auc.value) < 1e-9);
    assert.ok(Math.abs(line.evaluation.meanPredicted - result.card.test.meanPredicted) < 0.02);
  });

  it("tells one-time buyers apart, and says nothing of strata without customers", () => {
    const [once, repeat, nobody] = card.strata;
    assert.equal(once!.customers + repeat!.customers, 1500);
    assert.ok(once!.evaluation !== null && repeat!.evaluation !== null);
    assert.deepEqual(nobody, { name: "Nobody", customers: 0, churned: 0, evaluation: null });
  });

  it("hands over a second model that is one step newer", () => {
    assert.deepEqual([model.trainedOn, model.recalibratedOn], [cutoffs.slice(0, 2), cutoffs[2]]);
    assert.deepEqual([current.trainedOn, current.recalibratedOn], [cutoffs.slice(0, 3), cutoffs[3]]);
    assert.deepEqual(ChurnModel.parse(JSON.parse(JSON.stringify(model))), model);
  });

  it("decides at the break-even probability", () => {
    assert.equal(model.threshold, 0.25);
    const { chosen } = card.threshold;
    assert.equal(chosen.truePositives + chosen.falsePositives + chosen.trueNegatives + chosen.falseNegatives, 1500);
  });

  it("makes a card that is plain JSON, the same for the same plan, whatever the order of the slices", () => {
    const text = JSON.stringify(card);
    assert.deepEqual(JSON.parse(text), card);
    assert.equal(JSON.stringify(trained(train({ ...plan, slices: slices.toReversed() })).card), text);
  });

  it("accounts for every customer in each of its tables", () => {
    const customers = (rows: readonly { readonly customers: number }[]) =>
      rows.reduce((sum, row) => sum + row.customers, 0);
    assert.equal(customers(card.reliability), 1500);
    assert.equal(customers(card.deciles), 1500);
    assert.equal(
      card.scoreDistribution.reduce((sum, { churned, stayed }) => sum + churned + stayed, 0),
      1500,
    );
  });

  it("works with two cutoffs, and says that nothing was recalibrated", () => {
    const result = trained(train({ ...plan, slices: slices.slice(2) }));
    assert.equal(result.model.recalibratedOn, null);
    assert.match(result.card.protocol.remarks.join(" "), /not recalibrated/);
  });
});

describe("gates of a run", () => {
  it("catch a column made from the label, by name", () => {
    const leaky = changedSlices(({ labels, columns }) => ({
      columns: { ...columns, noise: Float64Array.from(labels, (label, i) => label + (i % 40 === 0 ? 0.6 : 0)) },
    }));
    const [problem] = problemsOf({ slices: leaky });
    assert.deepEqual({ ...problem, auc: undefined }, { reason: "leakage", auc: undefined, features: ["noise"] });
  });

  it("catch several columns that give the label away only together", () => {
    // Each is the label hidden behind a large number that the other one carries.
    const leaky = changedSlices(({ labels, columns }) => {
      const veil = Float64Array.from(labels, (_, i) => ((i * 7919) % 101) / 4);
      return { columns: { ...columns, noise: veil.map((value, i) => value + labels[i]!), recency_days: veil } };
    });
    const features = shopFeatures.map((feature) =>
      feature.name === "noise" || feature.name === "recency_days"
        ? ({ name: feature.name, kind: "number", winsor: "none" } as const)
        : feature,
    );
    const [problem] = problemsOf({ slices: leaky, features, l2: 0.01 });
    assert.equal(problem!.reason, "leakage");
  });

  it("catch one class, too few customers and too few cutoffs, all at once where they meet", () => {
    const few = slices.map((slice) => {
      const { columns, labels, customers } = shopSlice(slice.cutoff, 1, 15);
      return { ...slice, columns, labels: labels.fill(1), customers };
    });
    assert.deepEqual(
      problemsOf({ slices: few }).map(({ reason }) => reason),
      ["too_few_customers", "one_class", "one_class", "one_class"],
    );
    assert.deepEqual(problemsOf({ slices: slices.slice(3) }), [{ reason: "too_few_cutoffs", cutoffs: [cutoffs[3]] }]);
  });

  it("refuse features without any value", () => {
    const empty = changedSlices(({ columns, labels }) => ({
      columns: { ...columns, noise: new Float64Array(labels.length).fill(NaN) },
    }));
    assert.deepEqual(problemsOf({ slices: empty, features: [{ name: "noise", kind: "number" }] }), [
      { reason: "not_fitted", because: "no_terms", columns: ["noise"] },
    ]);
  });

  it("are for data; a plan that does not fit together is an error", () => {
    assert.throws(
      () => train({ ...plan, slices: changedSlices(({ labels }, i) => (i === 2 ? { labels: labels.slice(1) } : {})) }),
      /differ in length/,
    );
    assert.throws(
      () => train({ ...plan, slices: changedSlices((_, i) => (i === 1 ? { cutoff: "soon" } : {})) }),
      /not a date/,
    );
  });
});
