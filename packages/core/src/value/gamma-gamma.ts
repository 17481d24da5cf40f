/**
 * The Gamma-Gamma model of spend per purchase: Fader, Hardie & Lee (2005), RFM and CLV, Journal of Marketing Research
 * 42(4); names as in Fader & Hardie's note (2013), where γ is also written v. Spend of one customer varies as
 * gamma(p, ν), ν varies between customers as gamma(q, γ). It supposes that spend does not depend on how often one buys:
 * the fit reports the correlation of both.
 */
import { type Problem, identify } from "./identification.ts";
import { type Objective, maximise } from "./maximise.ts";
import { digamma, logGamma } from "./special-functions.ts";

export interface GammaGammaParameters {
  readonly p: number;
  readonly q: number;
  /** In the unit of the spends. */
  readonly gamma: number;
}
const names = ["p", "q", "gamma"] as const;

export interface GammaGammaFit {
  /** Absent where there is nothing to fit: `problems` says why. */
  readonly parameters?: GammaGammaParameters;
  readonly logLikelihood?: number;
  readonly logStandardErrors?: Readonly<Partial<Record<keyof GammaGammaParameters, number>>>;
  readonly identified: boolean;
  readonly problems: readonly Problem[];
  /** Repeat customers that were fitted. */
  readonly customers: number;
  /** Repeat customers with a mean spend of zero or less: the model has no place for them. */
  readonly withoutPositiveSpend: number;
  /** Customers without a repeat purchase: they say nothing about the spread of one customer's spend. */
  readonly withoutRepeatPurchase: number;
  /** Pearson's correlation of repeat purchases and mean spend; far from 0 the model's first assumption does not hold. */
  readonly correlation?: number;
}

const SMALLEST = 1e-4;
const LARGEST = 1e4;

/**
 * Fits p, q and γ.
 *
 * @param x repeat purchases of each customer
 * @param meanSpend mean spend of each customer's repeat purchases; not looked at where x is 0
 * @throws RangeError for columns of unequal length, an x that is no count or a spend that is no number
 */
export const fitGammaGamma = (x: ArrayLike<number>, meanSpend: ArrayLike<number>): GammaGammaFit => {
  if (x.length !== meanSpend.length)
    throw new RangeError(`columns of unequal length: x ${x.length}, meanSpend ${meanSpend.length}`);
  const kept: number[] = [];
  let withoutPositiveSpend = 0;
  for (let i = 0; i < x.length; i++) {
    if (!Number.isInteger(x[i]) || x[i]! < 0) throw new RangeError(`no count of purchases in row ${i}: ${x[i]}`);
    if (x[i] === 0) continue;
    if (!Number.isFinite(meanSpend[i])) throw new RangeError(`no spend in row ${i}: ${meanSpend[i]}`);
    if (meanSpend[i]! > 0) kept.push(i);
    else withoutPositiveSpend++;
  }
  const customers = kept.length;
  const withoutRepeatPurchase = x.length - customers - withoutPositiveSpend;
  const counts = { customers, withoutPositiveSpend, withoutRepeatPurchase };
  if (customers < 2) {
    const message = `${customers} customers bought again for money: their spend has no spread.`;
    const code = withoutPositiveSpend > 0 ? "no_positive_spend" : "no_repeat_customers";
    return { ...counts, identified: false, problems: [{ code, message }] };
  }

  const times = Float64Array.from(kept, (i) => x[i]!);
  const spends = Float64Array.from(kept, (i) => meanSpend[i]!);
  const unit = spends.reduce((sum, spend) => sum + spend, 0) / customers;
  const objective = meanLogLikelihood(
    times,
    spends.map((spend) => spend / unit),
  );
  const lower = new Float64Array(3).fill(Math.log(SMALLEST));
  const upper = new Float64Array(3).fill(Math.log(LARGEST));
  // Where a mean spend of 1 lies: p γ / (q − 1).
  const best = maximise(objective, Float64Array.of(4, 3, 0.5).map(Math.log), lower, upper);
  const identification = identify(objective, best, names, customers);
  const [p, q, gamma] = best.point.map(Math.exp) as unknown as [number, number, number];
  const problems = [...identification.problems];
  if (q <= 1)
    problems.push({ code: "mean_undefined", parameter: "q", message: "q is 1 or less: the mean spend is not finite." });
  const correlation = correlationOf(times, spends);
  return {
    ...counts,
    parameters: { p, q, gamma: gamma * unit },
    logLikelihood: customers * (best.value - Math.log(unit)),
    logStandardErrors: Object.fromEntries(
      names.flatMap((name, i) => {
        const error = identification.logStandardErrors[i];
        return error === undefined ? [] : [[name, error]];
      }),
    ),
    identified: problems.length === 0,
    problems,
    ...(correlation === undefined ? {} : { correlation }),
  };
};

