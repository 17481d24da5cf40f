/** Fits, recalibrates and tests the churn model on the cutoffs of the past, and keeps all that it was made of. */
import type { Interval } from "@ebb/core/churn/bootstrap";
import { type ChurnModel, schemaHashOf } from "@ebb/core/churn/model";
import type { ModelCard } from "@ebb/core/churn/model-card";
import { onnxOf } from "@ebb/core/churn/onnx";
import type { Slice } from "@ebb/core/churn/slices";
import type { ContactEconomics } from "@ebb/core/churn/threshold";
import { type TrainingPlan, type TrainingProblem, train } from "@ebb/core/churn/train";
import { fitBgNbd } from "@ebb/core/value/bg-nbd";
import { probabilityOfNoPurchase } from "@ebb/core/value/expectations";
import { groupHistories } from "@ebb/core/value/histories";
import type { ModelSettings } from "@ebb/ports";
import { writeJson } from "@ebb/ports/json-objects";
import { columnsOf, featureNames, modelFeatures } from "../model-features.ts";
import type { RunModelPorts } from "../run-model-ports.ts";
import type { RunPlan } from "../run-request.ts";
import type { RunSteps } from "../run-steps.ts";
import { sampleParts } from "../sql/sample.ts";
import { historyColumns, trainingRowsSql } from "../sql/training-rows.ts";
import type { Cutoffs } from "./features.ts";

const SEED = 20_120_111;

export const modelKeys = (runId: string) => ({
  model: `models/${runId}/model.json`,
  tested: `models/${runId}/tested.json`,
  onnx: `models/${runId}/model.onnx`,
  card: `models/${runId}/card.json`,
  record: `models/${runId}/record.json`,
});

export type Fit =
  | {
      readonly kind: "trained";
      readonly testCutoff: string;
      readonly auc: Interval;
      /** AUC of what a model must be better than. */
      readonly baselines: Readonly<Record<string, number>>;
      readonly calibrationSlope?: number;
      readonly schemaHash: string;
      /** The run whose model it is, where nothing that it was fitted on has changed since. */
      readonly fittedBy?: string;
    }
  | { readonly kind: "refused"; readonly reason: string };

export interface LabelledSlice extends Slice {
  /** Net money of each customer within the horizon after the cutoff. */
  readonly futureNetMinor: Float64Array;
}

export const readSlice = async (
  ports: Pick<RunModelPorts, "runner">,
  exportKey: string,
  cutoff: string,
  horizonDays: number,
): Promise<LabelledSlice> => {
  const exported = await ports.runner.readColumns(exportKey, [
    "customer_key",
    "churned",
    "future_net_minor",
    ...featureNames,
    ...historyColumns.filter((name) => !featureNames.includes(name)),
  ]);
  const numbers = (name: string): Float64Array => exported[name] as Float64Array;
  const [x, tx, T] = historyColumns.map(numbers) as [Float64Array, Float64Array, Float64Array];
  const { parameters } = fitBgNbd(groupHistories(x, tx, T));
  return {
    cutoff,
    customers: exported["customer_key"] as string[],
    labels: Uint8Array.from(numbers("churned")),
    futureNetMinor: numbers("future_net_minor"),
    columns: columnsOf(exported),
    ...(parameters === undefined
      ? {}
      : {
          given: {
            "BG/NBD": x.map((_, row) =>
              probabilityOfNoPurchase(parameters, { x: x[row]!, tx: tx[row]!, T: T[row]! }, horizonDays),
            ),
          },
        }),
  };
};

const named = (...names: readonly string[]) => modelFeatures.filter(({ name }) => names.includes(name));
const baselines = [
  { name: "Recency only", features: named("recency_days") },
  { name: "RFM only", features: named("recency_days", "orders", "net_minor") },
];
const strata = [
  { name: "One-time buyers", feature: "orders", from: 1, to: 2 },
  { name: "Repeat buyers", feature: "orders", from: 2 },
];

/** What a kept customer is worth is what those who stayed brought within the horizon, times the margin. */
const economicsOf = (
  { contactCostMinor = 100, saveRate = 0.1, margin = 0.3 }: ModelSettings,
  slice: { readonly labels: Uint8Array; readonly futureNetMinor: Float64Array },
): ContactEconomics => {
  let sum = 0;
  let stayed = 0;
  slice.labels.forEach((label, row) => {
    if (label === 1) return;
    sum += slice.futureNetMinor[row]!;
    stayed++;
  });
  return { contactCostMinor, saveRate, valueMinor: Math.max(1, Math.round((margin * sum) / Math.max(1, stayed))) };
};

/** Exports of the rows that a model is fitted on, by cutoff: `rows-YYYY-MM-DD`. */
export type TrainingRows = Readonly<Record<string, string>>;

export const exportTrainingRows = async (
  steps: RunSteps,
  plan: RunPlan,
  ports: RunModelPorts,
  cutoffs: Pick<Cutoffs, "past">,
): Promise<TrainingRows> => {
  if (cutoffs.past.length === 0) return {};
  const counted = await steps.job("training customers", {
    name: "training-customers",
    writes: [],
    exports: [{ name: "customers", sql: () => COUNT_SQL }],
  });
  const parts = await steps.step(
    "training sample",
    async () => {
      const { customers } = await ports.runner.readColumns(counted.exports["customers"]!, ["customers"]);
      const most = Math.max(0, ...(customers as Float64Array));
      return sampleParts(most);
    },
    (parts) => ({ share: parts / 256 }),
  );
  const { exports } = await steps.job("training rows", {
    name: "training-rows",
    writes: [],
    exports: cutoffs.past.map((cutoff) => ({
      name: `rows-${cutoff}`,
      sql: () => trainingRowsSql(cutoff, plan.horizonDays, parts),
    })),
  });
  return exports;
};

