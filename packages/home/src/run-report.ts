/** A batch run on the terminal: its steps while they happen, its figures at the end. */
import path from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { stepNames } from "@ebb/functions/model/step-names";
import type { Run, RunStep } from "@ebb/ports";
import { type ProgressBar, progressBar } from "./progress-bar.ts";

export interface RunFollower {
  run(runId: string): Promise<Run | undefined>;
  /** Whether whoever runs it is still there; true where absent. */
  readonly answers?: () => Promise<boolean>;
}

interface Output {
  readonly isTTY?: boolean;
  write(text: string): unknown;
}

const LOOK_EVERY_MS = 250;
/** Looks between two questions whether the home is still there. */
const ASK_EVERY = 20;

/** Shows the steps of a run until it ends or `signal`; answers its trail. */
export const followRun = async (
  runId: string,
  runs: RunFollower,
  output: Output,
  signal?: AbortSignal,
): Promise<Run | undefined> => {
  output.write(`Run ${runId}\n`);
  const bar: ProgressBar = progressBar("Run", "steps", output, () => performance.now());
  let told = 0;
  for (let look = 1; ; look++) {
    const run = await runs.run(runId);
    const done = run?.steps.filter(({ state }) => state === "done") ?? [];
    for (const step of done.slice(told)) output.write(`${output.isTTY === true ? "\r\u001b[2K" : ""}${lineOf(step)}\n`);
    told = Math.max(told, done.length);
    if (run !== undefined && run.state !== "running") return run;
    if (signal?.aborted === true) return run;
    if (look % ASK_EVERY === 0 && (await runs.answers?.()) === false) return run;
    bar.update(done.length, Math.min(1, done.length / stepNames.length));
    await delay(LOOK_EVERY_MS, undefined, signal === undefined ? {} : { signal }).catch(() => undefined);
  }
};

const lineOf = ({ name, startedAtMs, endedAtMs, figures }: RunStep): string => {
  const seconds = `${(((endedAtMs ?? startedAtMs) - startedAtMs) / 1000).toFixed(1)} s`;
  const told = Object.entries(figures ?? {})
    .slice(0, 4)
    .map(([figure, value]) => `${figure} ${typeof value === "number" ? rounded(value) : value}`);
  return `  ${name.padEnd(20)}${seconds.padStart(8)}  ${told.join(", ")}`.trimEnd();
};

const rounded = (value: number): string =>
  Number.isInteger(value) ? value.toLocaleString("en") : value.toLocaleString("en", { maximumFractionDigits: 3 });

/** What a person wants to know of a run that is over. */
export const summaryOf = (run: Run, folder: string): string => {
  const seconds = ((run.endedAtMs ?? run.startedAtMs) - run.startedAtMs) / 1000;
  const head = `Run ${run.runId} (as of ${run.asOf}, horizon ${run.horizonDays} days) ${
    run.state === "succeeded" ? "succeeded" : "failed"
  } in ${seconds.toFixed(1)} s.\n`;
  const lines = run.steps.flatMap(({ name, figures }) =>
    Object.entries(figures ?? {})
      .filter(() => summarised.has(name))
      .map(([figure, value]) => [figure, typeof value === "number" ? rounded(value) : value] as const),
  );
  const width = Math.max(0, ...lines.map(([figure]) => figure.length)) + 2;
  const report = run.steps.find(({ name }) => name === "report")?.figures?.["report"];
  const text = lines
    .filter(([figure]) => figure !== "report")
    .map(([figure, value]) => `  ${figure.padEnd(width)}${value}\n`)
    .join("");
  return `${head}${run.reason === undefined ? "" : `  ${run.reason}\n`}${text}${
    report === undefined ? "" : `  ${"report".padEnd(width)}${path.join(folder, "objects", String(report))}\n`
  }`;
};

/** Steps whose figures the summary tells. */
const summarised: ReadonlySet<string> = new Set(["customers by segment", "fit", "promote", "reconcile"]);
