import { Child } from "./child.ts";
import type { FitAnswer, FitTask } from "./processes/fit.ts";
import { type Bench, megabytes, seconds } from "./result.ts";

const [CPU_TARGET_MS, MEMORY_TARGET_BYTES] = [5_000, 400e6];

/** The regression behind the churn model, on a million rows. */
export const fit: Bench = async ({ quick }) => {
  const task: FitTask = { rows: quick ? 50_000 : 1_000_000, columns: 20 };
  const child = new Child("fit", task);
  const answer = await child.next<FitAnswer>();
  return {
    name: "fit",
    title: "Fitting a logistic regression",
    method:
      `${task.rows.toLocaleString("en")} rows of ${task.columns} columns with labels drawn by known coefficients, L2 penalty 1, ` +
      "in a process of its own. The floor is one pass of XᵀWX over the same matrix, the median of three; a fit makes one for " +
      "each of its steps. Memory is the most that the process ever had, the matrix with it.",
    figures: [
      { what: "CPU of the fit", value: seconds(answer.fitCpuMs) },
      { what: "CPU of one pass of XᵀWX", value: seconds(answer.floorCpuMs) },
      { what: "fit ÷ one pass", value: (answer.fitCpuMs / answer.floorCpuMs).toFixed(1) },
      { what: "steps", value: String(answer.iterations) },
      { what: "furthest coefficient from the one drawn with, standard errors", value: answer.furthest.toFixed(1) },
      { what: "memory, peak", value: megabytes(answer.peakBytes) },
      {
        what: "memory before the fit; the matrix alone",
        value: `${megabytes(answer.beforeBytes)}; ${megabytes(answer.matrixBytes)}`,
      },
    ],
    target: {
      what: `at most ${seconds(CPU_TARGET_MS)} of CPU and ${megabytes(MEMORY_TARGET_BYTES)}`,
      met: answer.fitCpuMs <= CPU_TARGET_MS && answer.peakBytes <= MEMORY_TARGET_BYTES,
    },
  };
};
