/** The churn model against scikit-learn, statsmodels, SciPy, onnx.checker and ONNX Runtime. */
import assert from "node:assert/strict";
import { before, describe, it } from "node:test";
import { clustersOf } from "@ebb/core/churn/bootstrap";
import {
  calibrationInTheLarge,
  calibrationLine,
  probabilityScores,
  reliabilityBins,
  wilson,
} from "@ebb/core/churn/calibration";
import { correlationsOf, varianceInflation } from "@ebb/core/churn/correlation";
import type { FeatureRow } from "@ebb/core/churn/features";
import { fitModel } from "@ebb/core/churn/fit-model";
import { fitLogistic, type LogisticFit } from "@ebb/core/churn/logistic-regression";
import { sigmoid } from "@ebb/core/churn/logistic-pass";
import { type ChurnModel, score } from "@ebb/core/churn/model";
import { onnxInputs, onnxOf } from "@ebb/core/churn/onnx";
import { designOf, fitPreprocessing } from "@ebb/core/churn/preprocessing";
import { discriminationOf, rankingOf } from "@ebb/core/churn/ranking";
import { robustErrors } from "@ebb/core/churn/robust-errors";
import { drawn, shopFeatures, shopSlice } from "@ebb/core/churn/testing";
import { confusionAt } from "@ebb/core/churn/threshold";
import { askPython } from "./environment.ts";

interface Estimates {
  readonly beta: number[];
  readonly errors: number[];
  readonly logLikelihood: number;
}
interface Answer {
  readonly unpenalised: (Estimates & {
    readonly clusteredErrors: number[];
    readonly weightedBeta: number[];
    readonly weightedErrors: number[];
    readonly vif: number[];
  })[];
  readonly penalised: Estimates[][];
  readonly figures: {
    readonly auc: number;
    readonly averagePrecision: number;
    readonly ks: number;
    readonly logLoss: number;
    readonly brier: number;
    readonly weighted: Record<"auc" | "averagePrecision" | "logLoss" | "brier", number>;
    readonly slope: number;
    readonly slopeError: number;
    readonly intercept: number;
    readonly inTheLarge: number;
    readonly bins: Record<"width" | "quantile", { readonly observed: number[]; readonly predicted: number[] }>;
    readonly confusion: number[];
    readonly wilson: number[];
  }[];
  readonly preprocessed: number[];
  readonly onnx: {
    readonly probability: number[];
    readonly logOdds: number[];
    readonly metadata: Record<string, string>;
    readonly opset: number;
  }[];
}

/** Six digits unless told. */
const near = (actual: number, expected: number, what: string, relative = 1e-6): void =>
  assert.ok(
    Math.abs(actual - expected) <= relative * Math.max(Math.abs(expected), 1e-3),
    `${what}: ${actual}, theirs ${expected}`,
  );
const allNear = (actual: ArrayLike<number>, expected: readonly number[], what: string, relative?: number): void => {
  assert.equal(actual.length, expected.length, what);
  expected.forEach((value, i) => near(actual[i]!, value, `${what} ${i}`, relative));
};

const correlated = (): { columns: Float64Array[]; labels: Uint8Array } => {
  const { columns, labels } = drawn(31, 2500, 1.2, [0.9, -0.6, 0.05, 0]);
  const near = columns[0]!.map((value, i) => 50 + 10 * value + 3 * columns[3]![i]!);
  return { columns: [...columns.slice(0, 3), near], labels };
};
const fits = [drawn(30, 1200, -0.7, [1.4, -0.3]), correlated()].map(({ columns, labels }) => ({
  columns,
  labels,
  weights: Float64Array.from(labels, (_, i) => 1 + (i % 3)),
  customers: Array.from(labels, (_, i) => `cus_${i % 400}`),
}));
const penalties = [0.1, 1, 50];

/** Probabilities with many ties, and without. */
const scored = [1, 8].map((steps) => {
  const { columns, labels } = drawn(40 + steps, 1500, -0.4, [1.1]);
  const probabilities = columns[0]!.map((value) =>
    sigmoid(0.8 * (steps === 1 ? value : Math.round(value * steps) / steps)),
  );
  return { probabilities, labels, weights: Uint16Array.from(labels, (_, i) => i % 4) };
});

