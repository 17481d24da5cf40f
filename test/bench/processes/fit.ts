/** Fits a logistic regression in a process of its own, whose memory is that of the matrix and of the fit. */
import { fitLogistic } from "@ebb/core/churn/logistic-regression";
import { uniform } from "@ebb/core/numeric/random";
import { peakMemoryBytes, timed } from "../taken.ts";
import { lastAnswer, task } from "./task.ts";

export interface FitTask {
  readonly rows: number;
  readonly columns: number;
}
export interface FitAnswer {
  readonly fitCpuMs: number;
  readonly floorCpuMs: number;
  readonly iterations: number;
  /** Largest distance of a coefficient from the one that the labels were drawn with, in standard errors. */
  readonly furthest: number;
  readonly matrixBytes: number;
  /** Of the process before the fit, with the matrix. */
  readonly beforeBytes: number;
  readonly peakBytes: number;
}

const { rows, columns: count } = task<FitTask>();
const random = uniform(20_261_122);
/** Alternating signs, falling sizes: all of them matter, none separates the classes. */
const truth = Array.from({ length: count }, (_, j) => (j % 2 === 0 ? 0.6 : -0.6) / (1 + j / 4));
const columns = truth.map(() => new Float64Array(rows));
const labels = new Uint8Array(rows);
for (let row = 0; row < rows; row++) {
  let logOdds = -0.5;
  for (let j = 0; j < count; j++) {
    // Sum of three uniforms: near enough to normal, and cheap.
    const value = 2 * (random() + random() + random() - 1.5);
    columns[j]![row] = value;
    logOdds += truth[j]! * value;
  }
  labels[row] = random() < 1 / (1 + Math.exp(-logOdds)) ? 1 : 0;
}

const BLOCK = 512;
/** One pass of XᵀWX over the matrix: what every step of any such fit has to do. */
const normalEquations = (): Float64Array => {
  const sums = new Float64Array(count * count);
  const weighted = new Float64Array(BLOCK);
  for (let start = 0; start < rows; start += BLOCK) {
    const length = Math.min(BLOCK, rows - start);
    for (let j = 0; j < count; j++) {
      const x = columns[j]!;
      for (let i = 0; i < length; i++) weighted[i] = (0.1 + labels[start + i]! / 8) * x[start + i]!;
      for (let k = 0; k <= j; k++) {
        const other = columns[k]!;
        let sum = 0;
        for (let i = 0; i < length; i++) sum += weighted[i]! * other[start + i]!;
        sums[j * count + k]! += sum;
      }
    }
  }
  return sums;
};

const beforeBytes = process.memoryUsage.rss();
const fit = await timed(() => fitLogistic({ columns, labels }, { l2: 1 }));
const peakBytes = peakMemoryBytes();
const floors = [];
for (let turn = 0; turn < 3; turn++) floors.push((await timed(normalEquations)).cpuMs);
if (fit.result.kind !== "fitted") throw new Error(`the fit was refused: ${fit.result.reason}`);
const { coefficients, standardErrors, iterations } = fit.result;
lastAnswer({
  fitCpuMs: fit.cpuMs,
  floorCpuMs: floors.sort((a, b) => a - b)[1]!,
  iterations,
  furthest: Math.max(...truth.map((beta, j) => Math.abs(coefficients[j]! - beta) / standardErrors[j]!)),
  matrixBytes: rows * count * 8,
  beforeBytes,
  peakBytes,
} satisfies FitAnswer);
