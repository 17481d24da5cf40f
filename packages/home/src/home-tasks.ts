/** Work that a command asks the running home for: begun by one request, looked after by others, one of a kind at a time. */

export interface TaskState {
  readonly state: "running" | "done" | "failed";
  /** What is done so far, in the unit of the task, and as a share from 0 to 1. */
  readonly done: number;
  readonly share: number;
  /** Once done. */
  readonly result?: unknown;
  /** Why it failed. */
  readonly reason?: string;
}

export class TaskUnderWay extends Error {
  override readonly name = "TaskUnderWay";
}

export type TaskWork = (progress: (done: number, share: number) => void) => Promise<unknown>;

export class HomeTasks {
  readonly #states = new Map<string, TaskState>();

  /** @throws TaskUnderWay */
  begin(name: string, work: TaskWork): void {
    if (this.#states.get(name)?.state === "running") throw new TaskUnderWay(`A ${name} is under way already.`);
    this.#states.set(name, { state: "running", done: 0, share: 0 });
    const progress = (done: number, share: number): void =>
      void this.#states.set(name, { state: "running", done, share });
    work(progress).then(
      (result) => this.#states.set(name, { ...this.#states.get(name)!, state: "done", share: 1, result }),
      (error: unknown) =>
        this.#states.set(name, {
          ...this.#states.get(name)!,
          state: "failed",
          reason: error instanceof Error ? error.message : String(error),
        }),
    );
  }

  /** `undefined` where none was begun since the home started. */
  state(name: string): TaskState | undefined {
    return this.#states.get(name);
  }
}
