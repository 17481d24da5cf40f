/** The model stage of one machine: batch runs by the clock and on demand, one at a time, each in a process of its own. */
import { type ChildProcess, fork } from "node:child_process";
import { availableParallelism } from "node:os";
import { fileURLToPath } from "node:url";
import { DAY_MS } from "@ebb/core/time";
import { RunInProgress, type RunRequest, freeRunId, horizonOf } from "@ebb/functions/model/run-request";
import { dayOf } from "@ebb/lake/batch/literals";
import { logger } from "@ebb/functions/runtime/logger";
import type { Metrics, Run, Settings } from "@ebb/ports";
import type { EmbeddedRunStore } from "@ebb/ports/embedded/run-store";
import type { FromModelProcess, ToModelProcess } from "./model-messages.ts";
import { type RunClock, untilNext } from "./run-clock.ts";

export interface ModelStageParts {
  readonly folder: string;
  readonly settings: Settings;
  readonly runs: EmbeddedRunStore;
  /** Brings all that the log holds into the lake. */
  readonly flush: () => Promise<void>;
  /** Absent: runs only on demand. */
  readonly clock?: RunClock | undefined;
  /** Resolves when no erasure is under way: it rewrites the tables that a run writes. */
  readonly afterErasures?: () => Promise<void>;
  /** Called when a run has succeeded. */
  readonly onSucceeded?: () => void;
  /** Gets what a run counts. */
  readonly counters: Metrics;
  /** Whether there is anything to run on. */
  readonly hasEvents: () => boolean;
}

/** Memory of DuckDB in a run; what does not fit is spilled. */
const MEMORY_MB = 1_024;
/** A run that has begun this often and never ended is given up: most likely it needs more memory than there is. */
const MOST_STARTS = 3;
/** A home that was off at the hour of its run makes it this long after its start. */
const CATCH_UP_MS = 60_000;
/** Timers do not count the time a machine sleeps: the clock is looked at again after this. */
const LONGEST_TIMER_MS = 600_000;

interface UnderWay {
  readonly runId: string;
  readonly child: ChildProcess;
  readonly ended: Promise<void>;
}

export class ModelStage {
  readonly #parts: ModelStageParts;
  #underWay: UnderWay | undefined;
  #timer: NodeJS.Timeout | undefined;
  #closing = false;
  /** Until what an earlier home left unfinished has been looked at, nothing new begins. */
  readonly #resumed: Promise<void>;
  readonly #startsByRun = new Map<string, number>();

  constructor(parts: ModelStageParts) {
    this.#parts = parts;
    this.#resumed = this.#resume();
    this.#schedule(Date.now() + CATCH_UP_MS);
  }

  /** The id of the run that is under way. */
  get runUnderWay(): string | undefined {
    return this.#underWay?.runId;
  }