/**
 * Expected spend per purchase of a customer, given the mean of x repeat purchases: the customer's own mean and that of
 * all, weighted by how much is known (equation 5 of the note). `undefined` where the model has no finite mean.
 */
export const expectedSpend = (
  { p, q, gamma }: GammaGammaParameters,
  x: number,
  meanSpend: number,
): number | undefined => (p * x + q > 1 ? (p * (gamma + (x === 0 ? 0 : x * meanSpend))) / (p * x + q - 1) : undefined);

/** Mean log-likelihood per customer and its gradient, in ln p, ln q, ln γ (equation 1a of the note). */
const meanLogLikelihood = (x: Float64Array, spend: Float64Array): Objective => {
  const byX = new Map<number, number>();
  for (const count of x) byX.set(count, (byX.get(count) ?? 0) + 1);
  const logSpend = spend.map(Math.log);
  const total = x.length;

  return (point, gradient) => {
    const [p, q, gamma] = point.map(Math.exp) as unknown as [number, number, number];
    let value = 0;
    let dP = 0;
    let dQ = 0;
    let dGamma = 0;
    const logGammaQ = logGamma(q);
    const digammaQ = digamma(q);
    const logScale = Math.log(gamma);
    for (const [count, weight] of byX) {
      const shape = p * count;
      const slope = digamma(shape + q);
      value += weight * (logGamma(shape + q) - logGamma(shape) - logGammaQ + q * logScale + shape * Math.log(count));
      dP += weight * count * (slope - digamma(shape) + Math.log(count));
      dQ += weight * (slope - digammaQ + logScale);
    }
    for (let i = 0; i < total; i++) {
      const sum = gamma + x[i]! * spend[i]!;
      const logSum = Math.log(sum);
      const shape = p * x[i]!;
      value += (shape - 1) * logSpend[i]! - (shape + q) * logSum;
      dP += x[i]! * (logSpend[i]! - logSum);
      dQ -= logSum;
      dGamma += q / gamma - (shape + q) / sum;
    }
    gradient[0] = (dP * p) / total;
    gradient[1] = (dQ * q) / total;
    gradient[2] = (dGamma * gamma) / total;
    return value / total;
  };
};

/** Pearson's correlation; `undefined` where a column does not vary. */
const correlationOf = (a: Float64Array, b: Float64Array): number | undefined => {
  const mean = (values: Float64Array): number => values.reduce((sum, v) => sum + v, 0) / values.length;
  const [meanA, meanB] = [mean(a), mean(b)];
  let ab = 0;
  let aa = 0;
  let bb = 0;
  for (let i = 0; i < a.length; i++) {
    ab += (a[i]! - meanA) * (b[i]! - meanB);
    aa += (a[i]! - meanA) ** 2;
    bb += (b[i]! - meanB) ** 2;
  }
  return aa > 0 && bb > 0 ? ab / Math.sqrt(aa * bb) : undefined;
};
