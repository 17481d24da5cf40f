/** The steps of a run: each is remembered by the workflow, and told in the audit trail with its figures. */
import type { BatchJob, BatchPorts, JobState, Run, RunStep, WorkflowContext } from "@ebb/ports";
import { type RunPlan, RunInProgress } from "./run-request.ts";

export type Figures = Readonly<Record<string, number | string>>;
export type Finished = Extract<JobState, { state: "succeeded" }>;

export interface StepPorts extends Pick<BatchPorts, "runs" | "runner"> {
  readonly now: () => number;
}

/** Longer than any step works without a sign of life; renewed with every step and every look at a job. */
const LEASE_MS = 15 * 60_000;
/** It is not renewed again within this. */
const HELD_MS = 60_000;
const LOOK_SECONDS = 30;
const JOB_ATTEMPTS = 3;

/** A step cannot be done; the message says why, in words for the operator. */
export class StepFailed extends Error {
  override readonly name = "StepFailed";
}

/** A job of which a run has not seen the end. */
export interface StartedJob {
  /** Once. @throws StepFailed with the engine's reason */
  ended(): Promise<Finished>;
}

const labelOf = (name: string, attempt: number): string => (attempt === 1 ? name : `${name}, try ${attempt}`);

export class RunSteps {
  readonly #plan: RunPlan;
  readonly #context: WorkflowContext;
  readonly #ports: StepPorts;

  constructor(plan: RunPlan, context: WorkflowContext, ports: StepPorts) {
    this.#plan = plan;
    this.#context = context;
    this.#ports = ports;
  }

  /** @param figures what the trail tells of the answer */
  async step<T>(name: string, work: () => Promise<T>, figures: (answer: T) => Figures = () => ({})): Promise<T> {
    return await this.#context.step(name, async () => {
      await this.#began(name);
      const answer = await work();
      await this.#ended(name, figures(answer));
      return answer;
    });
  }

  /** Looks every `everySeconds` until there is an answer. */
  async waitFor<T>(
    name: string,
    everySeconds: number,
    look: () => Promise<T | undefined>,
    figures: (answer: T) => Figures = () => ({}),
  ): Promise<T> {
    await this.#context.step(`${name}: begin`, () => this.#began(name));
    return await this.#context.waitFor(name, everySeconds, async () => {
      await this.#holdLock();
      const answer = await look();
      if (answer !== undefined) await this.#ended(name, figures(answer));
      return answer;
    });
  }

  /** Runs a job to its end, and again where that may help. @throws StepFailed with the engine's reason */
  async job(name: string, job: BatchJob, figures?: (done: Finished) => Figures): Promise<Finished> {
    return await (await this.begin(name, job, figures)).ended();
  }

  /** Starts a job that goes on while other steps are at work: none of them may need what it writes. */
  async begin(name: string, job: BatchJob, figures: (done: Finished) => Figures = writtenFigures): Promise<StartedJob> {
    const first = await this.#start(name, job, 1);
    return { ended: () => this.#end(name, job, first, figures) };
  }

  async #start(name: string, job: BatchJob, attempt: number): Promise<string> {
    return await this.#context.step(`${labelOf(name, attempt)}: start`, async () => {
      await this.#began(name);
      return await this.#ports.runner.start(job, `${this.#plan.runId}/${name}/${attempt}`);
    });
  }

  async #end(name: string, job: BatchJob, first: string, figures: (done: Finished) => Figures): Promise<Finished> {
    for (let attempt = 1, jobId = first; ; jobId = await this.#start(name, job, ++attempt)) {
      const state = await this.#context.waitFor(labelOf(name, attempt), LOOK_SECONDS, async () => {
        await this.#holdLock();
        const state = await this.#ports.runner.state(jobId);
        if (state.state === "running") return undefined;
        if (state.state === "succeeded") await this.#ended(name, figures(state));
        return state;
      });
      if (state.state === "succeeded") return state;
      if (!state.mayRetry || attempt === JOB_ATTEMPTS) throw new StepFailed(`${name}: ${state.reason}`);
    }
  }

  #heldAtMs = -Infinity;
  async #holdLock(): Promise<void> {
    const { runs, now } = this.#ports;
    const nowMs = now();
    if (nowMs >= this.#heldAtMs && nowMs < this.#heldAtMs + HELD_MS) return;
    if (!(await runs.lock(this.#plan.runId, nowMs, LEASE_MS)))
      throw new RunInProgress(`Another run is under way, so ${this.#plan.runId} cannot run.`);
    this.#heldAtMs = nowMs;
  }

  async #began(name: string): Promise<void> {
    await this.#holdLock();
    await this.#trail((steps) =>
      steps.some((step) => step.name === name)
        ? steps // tried again after a crash
        : [...steps, { name, state: "running", startedAtMs: this.#ports.now() }],
    );
  }

  async #ended(name: string, figures: Figures): Promise<void> {
    await this.#trail((steps) =>
      steps.map((step) => {
        if (step.name !== name) return step;
        const { reason: _, ...rest } = step;
        return { ...rest, state: "done", endedAtMs: this.#ports.now(), figures };
      }),
    );
  }

  async #trail(change: (steps: readonly RunStep[]) => readonly RunStep[]): Promise<void> {
    const run = await this.#ports.runs.get(this.#plan.runId);
    if (run === undefined) throw new Error(`run ${this.#plan.runId} has no trail`);
    await this.#ports.runs.put({ ...run, steps: change(run.steps) });
  }
}

/** Rows and files by table: small files are what a lake dies of. */
export const writtenFigures = ({ written }: Finished): Figures =>
  Object.fromEntries(
    Object.entries(written).flatMap(([table, { rows, files }]) => [
      [`${table} rows`, rows],
      [`${table} files`, files],
    ]),
  );

/** The trail at its end. What was under way when it failed bears the reason. */
export const endedRun = (run: Run, nowMs: number, failure: string | undefined, remark?: string): Run => {
  const reason = failure ?? remark;
  return {
    ...run,
    state: failure === undefined ? "succeeded" : "failed",
    endedAtMs: nowMs,
    ...(reason === undefined ? {} : { reason }),
    steps: run.steps.map((step) =>
      failure !== undefined && step.state === "running"
        ? { ...step, state: "failed", endedAtMs: nowMs, reason: failure }
        : step,
    ),
  };
};