const values = Array.from({ length: 1001 }, (_, i) => (i % 9 === 0 ? null : ((i * 7919) % 1009) ** 1.5));

const slice = shopSlice("2026-01-01", 1, 1500);
const models: ChurnModel[] = [shopFeatures, [shopFeatures[0]]].map((features) => {
  const calibration = shopSlice("2026-04-01", 2, 1500, 0.5);
  const rows = { ...slice, cutoffs: [slice.cutoff] };
  const fitted = fitModel(features, rows, calibration, { modelId: "mdl_1", horizonDays: 90, l2: 1, threshold: 0.3 });
  assert.ok(fitted.kind === "fitted");
  return fitted.model;
});
const customers: FeatureRow[] = [
  ...Array.from({ length: 1500 }, (_, i) =>
    Object.fromEntries(
      Object.entries(slice.columns).map(([name, column]) => [
        name,
        column instanceof Float64Array ? Math.fround(column[i]!) : (column.levels[column.codes[i]!] ?? null),
      ]),
    ),
  ),
  {},
  { recency_days: -5, orders: 1e30, gap_days: -1, noise: -1e30, country: "Atlantis" },
];
/** As the file's input wants it: numbers, and categories by their index. */
const onnxRow = (model: ChurnModel, row: FeatureRow): (number | null)[] =>
  onnxInputs(model).map(({ feature, levels }) => {
    const value = row[feature];
    if (value === null || value === undefined) return null;
    if (typeof value === "string") return levels!.indexOf(value);
    return Number.isFinite(value) ? value : null;
  });

