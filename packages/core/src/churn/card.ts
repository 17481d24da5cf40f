/** Puts the model card together from a fitted model and the slices that it is judged on. */
import type { Baseline, MissingBaseline } from "./baselines.ts";
import { meanOf, reliabilityBins } from "./calibration.ts";
import { decileTable } from "./deciles.ts";
import { driftOf } from "./drift.ts";
import { termEffects } from "./drivers.ts";
import { evaluated } from "./evaluation.ts";
import { picked } from "./features.ts";
import { contributionColumns, type FittedModel, type LabelledRows, probabilitiesOf } from "./fit-model.ts";
import { type FeatureAuc, LEAKAGE_AUC } from "./leakage.ts";
import type { DriverImportance, FeatureQuality, ModelCard, SliceRole, Stratum } from "./model-card.ts";
import { designOf } from "./preprocessing.ts";
import { quantile, sortedFinite } from "../numeric/quantile.ts";
import { gainCurve, precisionRecallCurve, rankingOf, rocCurve } from "./ranking.ts";
import { maturesAt, type Slice } from "./slices.ts";
import { confusionAt, profitCurve } from "./threshold.ts";
import type { TrainingPlan } from "./train.ts";

/** Customers whose value of a feature lies in [from, to): one-time buyers, say. Missing values lie in none. */
export interface StratumDeclaration {
  readonly name: string;
  readonly feature: string;
  readonly from?: number;
  readonly to?: number;
}

export interface CardInput {
  readonly plan: TrainingPlan;
  /** In the order of time, with their roles. */
  readonly slices: readonly Slice[];
  readonly roles: readonly SliceRole[];
  /** The training slices, pooled. */
  readonly rows: LabelledRows;
  readonly calibrate?: Slice;
  readonly test: Slice;
  readonly fitted: FittedModel;
  readonly aucAlone: readonly FeatureAuc[];
  /** Of the test customers. */
  readonly probabilities: Float64Array;
  readonly baselines: readonly (Baseline | MissingBaseline)[];
}

/** Resampled rows in all: 400 replicates of 50,000 customers under five names, fewer (but 100) of more. */
const RESAMPLED_ROWS = 1e8;
const replicatesOf = (rows: number, sets: number): number =>
  Math.min(400, Math.max(100, Math.round(RESAMPLED_ROWS / (rows * sets))));
/** Fewer of either class, and no figure of a stratum means anything. */
const STRATUM_MINIMUM = 10;

export const cardOf = (input: CardInput): ModelCard => {
  const { plan, test, fitted, probabilities, rows } = input;
  const { labels, customers } = test;
  const baselines = input.baselines.filter((baseline) => "probabilities" in baseline);
  const resampling = {
    replicates: plan.replicates ?? replicatesOf(labels.length, 1 + baselines.length),
    seed: plan.seed,
  };
  const [first, ...others] = evaluated(
    [probabilities, ...baselines.map((baseline) => baseline.probabilities)],
    labels,
    customers,
    resampling,
  );
  const ranking = rankingOf(probabilities, labels);
  const trainProbabilities = probabilitiesOf(fitted.model, rows.columns, rows.labels.length);
  return {
    formatVersion: 1,
    modelId: plan.modelId,
    protocol: {
      label: plan.label,
      horizonDays: plan.horizonDays,
      slices: input.slices.map(({ cutoff, labels }, i) => ({
        cutoff,
        maturesAt: maturesAt(cutoff, plan.horizonDays),
        role: input.roles[i]!,
        customers: labels.length,
        churned: labels.reduce((sum, label) => sum + label, 0),
      })),
      l2: fitted.model.l2,
      bootstrapReplicates: resampling.replicates,
      seed: plan.seed,
      remarks: remarksOf(input),
    },
    model: fitted.model,
    test: first!.evaluation,
    comparison: [
      { name: "Model", evaluation: first!.evaluation },
      ...others.map(({ evaluation, aucBehindFirst }, i) => ({
        name: baselines[i]!.name,
        evaluation,
        aucBehindModel: aucBehindFirst,
      })),
    ],
    strata: plan.strata.map((stratum) => stratumOf(stratum, input, resampling)),
    curves: {
      roc: rocCurve(ranking),
      precisionRecall: precisionRecallCurve(ranking),
      gain: gainCurve(ranking),
    },
    reliability: reliabilityBins(probabilities, labels),
    deciles: decileTable(ranking, probabilities),
    scoreDistribution: distributionOf(probabilities, labels),
    drivers: importanceOf(input),
    effects: termEffects(
      fitted.fit,
      { design: fitted.design, labels: rows.labels, customers: rows.customers, l2: fitted.model.l2 },
      fitted.preprocessing.terms,
      fitted.preprocessing.features,
      fitted.model.groups,
      input.slices.flatMap((slice, i) =>
        input.roles[i] === "test"
          ? []
          : [{ design: designOf(fitted.preprocessing, slice.columns), labels: slice.labels }],
      ),
    ),
    dropped: fitted.dropped,
    threshold: {
      economics: plan.economics,
      chosen: confusionAt(probabilities, labels, fitted.model.threshold, plan.economics),
      half: confusionAt(probabilities, labels, 0.5, plan.economics),
      profit: profitCurve(ranking, probabilities, plan.economics),
    },
    drift: {
      features: plan.features.map(({ name, label = name }) => ({
        feature: name,
        label,
        ...driftOf(rows.columns[name]!, test.columns[name]!, plan),
      })),
      score: driftOf(trainProbabilities, probabilities, plan),
    },
    leakage: { limit: LEAKAGE_AUC, aucAlone: input.aucAlone },
    quality: qualityOf(input),
  };
};

