/** A run's model: fitted on the past, recalibrated later, judged later still, refused where it should not be trusted. */
import { baselinesOf, type BaselineDeclaration } from "./baselines.ts";
import { clustersOf } from "./bootstrap.ts";
import { type CardInput, cardOf, type StratumDeclaration } from "./card.ts";
import type { Feature } from "./features.ts";
import { fitModel, type FitRefusal, type FitSettings, probabilitiesOf } from "./fit-model.ts";
import { LEAKAGE_AUC, singleFeatureAucs } from "./leakage.ts";
import type { ChurnModel } from "./model.ts";
import type { ModelCard } from "./model-card.ts";
import { rowCount } from "./preprocessing.ts";
import { pooled, rolesOf, type Slice } from "./slices.ts";
import { breakEven, type ContactEconomics } from "./threshold.ts";

export interface TrainingPlan {
  readonly modelId: string;
  /** One sentence: what counts as leaving. */
  readonly label: string;
  readonly horizonDays: number;
  readonly features: readonly Feature[];
  readonly slices: readonly Slice[];
  readonly baselines: readonly BaselineDeclaration[];
  readonly strata: readonly StratumDeclaration[];
  readonly economics: ContactEconomics;
  /** Penalty on standardised terms; absent, 10: on CDNOW and Online Retail nothing from 1 to 100 is better at all cutoffs. */
  readonly l2?: number;
  readonly seed: number;
  /** Bootstrap replicates; absent, 400, and fewer, but at least 100, for many customers. */
  readonly replicates?: number;
}

/** Why a run has no model. All that is wrong is said at once. */
export type TrainingProblem =
  | { readonly reason: "too_few_cutoffs"; readonly cutoffs: readonly string[] }
  | { readonly reason: "too_few_customers"; readonly customers: number; readonly needed: number }
  | { readonly reason: "one_class"; readonly role: string; readonly cutoffs: readonly string[] }
  /** AUC above {@link LEAKAGE_AUC}: by these features alone, or by the model, and then its most telling ones. */
  | { readonly reason: "leakage"; readonly auc: number; readonly features: readonly string[] }
  | { readonly reason: "not_fitted"; readonly because: FitRefusal["reason"]; readonly columns: readonly string[] };

export type TrainingResult =
  | {
      readonly kind: "trained";
      /** The model that the card judges: it has not seen the test slice. Compare a later run's model with it. */
      readonly model: ChurnModel;
      /** The same procedure one step on, fitted up to the test's cutoff and recalibrated on it: the one to score with. */
      readonly current: ChurnModel;
      readonly card: ModelCard;
    }
  | { readonly kind: "refused"; readonly problems: readonly TrainingProblem[] };

/** Customers that a coefficient needs (Peduzzi 1996 asks for ten events; here the gate of the pipeline). */
export const CUSTOMERS_PER_FEATURE = 10;

const refused = (...problems: TrainingProblem[]): TrainingResult => ({ kind: "refused", problems });

/** Fits, recalibrates, tests, compares. The same plan gives the same result, byte for byte. */
export const train = (plan: TrainingPlan): TrainingResult => {
  const slices = [...plan.slices].sort((a, b) => Date.parse(a.cutoff) - Date.parse(b.cutoff));
  slices.forEach(checkSlice);
  const roles = rolesOf(
    slices.map(({ cutoff }) => cutoff),
    plan.horizonDays,
  );
  const ofRole = (role: string): Slice[] => slices.filter((_, i) => roles[i] === role);
  const [trainSlices, [calibrate], [test]] = [ofRole("train"), ofRole("calibrate"), ofRole("test")];
  if (test === undefined || trainSlices.length === 0)
    return refused({ reason: "too_few_cutoffs", cutoffs: slices.map(({ cutoff }) => cutoff) });

  const rows = pooled(trainSlices);
  const aucAlone = singleFeatureAucs(plan.features, rows.columns, rows.labels);
  const problems = [
    ...sizeProblems(plan.features.length, clustersOf(rows.customers).count),
    ...classProblems("train", trainSlices),
    ...(calibrate === undefined ? [] : classProblems("calibrate", [calibrate])),
    ...classProblems("test", [test]),
  ];
  const told = aucAlone.filter(({ auc }) => auc > LEAKAGE_AUC);
  if (told.length > 0)
    problems.push({ reason: "leakage", auc: told[0]!.auc, features: told.map(({ feature }) => feature) });
  if (problems.length > 0) return refused(...problems);

  const settings: FitSettings = {
    modelId: plan.modelId,
    horizonDays: plan.horizonDays,
    l2: plan.l2 ?? 10,
    threshold: breakEven(plan.economics),
  };
  const fitted = fitModel(plan.features, rows, calibrate, settings);
  const leaked = (auc: number): TrainingResult =>
    refused({ reason: "leakage", auc, features: aucAlone.slice(0, 3).map(({ feature }) => feature) });
  if (fitted.kind === "refused")
    return fitted.reason === "recalibration_separated" ? leaked(1) : refused(notFitted(fitted));
  const input: CardInput = {
    plan,
    slices,
    roles,
    rows,
    ...(calibrate !== undefined && { calibrate }),
    test,
    fitted,
    aucAlone,
    probabilities: probabilitiesOf(fitted.model, test.columns, test.labels.length),
    baselines: baselinesOf(plan.baselines, rows, calibrate, test, settings),
  };
  const card = cardOf(input);
  if (card.test.auc.value > LEAKAGE_AUC) return leaked(card.test.auc.value);
  const current = fitModel(
    plan.features,
    calibrate === undefined ? rows : pooled([...trainSlices, calibrate]),
    test,
    settings,
  );
  if (current.kind === "refused") return refused(notFitted(current));
  return { kind: "trained", model: fitted.model, current: current.model, card };
};

const checkSlice = ({ cutoff, columns, labels, customers, given = {} }: Slice): void => {
  const rows = labels.length;
  if (Number.isNaN(Date.parse(cutoff))) throw new RangeError(`the cutoff ${cutoff} is not a date`);
  const lengths = [rowCount(columns), customers.length, ...Object.values(given).map(({ length }) => length)];
  if (lengths.some((length) => length !== rows))
    throw new RangeError(`the columns, labels and customers of slice ${cutoff} differ in length`);
  if (labels.some((label) => label > 1)) throw new RangeError(`a label of slice ${cutoff} is neither 0 nor 1`);
};

const sizeProblems = (features: number, customers: number): TrainingProblem[] => {
  const needed = CUSTOMERS_PER_FEATURE * features;
  return customers < needed ? [{ reason: "too_few_customers", customers, needed }] : [];
};

const classProblems = (role: string, slices: readonly Slice[]): TrainingProblem[] =>
  [0, 1].every((label) => slices.some(({ labels }) => labels.includes(label)))
    ? []
    : [{ reason: "one_class", role, cutoffs: slices.map(({ cutoff }) => cutoff) }];

const notFitted = ({ reason, columns }: FitRefusal): TrainingProblem => ({
  reason: "not_fitted",
  because: reason,
  columns,
});
