/**
 * The BG/NBD model of repeat purchases: Fader, Hardie & Lee (2005), "Counting Your Customers" the Easy Way, Marketing
 * Science 24(2). A customer buys at a rate λ ~ gamma(r, α) and leaves after each purchase with probability
 * p ~ beta(a, b). Fitted by maximum likelihood.
 */
import { type Problem, identify } from "./identification.ts";
import { type PurchaseHistories, checkHistories } from "./histories.ts";
import { type Maximum, type Objective, maximise } from "./maximise.ts";
import { digamma, logGamma } from "./special-functions.ts";

export interface BgNbdParameters {
  readonly r: number;
  /** In the unit of time of the histories. */
  readonly alpha: number;
  readonly a: number;
  readonly b: number;
}
const names = ["r", "alpha", "a", "b"] as const;

export interface BgNbdFit {
  /** Absent where there is nothing to fit: `problems` says why. */
  readonly parameters?: BgNbdParameters;
  readonly logLikelihood?: number;
  /** Standard errors of ln r, ln α, ln a, ln b; absent for a parameter that is not determined. */
  readonly logStandardErrors?: Readonly<Partial<Record<keyof BgNbdParameters, number>>>;
  /** False: the parameters do not describe these customers by themselves. Do not compare or publish them. */
  readonly identified: boolean;
  readonly problems: readonly Problem[];
  readonly customers: number;
  readonly repeatCustomers: number;
}

/** Bounds of r, a, b, and of α in mean observed times: far outside what any shop's customers are like. */
const SMALLEST = 1e-4;
const LARGEST = 1e4;

/** Histories that a search begins with, where there are at least twice as many. */
const PART_HISTORIES = 5_000;
/** In each logarithm: a hundredth of a parameter. */
const SAME_POINT = 0.01;

/** Starting points r, a, b: many light buyers of whom some leave; few heavy ones who stay. α starts at the mean rate. */
const starts = [
  [0.5, 1, 2.5],
  [2, 0.3, 6],
] as const;

/**
 * Fits r, α, a and b. Deterministic; never throws for the data's sake: what cannot be fitted or is not determined is
 * flagged with the reason.
 *
 * @throws RangeError for histories that cannot be (see `checkHistories`)
 *
 * @example
 * const fit = fitBgNbd(groupHistories([2, 0], [30.43, 0], [38.86, 38.86]));
 * if (!fit.identified) console.warn(fit.problems);
 */
export const fitBgNbd = (histories: PurchaseHistories): BgNbdFit => {
  checkHistories(histories);
  let customers = 0;
  let repeatCustomers = 0;
  let purchases = 0;
  let observed = 0;
  for (let i = 0; i < histories.x.length; i++) {
    const weight = histories.customers[i]!;
    customers += weight;
    if (histories.x[i]! > 0) repeatCustomers += weight;
    purchases += weight * histories.x[i]!;
    observed += weight * histories.T[i]!;
  }
  const counts = { customers, repeatCustomers };
  if (customers === 0)
    return { ...counts, identified: false, problems: [nothing("no_customers", "There is no customer.")] };
  if (repeatCustomers < 2) {
    const message = `${repeatCustomers} of ${customers} customers bought again: a rate cannot be told from them.`;
    return { ...counts, identified: false, problems: [nothing("no_repeat_customers", message)] };
  }

  // Time in mean observed times: bounds and steps then mean the same in days and in weeks.
  const unit = observed / customers;
  const scaled = scaleTime(histories, unit);
  const objective = meanLogLikelihood(scaled);
  const lower = new Float64Array(4).fill(Math.log(SMALLEST));
  const upper = new Float64Array(4).fill(Math.log(LARGEST));
  const first = starts.map(([r, a, b]) => {
    const alpha = Math.min(LARGEST, Math.max(SMALLEST, (r * customers) / purchases));
    return { point: Float64Array.of(r, alpha, a, b).map(Math.log) };
  });
  const ascend = (of: Objective, { point, inverse }: Start): Maximum => maximise(of, point, lower, upper, inverse);
  const maxima = nearer(first, scaled, ascend).map((start) => ascend(objective, start));
  const best = maxima.reduce((one, other) => (other.value > one.value ? other : one));
  const { problems, logStandardErrors } = identify(objective, best, names, customers);
  const [r, alpha, a, b] = best.point.map(Math.exp) as unknown as [number, number, number, number];
  return {
    ...counts,
    parameters: { r, alpha: alpha * unit, a, b },
    // A density over x purchases at given times: each purchase carries one over the unit of time.
    logLikelihood: best.value * customers - purchases * Math.log(unit),
    logStandardErrors: Object.fromEntries(
      names.flatMap((name, i) => (logStandardErrors[i] === undefined ? [] : [[name, logStandardErrors[i]]])),
    ),
    identified: problems.length === 0,
    problems,
  };
};

/** Where a search begins, with what is known of the curvature there. */
type Start = Pick<Maximum, "point"> & Partial<Pick<Maximum, "inverse">>;

/**
 * Starts from which it is not far: the maxima of a part of the histories, found from the starts that are given, each once.
 * Most likelihoods are then taken of a few histories. Where a part leads to a bound, its start stays.
 */
const nearer = (
  first: readonly Start[],
  histories: PurchaseHistories,
  ascend: (of: Objective, start: Start) => Maximum,
): readonly Start[] => {
  const every = Math.floor(histories.x.length / PART_HISTORIES);
  if (every < 2) return first;
  const objective = meanLogLikelihood(everyOf(histories, every));
  const found: Start[] = [];
  for (const start of first) {
    const maximum = ascend(objective, start);
    const from = maximum.atBound.some((bound) => bound !== 0) ? start : maximum;
    if (!found.some(({ point }) => point.every((x, i) => Math.abs(x - from.point[i]!) < SAME_POINT))) found.push(from);
  }
  return found;
};

