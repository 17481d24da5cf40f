/** Whether a maximum of a likelihood says anything about its parameters, and how exactly. */
import { cholesky, inverse } from "../numeric/cholesky.ts";
import type { Maximum, Objective } from "./maximise.ts";

export type ProblemCode =
  | "no_customers"
  | "no_repeat_customers" // fewer than two: no rate and no drop-out can be told from them
  | "no_positive_spend"
  | "at_bound" // the likelihood grows towards 0 or infinity of a parameter
  | "flat_likelihood" // a wide range of parameters explains the data equally well
  | "not_converged"
  | "mean_undefined"; // the fitted spend has no finite mean

export interface Problem {
  readonly code: ProblemCode;
  /** The parameter, named as in the paper. */
  readonly parameter?: string;
  readonly message: string;
}

/** A standard error of ln(parameter) above this: its 95 % interval spans more than a factor of seven on either side. */
const LARGEST_LOG_ERROR = 1;
/** Share of a parameter's information that the others do not hold, below which it has none of its own. */
const DEPENDENT = 1e-10;

export interface Identification {
  readonly problems: readonly Problem[];
  /** Standard error of ln(parameter) by the observed information; absent where a bound or a flat likelihood leaves none. */
  readonly logStandardErrors: readonly (number | undefined)[];
}

/**
 * @param objective mean log-likelihood per customer, as a function of the logarithms of the parameters
 * @param customers how many that mean is over
 */
export const identify = (
  objective: Objective,
  maximum: Maximum,
  names: readonly string[],
  customers: number,
): Identification => {
  const problems: Problem[] = [];
  if (!maximum.converged)
    problems.push({ code: "not_converged", message: "The maximum of the likelihood was not reached." });
  names.forEach((parameter, i) => {
    if (maximum.atBound[i] === 0) return;
    const side = maximum.atBound[i] === 1 ? "infinity" : "zero";
    problems.push({
      code: "at_bound",
      parameter,
      message: `The likelihood grows as ${parameter} goes to ${side}: these customers do not determine it.`,
    });
  });

  const free = names.flatMap((_name, i) => (maximum.atBound[i] === 0 ? [i] : []));
  const logStandardErrors: (number | undefined)[] = names.map(() => undefined);
  const decomposition = cholesky(informationOf(objective, maximum.point, free), free.length, DEPENDENT);
  if ("dependent" in decomposition) {
    const parameter = names[free[decomposition.dependent]!]!;
    const message = `The likelihood is flat along ${parameter}: other parameters explain the data equally.`;
    return { problems: [...problems, { code: "flat_likelihood", parameter, message }], logStandardErrors };
  }
  const covariance = inverse(decomposition);
  free.forEach((index, k) => {
    const error = Math.sqrt(covariance[k * free.length + k]! / customers);
    logStandardErrors[index] = error;
    if (error <= LARGEST_LOG_ERROR) return;
    const factor = Math.exp(1.96 * error);
    const message = `${names[index]} is known to no better than a factor of ${factor > 1000 ? "1,000" : Math.round(factor)} either way.`;
    problems.push({ code: "flat_likelihood", parameter: names[index]!, message });
  });
  return { problems, logStandardErrors };
};

/** Minus the second derivatives in the free variables, row-major, by central differences of the gradient. */
const informationOf = (objective: Objective, point: Float64Array, free: readonly number[]): Float64Array => {
  const step = 1e-4;
  const gradientAt = (index: number, move: number): Float64Array => {
    const moved = Float64Array.from(point);
    moved[index]! += move;
    const gradient = new Float64Array(point.length);
    objective(moved, gradient);
    return gradient;
  };
  const size = free.length;
  const information = new Float64Array(size * size);
  free.forEach((index, i) => {
    const above = gradientAt(index, step);
    const below = gradientAt(index, -step);
    free.forEach((other, j) => {
      const slope = (below[other]! - above[other]!) / (2 * step);
      // Both orders of differentiation are the same but for rounding: their mean is symmetric.
      information[i * size + j]! += slope / 2;
      information[j * size + i]! += slope / 2;
    });
  });
  return information;
};
