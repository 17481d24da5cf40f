/** One pass over the rows: everything a Newton step of a logistic regression needs. */

/** Rows at a time: 21 columns of 512 doubles stay in the second-level cache. */
const BLOCK = 512;

export interface LogisticData {
  /** Columns of equal length, all values finite. */
  readonly columns: readonly Float64Array[];
  /** 0 or 1. */
  readonly labels: Uint8Array;
  /** Weight of each row, ≥ 0; absent, every row weighs 1. */
  readonly weights?: Float64Array;
  /** A part of the log-odds that is given, not fitted. */
  readonly offset?: Float64Array;
}

export interface Pass {
  /** Σ w·(y·η − log(1 + e^η)). */
  readonly logLikelihood: number;
  /** Σ w·(y − p)·x; the intercept first. */
  readonly gradient: Float64Array;
  /** Σ w·p·(1 − p)·x·xᵀ, row-major; the intercept first. */
  readonly information: Float64Array;
  /** The largest |η|. */
  readonly largestLogOdds: number;
  /** Every row lies strictly on its label's side of η = 0. */
  readonly separated: boolean;
}

/** Log-likelihood, gradient and information at `beta` (the intercept first). */
export const logisticPass = (data: LogisticData, beta: Float64Array): Pass => {
  const { columns, labels, weights, offset } = data;
  const rows = labels.length;
  const size = columns.length + 1;
  const gradient = new Float64Array(size);
  const information = new Float64Array(size * size);
  const logOdds = new Float64Array(BLOCK);
  const residual = new Float64Array(BLOCK);
  const curvature = new Float64Array(BLOCK);
  const weighted = new Float64Array(BLOCK);
  const ones = new Float64Array(BLOCK).fill(1);
  const block: Float64Array[] = new Array<Float64Array>(size).fill(ones);
  let logLikelihood = 0;
  let largestLogOdds = 0;
  let separated = true;

  for (let start = 0; start < rows; start += BLOCK) {
    const length = Math.min(BLOCK, rows - start);
    for (let j = 1; j < size; j++) block[j] = columns[j - 1]!.subarray(start, start + length);
    logOdds.fill(beta[0]!);
    if (offset !== undefined) for (let i = 0; i < length; i++) logOdds[i]! += offset[start + i]!;
    for (let j = 1; j < size; j++) addScaled(logOdds, block[j]!, beta[j]!, length);

    for (let i = 0; i < length; i++) {
      const eta = logOdds[i]!;
      const label = labels[start + i]!;
      const weight = weights === undefined ? 1 : weights[start + i]!;
      const magnitude = Math.abs(eta);
      const e = Math.exp(-magnitude);
      // The smaller of the two probabilities, without cancellation.
      const small = e / (1 + e);
      const large = 1 / (1 + e);
      const towards = eta > 0 === (label === 1);
      logLikelihood -= weight * (Math.log1p(e) + (towards ? 0 : magnitude));
      residual[i] = weight * (label === 1 ? 1 : -1) * (towards ? small : large);
      curvature[i] = weight * small * large;
      if (magnitude > largestLogOdds) largestLogOdds = magnitude;
      if (!(towards && magnitude > 0) && weight > 0) separated = false;
    }
    for (let j = 0; j < size; j++) gradient[j]! += dot(block[j]!, residual, length);
    for (let j = 0; j < size; j++) {
      const column = block[j]!;
      for (let i = 0; i < length; i++) weighted[i] = column[i]! * curvature[i]!;
      for (let k = 0; k <= j; k++) information[j * size + k]! += dot(block[k]!, weighted, length);
    }
  }
  for (let j = 0; j < size; j++) for (let k = 0; k < j; k++) information[k * size + j] = information[j * size + k]!;
  return { logLikelihood, gradient, information, largestLogOdds, separated };
};

const addScaled = (target: Float64Array, column: Float64Array, factor: number, length: number): void => {
  for (let i = 0; i < length; i++) target[i]! += factor * column[i]!;
};

/** Four sums side by side: one alone would wait for each addition, at a quarter of the speed. */
const dot = (a: Float64Array, b: Float64Array, length: number): number => {
  let s0 = 0;
  let s1 = 0;
  let s2 = 0;
  let s3 = 0;
  let i = 0;
  for (; i + 3 < length; i += 4) {
    s0 += a[i]! * b[i]!;
    s1 += a[i + 1]! * b[i + 1]!;
    s2 += a[i + 2]! * b[i + 2]!;
    s3 += a[i + 3]! * b[i + 3]!;
  }
  for (; i < length; i++) s0 += a[i]! * b[i]!;
  return s0 + s1 + (s2 + s3);
};

/** η = intercept + Σ β·x for every row. */
export const logOddsOf = (columns: readonly Float64Array[], rows: number, beta: Float64Array): Float64Array => {
  const result = new Float64Array(rows).fill(beta[0]!);
  columns.forEach((column, j) => addScaled(result, column, beta[j + 1]!, rows));
  return result;
};

/** 1 / (1 + e^−η), without overflow. */
export const sigmoid = (eta: number): number => {
  const e = Math.exp(-Math.abs(eta));
  return eta >= 0 ? 1 / (1 + e) : e / (1 + e);
};