const everyOf = ({ x, tx, T, customers }: PurchaseHistories, every: number): PurchaseHistories => {
  const some = (column: Float64Array): Float64Array => column.filter((_value, i) => i % every === 0);
  return { x: some(x), tx: some(tx), T: some(T), customers: some(customers) };
};

const nothing = (code: Problem["code"], message: string): Problem => ({ code, message });

const customersOf = ({ customers }: Pick<PurchaseHistories, "customers">): number =>
  customers.reduce((sum, count) => sum + count, 0);

const scaleTime = (histories: PurchaseHistories, unit: number): PurchaseHistories => ({
  ...histories,
  tx: histories.tx.map((t) => t / unit),
  T: histories.T.map((t) => t / unit),
});

/** Log-likelihood of the histories at given parameters, in the histories' unit of time. */
export const bgNbdLogLikelihood = (parameters: BgNbdParameters, histories: PurchaseHistories): number => {
  const customers = customersOf(histories);
  const point = Float64Array.of(parameters.r, parameters.alpha, parameters.a, parameters.b).map(Math.log);
  return customers === 0 ? 0 : meanLogLikelihood(histories)(point, new Float64Array(4)) * customers;
};

/**
 * Mean log-likelihood per customer and its gradient, in ln r, ln α, ln a, ln b: equation 6 of the paper in the form
 * ln(A1 · A2 · (A3 + δ A4)) of Fader & Hardie's note on its computation. What depends on x alone is summed by x first.
 */
const meanLogLikelihood = (histories: PurchaseHistories): Objective => {
  const { x, tx, T, customers } = histories;
  const total = customersOf(histories);
  // Counted in days, few values are distinct: a logarithm is taken once for each.
  const [counts, lasts, ends] = [distinctOf(x), distinctOf(tx), distinctOf(T)];
  const byX = new Map<number, number>();
  for (let i = 0; i < x.length; i++) byX.set(x[i]!, (byX.get(x[i]!) ?? 0) + customers[i]!);

  return (point, gradient) => {
    const [r, alpha, a, b] = point.map(Math.exp) as unknown as [number, number, number, number];
    let value = 0;
    let dR = 0;
    let dAlpha = 0;
    let dA = 0;
    let dB = 0;

    const logAlpha = Math.log(alpha);
    const atR = { log: logGamma(r), slope: digamma(r) };
    const atB = { log: logGamma(b), slope: digamma(b) };
    const atSum = { log: logGamma(a + b), slope: digamma(a + b) };
    for (const [count, weight] of byX) {
      value += weight * (logGamma(r + count) - atR.log + r * logAlpha);
      dR += weight * (digamma(r + count) - atR.slope + logAlpha);
      dAlpha += (weight * r) / alpha;
      if (count === 0) continue;
      value += weight * (atSum.log + logGamma(b + count) - atB.log - logGamma(a + b + count));
      const slopeOfSum = atSum.slope - digamma(a + b + count);
      dA += weight * slopeOfSum;
      dB += weight * (slopeOfSum + digamma(b + count) - atB.slope);
    }

    const logA = Math.log(a);
    const logsOfLast = lasts.values.map((t) => Math.log(alpha + t));
    const logsOfEnd = ends.values.map((t) => Math.log(alpha + t));
    const logsOfCount = counts.values.map((count) => Math.log(b + count - 1));
    for (let i = 0; i < x.length; i++) {
      const weight = customers[i]!;
      const shape = r + x[i]!;
      const logStayed = logsOfEnd[ends.placeOf[i]!]!;
      if (x[i] === 0) {
        value -= weight * shape * logStayed;
        dR -= weight * logStayed;
        dAlpha -= (weight * shape) / (alpha + T[i]!);
        continue;
      }
      const logLeft = logsOfLast[lasts.placeOf[i]!]!;
      const stayed = -shape * logStayed;
      const left = logA - logsOfCount[counts.placeOf[i]!]! - shape * logLeft;
      // Both by the larger of them, which is then 1.
      const smaller = Math.exp(-Math.abs(left - stayed));
      const sum = 1 + smaller;
      const goneShare = (left > stayed ? 1 : smaller) / sum; // 1 − P(alive)
      value += weight * (Math.max(stayed, left) + Math.log(sum));
      dR -= weight * ((1 - goneShare) * logStayed + goneShare * logLeft);
      dAlpha -= weight * shape * ((1 - goneShare) / (alpha + T[i]!) + goneShare / (alpha + tx[i]!));
      dA += (weight * goneShare) / a;
      dB -= (weight * goneShare) / (b + x[i]! - 1);
    }
    gradient[0] = (dR * r) / total;
    gradient[1] = (dAlpha * alpha) / total;
    gradient[2] = (dA * a) / total;
    gradient[3] = (dB * b) / total;
    return value / total;
  };
};

/** The distinct ones of some values, and the place of each value among them. */
const distinctOf = (values: Float64Array): { readonly values: Float64Array; readonly placeOf: Int32Array } => {
  const places = new Map<number, number>();
  const placeOf = Int32Array.from(values, (value) => {
    const place = places.get(value) ?? places.size;
    places.set(value, place);
    return place;
  });
  return { values: Float64Array.from(places.keys()), placeOf };
};
