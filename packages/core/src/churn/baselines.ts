/** What any model must be worth more than. */
import { logit, meanOf } from "./calibration.ts";
import type { Feature } from "./features.ts";
import { fitModel, type FitSettings, type LabelledRows, probabilitiesOf } from "./fit-model.ts";
import { sigmoid } from "./logistic-pass.ts";
import { fitRecalibration } from "./recalibration.ts";
import type { Slice } from "./slices.ts";

/** A logistic regression on fewer features, fitted and recalibrated as the model is. */
export interface BaselineDeclaration {
  readonly name: string;
  readonly features: readonly Feature[];
}

export interface Baseline {
  readonly name: string;
  /** Of the test customers. */
  readonly probabilities: Float64Array;
}

/** A baseline that could not be had, and why. */
export interface MissingBaseline {
  readonly name: string;
  readonly reason: string;
}

/** Base rate, regressions on few features, and every set of given probabilities (BG/NBD's, say), on the test slice. */
export const baselinesOf = (
  declared: readonly BaselineDeclaration[],
  train: LabelledRows & { readonly cutoffs: readonly string[] },
  calibrate: Slice | undefined,
  test: Slice,
  settings: FitSettings,
): readonly (Baseline | MissingBaseline)[] => {
  const rows = test.labels.length;
  return [
    { name: "Base rate", probabilities: new Float64Array(rows).fill(meanOf((calibrate ?? train).labels)) },
    ...declared.map(({ name, features }): Baseline | MissingBaseline => {
      const fitted = fitModel(features, train, calibrate, settings);
      return fitted.kind === "refused"
        ? { name, reason: fitted.reason }
        : { name, probabilities: probabilitiesOf(fitted.model, test.columns, rows) };
    }),
    ...Object.entries(test.given ?? {}).map(([name, probabilities]): Baseline | MissingBaseline => {
      const known = calibrate?.given?.[name];
      if (calibrate === undefined || known === undefined) return { name, probabilities };
      const line = fitRecalibration(Float64Array.from(known, logit), calibrate.labels);
      if (line.kind === "refused") return { name, reason: line.reason };
      return { name, probabilities: probabilities.map((p) => sigmoid(line.intercept + line.slope * logit(p))) };
    }),
  ];
};
