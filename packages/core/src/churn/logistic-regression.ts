/**
 * Logistic regression with an L2 penalty by iteratively reweighted least squares (Newton's method on the penalised
 * log-likelihood; McCullagh & Nelder 1989, ch. 4), with step-halving. What makes a fit impossible is named, not thrown.
 */
import { type Cholesky, cholesky, inverse, solve } from "../numeric/cholesky.ts";
import { type LogisticData, logisticPass, type Pass } from "./logistic-pass.ts";

export interface LogisticOptions {
  /** λ of λ/2·Σβ², intercept unpenalised: 1/C of scikit-learn, n·regParam of Spark. 0: maximum likelihood. */
  readonly l2: number;
  /** Newton steps at most. */
  readonly maxIterations?: number;
}

export interface LogisticFit {
  readonly kind: "fitted";
  readonly intercept: number;
  readonly coefficients: Float64Array;
  readonly interceptStandardError: number;
  /** √ of the diagonal of the inverse Hessian (penalty included). */
  readonly standardErrors: Float64Array;
  /** The inverse Hessian, row-major, the intercept first. */
  readonly covariance: Float64Array;
  /** Without the penalty. */
  readonly logLikelihood: number;
  readonly iterations: number;
  /** The classes are perfectly separated; the penalty alone keeps the coefficients finite. */
  readonly separated: boolean;
}

export type FitProblem =
  | { readonly reason: "no_rows" | "one_class" | "not_finite" | "not_converged" }
  /** Without a penalty there is no finite estimate: some combination of the columns tells the classes apart. */
  | { readonly reason: "separated" }
  /** Indexes of the columns at fault. */
  | { readonly reason: "constant_columns" | "collinear_columns"; readonly columns: readonly number[] };

export type LogisticResult = LogisticFit | ({ readonly kind: "refused" } & FitProblem);

/** Relative pivot below which a column counts as a combination of the others (about seven digits lost). */
const PIVOT_TOLERANCE = 1e-11;
/** Half of the Newton decrement squared: how much log-likelihood is still to be gained. */
const GAIN_TOLERANCE = 1e-12;

const refused = (problem: FitProblem): LogisticResult => ({ kind: "refused", ...problem });

/** Fits; the columns must be as long as the labels. Costs rows × columns² / 2 multiplications an iteration, no copies. */
export const fitLogistic = (data: LogisticData, { l2, maxIterations = 50 }: LogisticOptions): LogisticResult => {
  const problem = problemOf(data);
  if (problem !== undefined) return refused(problem);

  const size = data.columns.length + 1;
  let beta = new Float64Array(size);
  beta[0] = baseLogOdds(data);
  let pass = logisticPass(data, beta);
  for (let iteration = 1; iteration <= maxIterations; iteration++) {
    const { factored, gradient } = newtonSystem(pass, beta, l2, size);
    if ("dependent" in factored)
      return refused(
        pass.largestLogOdds > FAR
          ? { reason: "separated" }
          : { reason: "collinear_columns", columns: [factored.dependent - 1] },
      );
    const step = solve(factored, gradient);
    if (l2 === 0 && (pass.separated || (pass.largestLogOdds > FAR && isRecession(data, step))))
      return refused({ reason: "separated" });
    const gained = gradient.reduce((sum, value, j) => sum + value * step[j]!, 0) / 2;
    const next = lineSearch(data, beta, step, penalised(pass, beta, l2), l2);
    if (next === undefined) {
      if (gained > 1e-6) return refused({ reason: "not_converged" });
    } else ({ beta, pass } = next);
    if (gained < GAIN_TOLERANCE || next === undefined) return fitted(pass, beta, l2, size, iteration);
  }
  return refused({ reason: "not_converged" });
};

/** Log-odds beyond which probabilities are within 1e-5 of certainty: only there a separation is looked for. */
const FAR = 12;

const problemOf = ({ columns, labels, weights, offset }: LogisticData): FitProblem | undefined => {
  if (labels.length === 0) return { reason: "no_rows" };
  for (const column of columns)
    if (column.length !== labels.length) throw new RangeError("columns and labels must have the same length");
  if (![...columns, ...(weights ? [weights] : []), ...(offset ? [offset] : [])].every(allFinite))
    return { reason: "not_finite" };
  let [some, none] = [false, false];
  for (let i = 0; i < labels.length; i++)
    if (weights === undefined || weights[i]! > 0) {
      if (labels[i] === 1) some = true;
      else none = true;
    }
  if (!(some && none)) return { reason: "one_class" };
  const constant = columns.flatMap((column, j) => (isConstant(column, weights) ? [j] : []));
  return constant.length > 0 ? { reason: "constant_columns", columns: constant } : undefined;
};