describe("churn model against Python's statistics", () => {
  let theirs: Answer;
  const fitted = (i: number, l2: number, weights?: Float64Array): LogisticFit => {
    const fit = fitLogistic(
      { ...fits[i]!, ...(weights ? { weights } : { weights: new Float64Array(fits[i]!.labels.length).fill(1) }) },
      { l2 },
    );
    assert.ok(fit.kind === "fitted");
    return fit;
  };
  const betaOf = (fit: LogisticFit): number[] => [fit.intercept, ...fit.coefficients];
  const errorsOf = (fit: LogisticFit): number[] => [fit.interceptStandardError, ...fit.standardErrors];

  before(async () => {
    const plain = (rows: Record<string, unknown>): Record<string, unknown> =>
      Object.fromEntries(
        Object.entries(rows).map(([name, value]) => [
          name,
          ArrayBuffer.isView(value) ? [...(value as Float64Array)] : value,
        ]),
      );
    theirs = (await askPython("churn_oracle.py", {
      fits: fits.map((fit) => ({
        ...plain(fit),
        columns: fit.columns.map((column) => [...column]),
        clusters: [...clustersOf(fit.customers).clusterOf],
      })),
      l2: penalties,
      scored: scored.map(plain),
      values,
      onnx: models.map((model) => ({
        file: Buffer.from(onnxOf(model)).toString("base64"),
        rows: customers.map((row) => onnxRow(model, row)),
      })),
    })) as Answer;
  });

  it("agrees on coefficients, standard errors and log-likelihood without a penalty (statsmodels)", () => {
    theirs.unpenalised.forEach((expected, i) => {
      const fit = fitted(i, 0);
      allNear(betaOf(fit), expected.beta, "coefficient");
      allNear(errorsOf(fit), expected.errors, "standard error");
      near(fit.logLikelihood, expected.logLikelihood, "log-likelihood");
    });
  });

  it("agrees on coefficients, standard errors and log-likelihood under penalties (scikit-learn, NumPy)", () => {
    theirs.penalised.forEach((expected, i) =>
      expected.forEach((estimates, k) => {
        const fit = fitted(i, penalties[k]!);
        allNear(betaOf(fit), estimates.beta, `coefficient at ${penalties[k]}`);
        allNear(errorsOf(fit), estimates.errors, `standard error at ${penalties[k]}`);
        near(fit.logLikelihood, estimates.logLikelihood, `log-likelihood at ${penalties[k]}`);
      }),
    );
  });

  it("agrees on weighted rows, on errors clustered by customer, and on variance inflation (statsmodels)", () => {
    theirs.unpenalised.forEach((expected, i) => {
      const weighted = fitted(i, 0, fits[i]!.weights);
      allNear(betaOf(weighted), expected.weightedBeta, "weighted coefficient");
      allNear(errorsOf(weighted), expected.weightedErrors, "weighted standard error");
      const fit = fitted(i, 0);
      const robust = robustErrors(fits[i]!, Float64Array.from(betaOf(fit)), fit.covariance, fits[i]!.customers);
      allNear(robust, expected.clusteredErrors, "clustered standard error");
      const { columns } = fits[i]!;
      const names = columns.map((_, j) => `x${j}`);
      const data = Object.fromEntries(names.map((name, j) => [name, columns[j]!]));
      const preprocessing = fitPreprocessing(
        names.map((name) => ({ name, kind: "number", winsor: "none" })),
        data,
      );
      const inflation = varianceInflation(correlationsOf(designOf(preprocessing, data)), columns.length);
      allNear(inflation, expected.vif, "variance inflation");
    });
  });

  it("agrees on every figure of discrimination and calibration, plain and weighted (scikit-learn, SciPy, statsmodels)", () => {
    theirs.figures.forEach((expected, i) => {
      const { probabilities, labels, weights } = scored[i]!;
      const ranking = rankingOf(probabilities, labels);
      const ours = { ...discriminationOf(ranking), ...probabilityScores(probabilities, labels) };
      for (const name of ["auc", "averagePrecision", "ks", "logLoss", "brier"] as const)
        near(ours[name], expected[name], name, 1e-10);
      const weighted = { ...discriminationOf(ranking, weights), ...probabilityScores(probabilities, labels, weights) };
      for (const name of ["auc", "averagePrecision", "logLoss", "brier"] as const)
        near(weighted[name], expected.weighted[name], `weighted ${name}`, 1e-10);
      const line = calibrationLine(probabilities, labels)!;
      near(line.slope, expected.slope, "calibration slope");
      near(line.slopeStandardError, expected.slopeError, "error of the slope");
      near(line.intercept, expected.intercept, "calibration intercept");
      near(calibrationInTheLarge(probabilities, labels)!, expected.inTheLarge, "calibration in the large");
      for (const strategy of ["width", "quantile"] as const) {
        const bins = reliabilityBins(probabilities, labels, strategy);
        allNear(
          bins.map(({ observed }) => observed),
          expected.bins[strategy].observed,
          `observed by ${strategy}`,
        );
        allNear(
          bins.map(({ meanPredicted }) => meanPredicted),
          expected.bins[strategy].predicted,
          `predicted by ${strategy}`,
        );
      }
      const { trueNegatives, falsePositives, falseNegatives, truePositives } = confusionAt(probabilities, labels, 0.4, {
        contactCostMinor: 1,
        saveRate: 1,
        valueMinor: 1,
      });
      assert.deepEqual([trueNegatives, falsePositives, falseNegatives, truePositives], expected.confusion);
      allNear(
        wilson(
          labels.reduce((sum, label) => sum + label, 0),
          labels.length,
        ),
        expected.wilson,
        "Wilson interval",
      );
    });
  });

  it("agrees on imputation, limits, logarithm and standardisation (NumPy, scikit-learn)", () => {
    const columns = { x: Float64Array.from(values, (value) => value ?? NaN) };
    const preprocessing = fitPreprocessing(
      [{ name: "x", kind: "number", log: "log1p", winsor: [0.01, 0.99] }],
      columns,
    );
    allNear(designOf(preprocessing, columns)[0]!, theirs.preprocessed, "standardised value", 1e-9);
  });

  it("writes ONNX that the checker accepts and that ONNX Runtime scores as the reference does, missing values included", () => {
    theirs.onnx.forEach(({ probability, logOdds, metadata, opset }, i) => {
      assert.equal(opset, 17);
      assert.equal(metadata["schema_hash"], models[i]!.schemaHash);
      assert.deepEqual(JSON.parse(metadata["features"]!), onnxInputs(models[i]!));
      assert.equal(probability.length, customers.length);
      let worst = 0;
      customers.forEach((row, k) => {
        const reference = score(models[i]!, row);
        worst = Math.max(worst, Math.abs(reference.probability - probability[k]!));
        near(logOdds[k]!, reference.logOdds, `log-odds of customer ${k}`, 1e-5);
      });
      assert.ok(worst <= 1e-6, `probabilities differ by up to ${worst}`);
    });
  });
});
