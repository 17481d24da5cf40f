/** Loads of sources on one machine: by their schedules and on demand, one at a time, each in a thread of its own. */
import { type MessagePort, Worker } from "node:worker_threads";
import { logger } from "@ebb/functions/runtime/logger";
import { EmbeddedSourceStore } from "@ebb/ports/embedded/source-store";
import type { EventLogServer } from "@ebb/ports/embedded/event-log-remote";
import type { EmbeddedMetrics } from "@ebb/ports/embedded/metrics";
import type { MetricName } from "@ebb/ports/metric-names";
import type { LoadEnd } from "@ebb/ports/source-ports";
import type { CommonData } from "./home-ports.ts";
import { isDue } from "./source-clock.ts";
import { readSources } from "./source-files.ts";

export type FromSourceWorker =
  | { readonly type: "progress"; readonly read: number }
  | { readonly type: "ended"; readonly end: LoadEnd | undefined }
  | { readonly type: "failed"; readonly reason: string }
  | { readonly type: "upload"; readonly uploadId: string }
  | {
      readonly type: "count";
      readonly name: MetricName;
      readonly value: number;
      readonly dimensions?: Readonly<Record<string, string>>;
    };

export interface SourcesStageParts {
  readonly data: CommonData;
  readonly logServer: EventLogServer;
  readonly counters: EmbeddedMetrics;
  /** Has the upload worker work off an upload that is stored already. */
  readonly processUpload: (uploadId: string) => void;
}

const LOOK_EVERY_MS = 20_000;
/** A load that failed by the clock is tried again after this at the earliest. */
const RETRY_MS = 300_000;

export class SourcesStage {
  readonly #parts: SourcesStageParts;
  readonly #store: EmbeddedSourceStore;
  readonly #timer: NodeJS.Timeout;
  readonly #triedAtMs = new Map<string, number>();
  #turn: Promise<unknown> = Promise.resolve();
  #worker: Worker | undefined;
  #looking = false;
  #closing = false;

  constructor(parts: SourcesStageParts) {
    this.#parts = parts;
    this.#store = new EmbeddedSourceStore(parts.data.folder);
    this.#timer = setInterval(() => void this.#byClock(), LOOK_EVERY_MS);
    this.#timer.unref();
  }

  /** Loads a source after those that were asked for before. @throws Error with the reason */
  load(name: string, progress: (read: number) => void = () => undefined): Promise<LoadEnd | undefined> {
    const turn = this.#turn.then(() => this.#load(name, progress));
    this.#turn = turn.catch(() => undefined);
    return turn;
  }

  /** A load that is under way stops behind a checkpoint, `graceMs` at most; the next one goes on with it. */
  async close(graceMs: number): Promise<void> {
    this.#closing = true;
    clearInterval(this.#timer);
    const worker = this.#worker;
    worker?.postMessage("stop");
    const timer = setTimeout(() => void worker?.terminate(), graceMs);
    await this.#turn;
    clearTimeout(timer);
    this.#store.close();
  }

  async #byClock(): Promise<void> {
    if (this.#looking || this.#closing) return;
    this.#looking = true;
    try {
      for (const { spec } of readSources(this.#parts.data.folder)) {
        if (this.#closing || spec.schedule === undefined) continue;
        const nowMs = Date.now();
        const state = await this.#store.get(spec.name);
        const tried = this.#triedAtMs.get(spec.name) ?? 0;
        const isWaiting = nowMs - tried < RETRY_MS;
        if (isWaiting || !isDue(spec.schedule, state?.loadedAtMs, new Date(nowMs))) continue;
        this.#triedAtMs.set(spec.name, nowMs);
        await this.load(spec.name).catch((error: unknown) =>
          logger.error("a source could not be loaded", { source: spec.name, cause: String(error) }),
        );
      }
    } catch (error) {
      logger.error("the declarations of sources cannot be read", { cause: String(error) });
    } finally {
      this.#looking = false;
    }
  }

  #load(name: string, progress: (read: number) => void): Promise<LoadEnd | undefined> {
    if (this.#closing) return Promise.reject(new Error("The home is closing."));
    const log: MessagePort = this.#parts.logServer.connect();
    const worker = new Worker(new URL("./workers/source-worker.ts", import.meta.url), {
      name: `source ${name}`,
      workerData: { ...this.#parts.data, log, name },
      transferList: [log],
      resourceLimits: { maxYoungGenerationSizeMb: 16, maxOldGenerationSizeMb: 256 },
    });
    this.#worker = worker;
    let end: LoadEnd | undefined;
    let failure: string | undefined;
    worker.on("message", (message: FromSourceWorker) => {
      if (message.type === "progress") progress(message.read);
      else if (message.type === "count") this.#parts.counters.count(message.name, message.value, message.dimensions);
      else if (message.type === "ended") end = message.end;
      else if (message.type === "upload") this.#parts.processUpload(message.uploadId);
      else failure = message.reason;
    });
    worker.on("error", (error: Error) => (failure = error.message));
    return new Promise((resolve, reject) =>
      worker.on("exit", () => {
        this.#worker = undefined;
        if (failure === undefined) resolve(end);
        else reject(new Error(failure));
      }),
    );
  }
}
