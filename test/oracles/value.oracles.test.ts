/** BG/NBD and Gamma-Gamma against likelihoods, optimiser, integrals and functions of SciPy. */
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { before, describe, it } from "node:test";
import { type BgNbdParameters, bgNbdLogLikelihood, fitBgNbd } from "@ebb/core/value/bg-nbd";
import { cdnowSample, cdnowSampleFile } from "@ebb/core/value/cdnow.testing";
import { expectedPurchases, probabilityAlive, probabilityOfNoPurchase } from "@ebb/core/value/expectations";
import { fitGammaGamma } from "@ebb/core/value/gamma-gamma";
import { groupHistories } from "@ebb/core/value/histories";
import { simulate } from "@ebb/core/value/simulated.testing";
import { askPython } from "./environment.ts";

interface Fitted {
  readonly parameters: number[];
  readonly logLikelihood: number;
}
interface Answer {
  readonly bgNbd: (Fitted & { readonly atGiven: number[] })[];
  readonly gammaGamma: Fitted[];
  readonly expectations: {
    readonly expected: number;
    readonly alive: number;
    readonly none: number;
    readonly byIntegral: number;
  }[];
}

const near = (actual: number, expected: number, relative: number, what: string): void =>
  assert.ok(
    Math.abs(actual - expected) <= relative * Math.max(1e-3, Math.abs(expected)),
    `${what}: ${actual}, SciPy ${expected}`,
  );
const listOf = ({ r, alpha, a, b }: BgNbdParameters): number[] => [r, alpha, a, b];

const simulated = simulate(
  { r: 1.2, alpha: 15, a: 0.4, b: 1.5 },
  { customers: 3_000, longest: 120, horizon: 0, seed: 31 },
);
const populations = [simulated, ...(existsSync(cdnowSampleFile) ? [cdnowSample()] : [])].map((customers) => ({
  x: customers.map(({ x }) => x),
  tx: customers.map(({ tx }) => tx),
  T: customers.map(({ T }) => T),
}));
const given: BgNbdParameters[] = [
  { r: 0.243, alpha: 31, a: 0.793, b: 2.426 },
  { r: 3, alpha: 200, a: 0.01, b: 0.2 },
  { r: 0.05, alpha: 2, a: 30, b: 900 },
];
const spends = existsSync(cdnowSampleFile) ? [cdnowSample().filter(({ x }) => x > 0)] : [];

const cases = [
  { parameters: { r: 0.243, alpha: 4.414, a: 0.793, b: 2.426 }, horizons: [1, 13, 39, 520] },
  { parameters: { r: 1.7, alpha: 12, a: 1.8, b: 0.9 }, horizons: [1, 52] },
  { parameters: { r: 0.8, alpha: 30, a: 0.2, b: 0.5 }, horizons: [10, 90] },
].flatMap(({ parameters, horizons }) =>
  horizons.flatMap((horizon) =>
    [
      { x: 0, tx: 0, T: 38.86 },
      { x: 0, tx: 0, T: 0 },
      { x: 1, tx: 2, T: 38.86 },
      { x: 2, tx: 30.43, T: 38.86 },
      { x: 25, tx: 38, T: 38.86 },
    ].map((history) => ({ parameters, history, horizon })),
  ),
);

describe("the models of value beside SciPy", () => {
  let answer: Answer;
  before(async () => {
    answer = (await askPython("value_oracle.py", {
      bgNbd: populations.map((population) => ({ ...population, given: given.map(listOf) })),
      gammaGamma: spends.map((customers) => ({
        x: customers.map(({ x }) => x),
        z: customers.map(({ meanSpend }) => meanSpend),
      })),
      expectations: cases.map(({ parameters, history, horizon }) => ({
        parameters: listOf(parameters),
        history: [history.x, history.tx, history.T],
        horizon,
      })),
    })) as Answer;
  });

  it("BG/NBD: the same likelihood at any parameters, the same maximum", () => {
    populations.forEach(({ x, tx, T }, i) => {
      const histories = groupHistories(x, tx, T);
      const oracle = answer.bgNbd[i]!;
      given.forEach((parameters, k) =>
        near(
          bgNbdLogLikelihood(parameters, histories),
          oracle.atGiven[k]!,
          1e-12,
          `likelihood ${k} of population ${i}`,
        ),
      );
      const fit = fitBgNbd(histories);
      near(fit.logLikelihood!, oracle.logLikelihood, 1e-10, `maximum of population ${i}`);
      assert.ok(fit.logLikelihood! >= oracle.logLikelihood - 1e-7, "ours is no lower");
      listOf(fit.parameters!).forEach((value, k) => near(value, oracle.parameters[k]!, 1e-5, `parameter ${k} of ${i}`));
    });
  });

  it("Gamma-Gamma: the same maximum", { skip: spends.length === 0 ? `${cdnowSampleFile} is not there` : false }, () => {
    spends.forEach((customers, i) => {
      const fit = fitGammaGamma(
        customers.map(({ x }) => x),
        customers.map(({ meanSpend }) => meanSpend),
      );
      const { p, q, gamma } = fit.parameters!;
      near(fit.logLikelihood!, answer.gammaGamma[i]!.logLikelihood, 1e-10, "maximum");
      [p, q, gamma].forEach((value, k) => near(value, answer.gammaGamma[i]!.parameters[k]!, 1e-5, `parameter ${k}`));
    });
  });

  it("expectations: equation 10 as printed, and what it stands for by numerical integration", () => {
    cases.forEach(({ parameters, history, horizon }, i) => {
      const oracle = answer.expectations[i]!;
      const what = JSON.stringify({ parameters, history, horizon });
      near(probabilityAlive(parameters, history), oracle.alive, 1e-12, `alive ${what}`);
      near(probabilityOfNoPurchase(parameters, history, horizon), oracle.none, 1e-8, `none ${what}`);
      near(expectedPurchases(parameters, history, horizon), oracle.expected, 1e-9, `expected ${what}`);
      near(expectedPurchases(parameters, history, horizon), oracle.byIntegral, 5e-3, `by integral ${what}`);
    });
  });
});