  /**
   * Begins a run; answers its id as soon as it has one. What it does is in the run store.
   * @throws RunInProgress
   */
  async begin(request: RunRequest): Promise<string> {
    await this.#resumed;
    if (this.#underWay === undefined) await this.#parts.afterErasures?.();
    if (this.#underWay !== undefined || this.#closing)
      throw new RunInProgress(`The run ${this.#underWay?.runId ?? ""} is under way. One runs at a time.`);
    const asOf = request.asOf ?? dayOf(Date.now());
    const runId = await freeRunId(this.#parts.runs, asOf);
    this.#start({ ...request, asOf, runId });
    return runId;
  }

  /** Resolves when the run is over, or the home stops; answers its trail. */
  async ended(runId: string): Promise<Run | undefined> {
    if (this.#underWay?.runId === runId) await this.#underWay.ended;
    return await this.#parts.runs.get(runId);
  }

  /** A run that is under way stops after its step, `graceMs` at most; the next home goes on with it. */
  async close(graceMs: number): Promise<void> {
    this.#closing = true;
    clearTimeout(this.#timer);
    const underWay = this.#underWay;
    if (underWay === undefined) return;
    this.#send(underWay.child, { type: "stop" });
    const timer = setTimeout(() => underWay.child.kill("SIGKILL"), graceMs);
    await underWay.ended;
    clearTimeout(timer);
  }

  async #resume(): Promise<void> {
    for (const run of await this.#parts.runs.unfinished()) {
      if (this.#closing) return;
      logger.info("an unfinished run goes on", { runId: run.runId });
      const { runId, asOf, horizonDays, startedBy } = run;
      this.#start({ runId, asOf, horizonDays, startedBy });
      return; // one at a time; a second one cannot be there but by hand
    }
  }

  #start(request: RunRequest & { readonly runId: string }): void {
    const { folder, settings } = this.#parts;
    const { runId } = request;
    const starts = (this.#startsByRun.get(runId) ?? 0) + 1;
    this.#startsByRun.set(runId, starts);
    const child = fork(fileURLToPath(new URL("./workers/model-process.ts", import.meta.url)), [], {
      execArgv: ["--disable-warning=ExperimentalWarning"],
      stdio: ["ignore", "inherit", "inherit", "ipc"],
    });
    let failure: string | undefined = "the process of the run ended without a word";
    child.on("message", (message: FromModelProcess) => {
      if (message.type === "flush") void this.#flush(child, message.id);
      else if (message.type === "count") this.#parts.counters.count(message.name, message.value, message.dimensions);
      else ({ failure } = { failure: undefined, ...message });
    });
    this.#send(child, {
      type: "run",
      folder,
      settings,
      request,
      memoryMb: MEMORY_MB,
      threads: Math.max(1, Math.min(4, availableParallelism())),
    });
    const ended = new Promise<void>((resolve) => {
      child.once("exit", resolve);
      child.once("error", () => resolve());
    })
      .then(() => this.#over(request, failure, starts))
      .catch((error: unknown) => logger.error("the end of a run could not be noted", error as Error));
    this.#underWay = { runId, child, ended };
  }

  async #over(
    request: RunRequest & { readonly runId: string },
    failure: string | undefined,
    starts: number,
  ): Promise<void> {
    this.#underWay = undefined;
    const { runs } = this.#parts;
    const run = await runs.get(request.runId);
    if (failure !== undefined) logger.error("a run failed", { runId: request.runId, cause: failure });
    if (run?.state === "succeeded" && !this.#closing) this.#parts.onSucceeded?.();
    if ((run !== undefined && run.state !== "running") || this.#closing) return;
    if (starts < MOST_STARTS) return this.#start(request); // its process went down: it goes on where it stopped
    await runs.unlock(request.runId);
    await runs.put({
      ...(run ?? this.#neverBegun(request)),
      state: "failed",
      endedAtMs: Date.now(),
      reason: `The process of the run went down ${starts} times: ${(failure ?? "").split("\n")[0]}`,
    });
  }

  /** The trail of a run whose process went down before it noted that there is a run: whoever waits for it is told. */
  #neverBegun({ runId, asOf, horizonDays, startedBy }: RunRequest & { readonly runId: string }): Run {
    return {
      runId,
      asOf: asOf ?? dayOf(Date.now()),
      horizonDays: horizonDays ?? horizonOf(this.#parts.settings),
      state: "failed",
      startedBy,
      startedAtMs: Date.now(),
      steps: [],
    };
  }

  async #flush(child: ChildProcess, id: number): Promise<void> {
    try {
      await this.#parts.flush();
      this.#send(child, { type: "flushed", id });
    } catch (error) {
      this.#send(child, { type: "flushed", id, failure: error instanceof Error ? error.message : String(error) });
    }
  }

  #send(child: ChildProcess, message: ToModelProcess): void {
    if (child.connected) child.send(message, () => undefined); // one that has gone is noticed by its exit
  }

  /** Looks again and again: a machine that slept through the hour makes its run when it wakes. */
  #schedule(dueMs: number): void {
    const { clock } = this.#parts;
    if (clock === undefined || this.#closing) return;
    this.#timer = setTimeout(
      () => {
        if (Date.now() < dueMs) return this.#schedule(dueMs);
        void this.#runByClock().finally(() => this.#schedule(Date.now() + untilNext(clock, new Date())));
      },
      Math.min(Math.max(dueMs - Date.now(), 1), LONGEST_TIMER_MS),
    );
    this.#timer.unref();
  }

  /** The run of the day, unless it has been made or there is nothing to run on. */
  async #runByClock(): Promise<void> {
    const asOf = dayOf(Date.now());
    try {
      const { runs } = await this.#parts.runs.list({ limit: 1 });
      const newest = runs[0]?.asOf;
      if (!this.#parts.hasEvents() || (newest !== undefined && Date.parse(newest) + DAY_MS > Date.parse(asOf))) return;
      await this.begin({ asOf, horizonDays: horizonOf(this.#parts.settings), startedBy: "schedule" });
    } catch (error) {
      if (!(error instanceof RunInProgress)) logger.error("the run of the day could not begin", error as Error);
    }
  }
}
