/** Keeps a worker thread running once it is started: told to stop, started again with growing pauses when it crashes. */
import { setTimeout as delay } from "node:timers/promises";
import { type MessagePort, Worker } from "node:worker_threads";
import { logger } from "@ebb/functions/runtime/logger";
import type { MetricName } from "@ebb/ports/metric-names";

/** From the home to a worker. */
export type Order =
  | { readonly type: "stop" }
  | { readonly type: "flush"; readonly id: number }
  | { readonly type: "upload"; readonly uploadId: string }
  /** A Kinesis event that was given up, to be tried again: plain data. */
  | { readonly type: "redeliver"; readonly id: number; readonly event: unknown };

/** From a worker to the home. */
export type Report =
  | { readonly type: "ready" }
  | { readonly type: "flushed"; readonly id: number; readonly failure?: string }
  | { readonly type: "redelivered"; readonly id: number; readonly failure?: string }
  | {
      readonly type: "uploads";
      /** Orders taken since the last report. */
      readonly taken: number;
      /** Waiting or under way in the worker. */
      readonly active: number;
      /** The one that is under way. */
      readonly current?: string;
    }
  | {
      readonly type: "count";
      readonly name: MetricName;
      readonly value: number;
      readonly dimensions?: Readonly<Record<string, string>>;
    };

export interface WorkerPlan {
  readonly name: string;
  readonly module: URL;
  /** Made anew for each start: ports can be handed over only once. */
  readonly data: () => { readonly workerData: unknown; readonly transfer: MessagePort[] };
  readonly onReport: (report: Report) => void;
  /**
   * Bounds of its heap. Where memory is plenty V8 lets a heap grow before it collects: a file of 46 MB took the upload
   * thread to 258 MB of which 50 were in use.
   */
  readonly heap: { readonly youngMb: number; readonly oldMb: number };
}

const FIRST_PAUSE_MS = 200;
const LONGEST_PAUSE_MS = 10_000;
/** A worker that ran this long before it crashed starts with the first pause again. */
const STEADY_MS = 60_000;

export class SupervisedWorker {
  readonly #plan: WorkerPlan;
  #worker: Worker | undefined;
  #state: "waiting" | "starting" | "running" | "restarting" | "stopped" = "waiting";
  #crashes = 0;
  #stopping = false;
  #run: Promise<void> | undefined;
  #markReady: () => void = () => undefined;
  readonly ready: Promise<void>;

  constructor(plan: WorkerPlan) {
    this.#plan = plan;
    this.ready = new Promise((resolve) => (this.#markReady = resolve));
  }

  /** Does nothing when it is started already, or told to stop. */
  start(): void {
    if (this.#run !== undefined || this.#stopping) return;
    this.#state = "starting";
    this.#run = this.#keepRunning();
  }

  get status(): { readonly state: string; readonly crashes: number } {
    return { state: this.#state, crashes: this.#crashes };
  }

  /** False when the worker is not there to take it. */
  send(order: Order): boolean {
    if (this.#worker === undefined) return false;
    this.#worker.postMessage(order);
    return true;
  }

  /** Lets it finish what it is at, `graceMs` at most. What it does not finish is taken up at the next start. */
  async stop(graceMs: number): Promise<void> {
    this.#stopping = true;
    const worker = this.#worker;
    if (worker !== undefined) {
      worker.postMessage({ type: "stop" } satisfies Order);
      const timer = setTimeout(() => void worker.terminate(), graceMs);
      await this.#run;
      clearTimeout(timer);
    }
    this.#state = "stopped";
  }

  async #keepRunning(): Promise<void> {
    for (let pauseMs = FIRST_PAUSE_MS; !this.#stopping;) {
      const startedMs = performance.now();
      const failure = await this.#once();
      if (this.#stopping) break;
      this.#crashes++;
      this.#state = "restarting";
      if (performance.now() - startedMs > STEADY_MS) pauseMs = FIRST_PAUSE_MS;
      logger.error("a worker crashed and is started again", { worker: this.#plan.name, cause: failure, pauseMs });
      await delay(pauseMs);
      pauseMs = Math.min(pauseMs * 2, LONGEST_PAUSE_MS);
    }
  }

  /** One life of the thread; answers why it ended. */
  #once(): Promise<string> {
    const { workerData, transfer } = this.#plan.data();
    const worker = new Worker(this.#plan.module, {
      name: this.#plan.name,
      workerData,
      transferList: transfer,
      resourceLimits: {
        maxYoungGenerationSizeMb: this.#plan.heap.youngMb,
        maxOldGenerationSizeMb: this.#plan.heap.oldMb,
      },
    });
    this.#worker = worker;
    let failure = "";
    worker.on("message", (report: Report) => {
      if (report.type === "ready") {
        this.#state = "running";
        this.#markReady();
      }
      this.#plan.onReport(report);
    });
    worker.on(
      "error",
      (error: unknown) => (failure = error instanceof Error ? (error.stack ?? error.message) : String(error)),
    );
    return new Promise((resolve) =>
      worker.on("exit", (code) => {
        this.#worker = undefined;
        resolve(failure === "" ? `exit code ${code}` : failure);
      }),
    );
  }
}