const allFinite = (column: Float64Array): boolean => {
  for (let i = 0; i < column.length; i++) if (!Number.isFinite(column[i]!)) return false;
  return true;
};

const isConstant = (column: Float64Array, weights: Float64Array | undefined): boolean => {
  let first: number | undefined;
  for (let i = 0; i < column.length; i++) {
    if (weights !== undefined && weights[i] === 0) continue;
    first ??= column[i]!;
    if (column[i] !== first) return false;
  }
  return true;
};

const baseLogOdds = ({ labels, weights }: LogisticData): number => {
  let [ones, total] = [0, 0];
  for (let i = 0; i < labels.length; i++) {
    const weight = weights === undefined ? 1 : weights[i]!;
    total += weight;
    if (labels[i] === 1) ones += weight;
  }
  return Math.log(ones / (total - ones));
};

const penalised = (pass: Pass, beta: Float64Array, l2: number): number => {
  let squares = 0;
  for (let j = 1; j < beta.length; j++) squares += beta[j]! * beta[j]!;
  return pass.logLikelihood - (l2 / 2) * squares;
};

const newtonSystem = (
  pass: Pass,
  beta: Float64Array,
  l2: number,
  size: number,
): { factored: Cholesky | { readonly dependent: number }; gradient: Float64Array } => {
  const hessian = Float64Array.from(pass.information);
  const gradient = Float64Array.from(pass.gradient);
  for (let j = 1; j < size; j++) {
    hessian[j * size + j]! += l2;
    gradient[j]! -= l2 * beta[j]!;
  }
  return { factored: cholesky(hessian, size, PIVOT_TOLERANCE), gradient };
};

/** The whole step, or its half, quarter, …: the first that does not lower the penalised log-likelihood. */
const lineSearch = (
  data: LogisticData,
  beta: Float64Array,
  step: Float64Array,
  current: number,
  l2: number,
): { beta: Float64Array<ArrayBuffer>; pass: Pass } | undefined => {
  const slack = 1e-13 * Math.abs(current); // rounding of a sum over the rows
  for (let halvings = 0, factor = 1; halvings <= 30; halvings++, factor /= 2) {
    const trial = Float64Array.from(beta, (value, j) => value + factor * step[j]!);
    const pass = logisticPass(data, trial);
    if (penalised(pass, trial, l2) >= current - slack) return { beta: trial, pass };
  }
  return undefined;
};

/**
 * Whether the likelihood rises for ever along `step`: no row moves against its label, and the step is not a small one.
 * That proves that no finite estimate exists (Albert & Anderson 1984: complete or quasi-complete separation).
 */
const isRecession = ({ columns, labels, weights }: LogisticData, step: Float64Array): boolean => {
  const moves = new Float64Array(labels.length).fill(step[0]!);
  columns.forEach((column, j) => {
    for (let i = 0; i < moves.length; i++) moves[i]! += step[j + 1]! * column[i]!;
  });
  let [worst, best] = [0, 0];
  for (let i = 0; i < moves.length; i++) {
    if (weights !== undefined && weights[i] === 0) continue;
    const towards = labels[i] === 1 ? moves[i]! : -moves[i]!;
    worst = Math.min(worst, towards);
    best = Math.max(best, towards);
  }
  return best > 0.5 && worst >= -1e-4 * best;
};

const fitted = (pass: Pass, beta: Float64Array, l2: number, size: number, iterations: number): LogisticResult => {
  const { factored } = newtonSystem(pass, beta, l2, size);
  if ("dependent" in factored) return refused({ reason: "collinear_columns", columns: [factored.dependent - 1] });
  const covariance = inverse(factored);
  const errors = Float64Array.from({ length: size }, (_, j) => Math.sqrt(covariance[j * size + j]!));
  return {
    kind: "fitted",
    intercept: beta[0]!,
    coefficients: beta.slice(1),
    interceptStandardError: errors[0]!,
    standardErrors: errors.slice(1),
    covariance,
    logLikelihood: pass.logLikelihood,
    iterations,
    separated: pass.separated,
  };
};