const remarksOf = ({ calibrate, roles, slices, baselines, fitted }: CardInput): string[] => [
  ...(calibrate === undefined
    ? ["Only two cutoffs lie a horizon apart: the model was not recalibrated before the test."]
    : []),
  ...slices.flatMap(({ cutoff }, i) =>
    roles[i] === "unused" ? [`Cutoff ${cutoff} was not used: its labels reach beyond a later cutoff.`] : [],
  ),
  ...baselines.flatMap((baseline) =>
    "reason" in baseline ? [`Baseline ${baseline.name} could not be fitted: ${baseline.reason}.`] : [],
  ),
  ...(fitted.model.recalibration.slope <= 0
    ? ["The recalibration turns the order round: on newer customers the model is worth nothing."]
    : []),
];

const stratumOf = (
  { name, feature, from = -Infinity, to = Infinity }: StratumDeclaration,
  { test, probabilities }: CardInput,
  resampling: { readonly replicates: number; readonly seed: number },
): Stratum => {
  const column = test.columns[feature];
  if (!(column instanceof Float64Array)) throw new RangeError(`stratum ${name}: ${feature} is not a column of numbers`);
  const rows = Int32Array.from(
    [...column.keys()].filter((row) => Number.isFinite(column[row]!) && column[row]! >= from && column[row]! < to),
  );
  const labels = Uint8Array.from(rows, (row) => test.labels[row]!);
  const churned = labels.reduce((sum, label) => sum + label, 0);
  const enough = Math.min(churned, rows.length - churned) >= STRATUM_MINIMUM;
  const customers = Array.from(rows, (row) => test.customers[row]!);
  return {
    name,
    customers: rows.length,
    churned,
    evaluation: enough
      ? evaluated([picked(probabilities, rows) as Float64Array], labels, customers, resampling)[0]!.evaluation
      : null,
  };
};

const distributionOf = (probabilities: Float64Array, labels: Uint8Array): ModelCard["scoreDistribution"] => {
  const bins = 20;
  const counts = Array.from({ length: bins }, () => ({ churned: 0, stayed: 0 }));
  probabilities.forEach((p, row) => {
    const bin = counts[Math.min(bins - 1, Math.floor(p * bins))]!;
    bin[labels[row] === 1 ? "churned" : "stayed"]++;
  });
  return counts.map((count, bin) => ({ from: bin / bins, to: (bin + 1) / bins, ...count }));
};

const importanceOf = ({ fitted: { model }, test }: CardInput): DriverImportance[] =>
  contributionColumns(model, test.columns, test.labels.length)
    .map((column, i) => ({ ...model.groups[i]!, meanAbsoluteLogOdds: meanOf(column.map(Math.abs)) }))
    .sort((a, b) => b.meanAbsoluteLogOdds - a.meanAbsoluteLogOdds);

const qualityOf = ({ plan, rows, test, fitted }: CardInput): FeatureQuality[] =>
  plan.features.map(({ name, label = name }) => {
    const [trained, tested] = [rows.columns[name]!, test.columns[name]!];
    const limits = fitted.preprocessing.features.find((feature) => feature.name === name);
    if (!(trained instanceof Float64Array && tested instanceof Float64Array)) {
      const missing = (column: typeof trained): number =>
        column instanceof Float64Array ? 0 : meanOf(column.codes.map((code) => (code < 0 ? 1 : 0)));
      return {
        feature: name,
        label,
        missingTrain: missing(trained),
        missingTest: missing(tested),
        range: null,
        cutOff: 0,
      };
    }
    const ascending = sortedFinite(trained);
    const outside =
      limits?.kind === "number"
        ? ascending.filter((value) => value < (limits.lower ?? value) || value > (limits.upper ?? value)).length
        : 0;
    return {
      feature: name,
      label,
      missingTrain: 1 - ascending.length / trained.length,
      missingTest: meanOf(tested.map((value) => (Number.isFinite(value) ? 0 : 1))),
      range:
        ascending.length === 0
          ? null
          : { min: ascending[0]!, median: quantile(ascending, 0.5), max: ascending[ascending.length - 1]! },
      cutOff: outside / trained.length,
    };
  });
