import { clustersOf } from "./bootstrap.ts";
import { type LogisticData, logOddsOf, sigmoid } from "./logistic-pass.ts";

/**
 * Standard errors that hold when the rows of one customer (one at each cutoff) are not independent: the sandwich
 * H⁻¹·(Σ g·gᵀ)·H⁻¹ with g summed over each customer's rows (Liang & Zeger 1986), times (G/(G−1))·((n−1)/(n−k)) as in Stata
 * and statsmodels. Intercept first.
 */
export const robustErrors = (
  { columns, labels }: Pick<LogisticData, "columns" | "labels">,
  beta: Float64Array,
  inverseHessian: Float64Array,
  customers: readonly string[],
): Float64Array => {
  const size = columns.length + 1;
  const rows = labels.length;
  const { clusterOf, count } = clustersOf(customers);
  const logOdds = logOddsOf(columns, rows, beta);
  const meat = new Float64Array(size * size);
  const gradient = new Float64Array(size);
  const byCluster = groupedRows(clusterOf, count);
  for (let cluster = 0; cluster < count; cluster++) {
    gradient.fill(0);
    for (let i = byCluster.starts[cluster]!; i < byCluster.starts[cluster + 1]!; i++) {
      const row = byCluster.rows[i]!;
      const residual = labels[row]! - sigmoid(logOdds[row]!);
      gradient[0]! += residual;
      for (let j = 1; j < size; j++) gradient[j]! += residual * columns[j - 1]![row]!;
    }
    for (let a = 0; a < size; a++) for (let b = 0; b < size; b++) meat[a * size + b]! += gradient[a]! * gradient[b]!;
  }
  const correction = (count / (count - 1)) * ((rows - 1) / (rows - size));
  const product = multiplied(multiplied(inverseHessian, meat, size), inverseHessian, size);
  return Float64Array.from({ length: size }, (_, j) => Math.sqrt(correction * product[j * size + j]!));
};

/** Row numbers by cluster (a counting sort). */
const groupedRows = (clusterOf: Int32Array, count: number): { starts: Int32Array; rows: Int32Array } => {
  const starts = new Int32Array(count + 1);
  for (const cluster of clusterOf) starts[cluster + 1]!++;
  for (let cluster = 0; cluster < count; cluster++) starts[cluster + 1]! += starts[cluster]!;
  const next = starts.slice();
  const rows = new Int32Array(clusterOf.length);
  clusterOf.forEach((cluster, row) => (rows[next[cluster]!++] = row));
  return { starts, rows };
};

const multiplied = (a: Float64Array, b: Float64Array, size: number): Float64Array => {
  const result = new Float64Array(size * size);
  for (let i = 0; i < size; i++)
    for (let k = 0; k < size; k++)
      for (let j = 0; j < size; j++) result[i * size + j]! += a[i * size + k]! * b[k * size + j]!;
  return result;
};