/** @param rows of `exportTrainingRows` */
export const fitChurnModel = async (
  steps: RunSteps,
  plan: RunPlan,
  ports: RunModelPorts,
  cutoffs: Pick<Cutoffs, "past">,
  dataVersion: string,
  rows: TrainingRows,
): Promise<Fit> => {
  if (cutoffs.past.length === 0) return { kind: "refused", reason: TOO_SHORT };
  return await steps.step("fit", () => fitted(plan, ports, cutoffs, rows, dataVersion), fitFigures);
};

/** What is trained and how it is judged. @param slices newest first */
export const trainingPlan = (
  modelId: string,
  horizonDays: number,
  slices: readonly LabelledSlice[],
  settings: ModelSettings,
): TrainingPlan => ({
  modelId,
  label: `No order whose net is above zero within ${horizonDays} days after the cutoff`,
  horizonDays,
  features: modelFeatures,
  slices: slices.map(({ futureNetMinor: _, ...slice }) => slice),
  baselines,
  strata,
  // Of the window before the test: the test's own money is not known when a threshold is chosen.
  economics: economicsOf(settings, slices[1] ?? slices[0]!),
  seed: SEED,
});

const TOO_SHORT = "The history is too short: no cutoff of the past has known what followed.";
const COUNT_SQL = "SELECT cutoff, count(*) AS customers FROM customer_labels GROUP BY cutoff ORDER BY cutoff";

const fitted = async (
  plan: RunPlan,
  ports: RunModelPorts,
  { past }: Pick<Cutoffs, "past">,
  rows: TrainingRows,
  dataVersion: string,
): Promise<Fit> => {
  const slices = [];
  for (const cutoff of past) slices.push(await readSlice(ports, rows[`rows-${cutoff}`]!, cutoff, plan.horizonDays));
  const newest = slices[0];
  if (newest === undefined || newest.labels.length === 0) return { kind: "refused", reason: TOO_SHORT };
  const result = train(trainingPlan(plan.runId, plan.horizonDays, slices, ports.settings.model ?? {}));
  if (result.kind === "refused") return { kind: "refused", reason: result.problems.map(inWords).join(" ") };
  const { model, current, card } = result;
  await keep(plan, ports, { model, current, card, dataVersion });
  return {
    kind: "trained",
    testCutoff: newest.cutoff,
    auc: card.test.auc,
    baselines: Object.fromEntries(card.comparison.slice(1).map(({ name, evaluation }) => [name, evaluation.auc.value])),
    ...(card.test.calibration === null ? {} : { calibrationSlope: card.test.calibration.slope }),
    schemaHash: schemaHashOf(modelFeatures),
  };
};

interface Made {
  readonly model: ChurnModel;
  readonly current: ChurnModel;
  readonly card: ModelCard;
  readonly dataVersion: string;
}

const keep = async ({ runId, asOf, horizonDays }: RunPlan, { objects }: RunModelPorts, made: Made): Promise<void> => {
  const keys = modelKeys(runId);
  await writeJson(objects, keys.model, made.current);
  await writeJson(objects, keys.tested, made.model);
  await objects.put(keys.onnx, onnxOf(made.current));
  await writeJson(objects, keys.card, made.card);
  await writeJson(objects, keys.record, {
    runId,
    asOf,
    horizonDays,
    schemaHash: made.current.schemaHash,
    dataVersion: made.dataVersion,
    test: made.card.test,
  });
};

/** The reasons of a training that was refused, for a person. */
const inWords = (problem: TrainingProblem): string => {
  switch (problem.reason) {
    case "too_few_cutoffs":
      return `The history is too short: of ${problem.cutoffs.length} cutoffs none is left to train on before the one to test on.`;
    case "too_few_customers":
      return `Too few customers: ${problem.customers} where ${problem.needed} are needed (ten for each feature).`;
    case "one_class":
      return `At the cutoffs ${problem.cutoffs.join(", ")} (${problem.role}) all customers left, or none did.`;
    case "leakage":
      return `An AUC of ${problem.auc.toFixed(3)} is too good to be true: look at ${problem.features.join(", ")}.`;
    case "not_fitted":
      return `The regression could not be fitted (${problem.because}): ${problem.columns.join(", ")}.`;
  }
};

export const fitFigures = (fit: Fit): Record<string, number | string> =>
  fit.kind === "refused"
    ? { "no model": fit.reason }
    : {
        AUC: fit.auc.value,
        "AUC low": fit.auc.low,
        "AUC high": fit.auc.high,
        ...Object.fromEntries(Object.entries(fit.baselines).map(([name, auc]) => [`AUC of ${name}`, auc])),
        ...(fit.calibrationSlope === undefined ? {} : { "calibration slope": fit.calibrationSlope }),
        "tested on": fit.testCutoff,
        ...(fit.fittedBy === undefined ? {} : { "kept, as fitted by": fit.fittedBy }),
      };
