/** One model from labelled rows: treatment of the features, coefficients, recalibration, groups of drivers. */
import { clustersOf } from "./bootstrap.ts";
import { driverGroups } from "./drivers.ts";
import type { Feature } from "./features.ts";
import { logOddsOf, sigmoid } from "./logistic-pass.ts";
import { fitLogistic, type FitProblem, type LogisticFit } from "./logistic-regression.ts";
import { type ChurnModel, schemaHashOf } from "./model.ts";
import { type Columns, designOf, type DroppedTerm, fitPreprocessing, type Preprocessing } from "./preprocessing.ts";
import { fitRecalibration, NO_RECALIBRATION } from "./recalibration.ts";

/** Customers at one or several cutoffs, with what they did afterwards. */
export interface LabelledRows {
  readonly columns: Columns;
  /** 1: no net-positive order within the horizon after the cutoff. */
  readonly labels: Uint8Array;
  /** Customer key of each row. */
  readonly customers: readonly string[];
}

export interface FitSettings {
  readonly modelId: string;
  readonly horizonDays: number;
  readonly l2: number;
  readonly threshold: number;
}

export interface FittedModel {
  readonly kind: "fitted";
  readonly model: ChurnModel;
  readonly fit: LogisticFit;
  readonly preprocessing: Preprocessing;
  readonly design: readonly Float64Array[];
  readonly dropped: readonly DroppedTerm[];
}

/** A refusal, with the columns by name. */
export interface FitRefusal {
  readonly kind: "refused";
  readonly reason:
    | FitProblem["reason"]
    /** No feature varies. */
    | "no_terms"
    /** On customers that it has not seen the model tells the classes apart perfectly. */
    | "recalibration_separated"
    | "recalibration_failed";
  readonly columns: readonly string[];
}

/** Fits on `rows`, recalibrates on `calibration` where there is one. The same input gives the same model. */
export const fitModel = (
  features: readonly Feature[],
  rows: LabelledRows & { readonly cutoffs: readonly string[] },
  calibration: (LabelledRows & { readonly cutoff: string }) | undefined,
  settings: FitSettings,
): FittedModel | FitRefusal => {
  const preprocessing = fitPreprocessing(features, rows.columns);
  if (preprocessing.terms.length === 0)
    return { kind: "refused", reason: "no_terms", columns: preprocessing.dropped.map(({ name }) => name) };
  const design = designOf(preprocessing, rows.columns);
  const fit = fitLogistic({ columns: design, labels: rows.labels }, { l2: settings.l2 });
  if (fit.kind === "refused")
    return {
      kind: "refused",
      reason: fit.reason,
      columns: "columns" in fit ? fit.columns.map((j) => preprocessing.terms[j]!.name) : [],
    };

  const beta = Float64Array.of(fit.intercept, ...fit.coefficients);
  const recalibration =
    calibration === undefined
      ? { kind: "fitted" as const, ...NO_RECALIBRATION }
      : fitRecalibration(
          logOddsOf(designOf(preprocessing, calibration.columns), calibration.labels.length, beta),
          calibration.labels,
        );
  if (recalibration.kind === "refused")
    return {
      kind: "refused",
      reason: recalibration.reason === "separated" ? "recalibration_separated" : "recalibration_failed",
      columns: [],
    };

  const { features: fitted, terms, dropped } = preprocessing;
  const model: ChurnModel = {
    formatVersion: 1,
    kind: "logistic_regression",
    modelId: settings.modelId,
    schemaHash: schemaHashOf(features),
    horizonDays: settings.horizonDays,
    trainedOn: [...rows.cutoffs],
    recalibratedOn: calibration?.cutoff ?? null,
    rows: rows.labels.length,
    customers: clustersOf(rows.customers).count,
    l2: settings.l2,
    logLikelihood: fit.logLikelihood,
    features: fitted.filter(({ name }) => terms.some(({ feature }) => feature === name)),
    intercept: fit.intercept,
    terms: terms.map((term, j) => ({
      ...term,
      beta: fit.coefficients[j]!,
      standardError: fit.standardErrors[j]!,
    })),
    recalibration: { intercept: recalibration.intercept, slope: recalibration.slope },
    threshold: settings.threshold,
    groups: driverGroups(fitted, terms, design, fit.coefficients),
  };
  return { kind: "fitted", model, fit, preprocessing, design, dropped };
};

/** Recalibrated probabilities of many customers. */
export const probabilitiesOf = (model: ChurnModel, columns: Columns, rows: number): Float64Array => {
  const { intercept, slope } = model.recalibration;
  const beta = Float64Array.of(model.intercept, ...model.terms.map((term) => term.beta));
  return logOddsOf(designOf(model, columns), rows, beta).map((logOdds) => sigmoid(intercept + slope * logOdds));
};

/** What each group adds to the log-odds of each row: one column a group, in the order of the groups. */
export const contributionColumns = (model: ChurnModel, columns: Columns, rows: number): Float64Array[] => {
  const design = designOf(model, columns);
  return model.groups.map(({ features }) => {
    const sum = new Float64Array(rows);
    model.terms.forEach(({ feature, beta }, j) => {
      if (!features.includes(feature)) return;
      for (let i = 0; i < rows; i++) sum[i]! += model.recalibration.slope * beta * design[j]![i]!;
    });
    return sum;
  });
};
