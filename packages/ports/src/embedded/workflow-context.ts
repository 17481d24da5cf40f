/** A workflow's memory on one machine: the answers of its steps, in runs.db. */
import { setTimeout as delay } from "node:timers/promises";
import type { WorkflowContext } from "../batch-ports.ts";
import { TransientError } from "../ports.ts";
import type { EmbeddedRunStore } from "./run-store.ts";

/** Tries of a step that fails for a reason outside the program. */
const ATTEMPTS = 4;
const FIRST_PAUSE_MS = 500;
const FIRST_LOOK_MS = 20;
const LONGEST_LOOK_MS = 1_000;
/** A look comes late by so much of the time until then at most. */
const LOOK_LATE = 1 / 16;

/** The run was told to stop; what is done is remembered. */
export class WorkflowStopped extends Error {
  override readonly name = "WorkflowStopped";
}

export interface EmbeddedWorkflowOptions {
  readonly runId: string;
  readonly store: Pick<EmbeddedRunStore, "answer" | "remember">;
  /** Between two steps, and between two looks, the workflow ends when this fires. */
  readonly signal?: AbortSignal;
}

export class EmbeddedWorkflowContext implements WorkflowContext {
  readonly #options: EmbeddedWorkflowOptions;

  constructor(options: EmbeddedWorkflowOptions) {
    this.#options = options;
  }

  /** @throws WorkflowStopped */
  async step<T>(name: string, work: () => Promise<T>): Promise<T> {
    return this.#once(name, () => this.#tried(work));
  }

  /** @throws WorkflowStopped */
  async waitFor<T>(name: string, everySeconds: number, look: () => Promise<T | undefined>): Promise<T> {
    return this.#once(name, async () => {
      const longestMs = Math.min(everySeconds * 1000, LONGEST_LOOK_MS);
      const sinceMs = performance.now();
      for (;;) {
        const answer = await this.#tried(look);
        if (answer !== undefined) return answer;
        const lateMs = (performance.now() - sinceMs) * LOOK_LATE;
        await this.#pause(Math.min(Math.max(FIRST_LOOK_MS, lateMs), longestMs));
      }
    });
  }

  async #once<T>(name: string, work: () => Promise<T>): Promise<T> {
    const { runId, store } = this.#options;
    const known = store.answer(runId, name);
    if (known !== undefined) return JSON.parse(known) as T;
    if (this.#options.signal?.aborted === true) throw new WorkflowStopped("the workflow was told to stop");
    // Through JSON also the first time: the code after the step sees what it will see when it runs again.
    const answer = JSON.stringify((await work()) ?? null);
    store.remember(runId, name, answer);
    return JSON.parse(answer) as T;
  }

  async #tried<T>(work: () => Promise<T>): Promise<T> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await work();
      } catch (error) {
        if (!(error instanceof TransientError) || attempt === ATTEMPTS) throw error;
        await this.#pause(FIRST_PAUSE_MS * 2 ** attempt);
      }
    }
  }

  async #pause(ms: number): Promise<void> {
    const { signal } = this.#options;
    try {
      await delay(ms, undefined, signal === undefined ? {} : { signal });
    } catch (error) {
      throw new WorkflowStopped("the workflow was told to stop", { cause: error });
    }
  }
}
