/**
 * The maximum of a smooth function of a few variables within bounds: BFGS with projection onto the box (Nocedal & Wright
 * 2006, chapter 6 and section 16.7). Own: of the optimisers on npm one does not load as a module, the others find
 * minima of least squares or have no bounds.
 */

/** Symmetric, by row. */
export type Matrix = readonly Float64Array[];

/** Value at `point`; writes the gradient into `gradient`. */
export type Objective = (point: Float64Array, gradient: Float64Array) => number;

export interface Maximum {
  readonly point: Float64Array;
  readonly value: number;
  /** False where the steps ran out before the gradient was flat: the point is the best one seen. */
  readonly converged: boolean;
  /** +1 at the upper bound, −1 at the lower, 0 between. */
  readonly atBound: Int8Array;
  readonly evaluations: number;
  /** What the steps have learnt of the inverse Hessian of the negative function there. */
  readonly inverse: Matrix;
}

const MOST_STEPS = 500;
/** Flat enough: the objective is a mean per customer of the order of 1, rounding leaves some 1e-14. */
const FLAT_GRADIENT = 1e-9;
/** Flat enough where no step grows any more: what is left to gain is below 1e-10 a customer. */
const FLAT_WITHIN_ROUNDING = 1e-5;
/** What summation may take from the value or add to it, as a share of it. */
const ROUNDING = 1e-13;
/** Longest step in one variable. The variables are logarithms, so this is a factor of seven. */
const LONGEST_STEP = 2;

/**
 * @param start inside the bounds
 * @param objective should be scaled to the order of 1
 * @param learnt `inverse` of a function that is much the same, where there is one
 */
export const maximise = (
  objective: Objective,
  start: Float64Array,
  lower: Float64Array,
  upper: Float64Array,
  learnt?: Matrix,
): Maximum => {
  const size = start.length;
  let point: Float64Array = Float64Array.from(start);
  let gradient: Float64Array = new Float64Array(size);
  let value = objective(point, gradient);
  let evaluations = 1;
  let inverse: Matrix = learnt === undefined ? identity(size, 1) : learnt.map((row) => Float64Array.from(row));
  let fresh = learnt === undefined;
  let held: string | undefined;
  const result = (converged: boolean): Maximum => ({
    point,
    value,
    converged,
    evaluations,
    inverse,
    atBound: Int8Array.from(point, (x, i) => (x >= upper[i]! ? 1 : x <= lower[i]! ? -1 : 0)),
  });

  for (let step = 0; step < MOST_STEPS; step++) {
    // A variable at a bound that wants to go beyond is held there.
    const free = Array.from(
      point,
      (x, i) => !((x <= lower[i]! && gradient[i]! < 0) || (x >= upper[i]! && gradient[i]! > 0)),
    );
    const among = (all: Float64Array): Float64Array => all.map((g, i) => (free[i]! ? g : 0));
    const slope = among(gradient);
    const steepest = largest(slope);
    if (steepest < FLAT_GRADIENT) return result(true);
    const holds = free.join();
    if (held !== undefined && holds !== held) {
      inverse = identity(size, 1);
      fresh = true;
    }
    held = holds;

    let direction: Float64Array = among(times(inverse, slope));
    if (dot(direction, slope) <= 0) {
      inverse = identity(size, 1);
      fresh = true;
      direction = slope;
    }
    const longest = largest(direction);
    if (longest > LONGEST_STEP) direction = direction.map((d) => (d * LONGEST_STEP) / longest);

    // Halve until the value grows by a part of what the slope promises (Armijo).
    let moved: Float64Array | undefined;
    const nextGradient = new Float64Array(size);
    let nextValue = value;
    const unseen = ROUNDING * Math.max(1, Math.abs(value));
    for (let length = 1; length > 1e-12; length /= 2) {
      const trial = point.map((x, i) => Math.min(upper[i]!, Math.max(lower[i]!, x + length * direction[i]!)));
      nextValue = objective(trial, nextGradient);
      evaluations++;
      const promised = slope.reduce((sum, g, i) => sum + g * (trial[i]! - point[i]!), 0);
      const isHidden = promised < unseen;
      const grows = nextValue >= value + 1e-4 * promised && nextValue > value;
      // So near the top that rounding hides what is gained, the gradient says whether it is nearer (Hager & Zhang 2005).
      const flattens = isHidden && nextValue > value - unseen && largest(among(nextGradient)) < steepest / 2;
      if (grows || flattens) moved = trial;
      if (moved !== undefined || isHidden) break;
    }
    if (moved === undefined) {
      // No growth along the quasi-Newton direction: once along the slope itself, then rounding stands in the way.
      if (fresh) return result(steepest < FLAT_WITHIN_ROUNDING);
      inverse = identity(size, 1);
      fresh = true;
      continue;
    }

    const s = moved.map((x, i) => x - point[i]!);
    const y = gradient.map((g, i) => g - nextGradient[i]!); // of the negative function, which is minimised
    const curvature = dot(s, y);
    if (curvature > 1e-14) {
      if (fresh) inverse = identity(size, curvature / dot(y, y));
      updateInverse(inverse, s, y, curvature);
      fresh = false;
    }
    point = moved;
    gradient = nextGradient;
    value = nextValue;
  }
  return result(false);
};

const identity = (size: number, scale: number): Matrix =>
  Array.from({ length: size }, (_row, i) => Float64Array.from({ length: size }, (_cell, j) => (i === j ? scale : 0)));

/** The size of the largest of all. */
const largest = (vector: Float64Array): number => vector.reduce((most, x) => Math.max(most, Math.abs(x)), 0);

const dot = (a: Float64Array, b: Float64Array): number => a.reduce((sum, x, i) => sum + x * b[i]!, 0);

const times = (matrix: Matrix, vector: Float64Array): Float64Array =>
  Float64Array.from(matrix, (row) => dot(row, vector));

/** BFGS update of the inverse Hessian, in place (Nocedal & Wright, equation 6.17). */
const updateInverse = (inverse: Matrix, s: Float64Array, y: Float64Array, curvature: number): void => {
  const hy = times(inverse, y);
  const factor = (1 + dot(y, hy) / curvature) / curvature;
  for (let i = 0; i < s.length; i++)
    for (let j = 0; j < s.length; j++)
      inverse[i]![j]! += factor * s[i]! * s[j]! - (hy[i]! * s[j]! + s[i]! * hy[j]!) / curvature;
};
