/** The stages behind the front door: their threads, what they owe, and the upkeep of the log. */
import { setTimeout as delay } from "node:timers/promises";
import { setFlagsFromString } from "node:v8";
import type { MessagePort } from "node:worker_threads";
import { limits } from "@ebb/core/limits";
import { removeOldOriginals } from "@ebb/functions/collect/files/originals";
import { logger } from "@ebb/functions/runtime/logger";
import type { ObjectStore } from "@ebb/ports";
import { customersOnDisk } from "@ebb/ports/embedded/customer-store";
import type { EmbeddedEventLog } from "@ebb/ports/embedded/event-log";
import type { EventLogServer } from "@ebb/ports/embedded/event-log-remote";
import type { EmbeddedMetrics } from "@ebb/ports/embedded/metrics";
import type { CommonData } from "./home-ports.ts";
import type { Progress } from "./progress.ts";
import { type Report, SupervisedWorker } from "./supervisor.ts";

export interface StagesParts {
  readonly data: CommonData;
  readonly log: EmbeddedEventLog;
  readonly logServer: EventLogServer;
  readonly progress: Progress;
  readonly counters: EmbeddedMetrics;
  readonly retentionMs: number;
  readonly objects: ObjectStore;
  /** An earlier home left uploads unfinished. Otherwise their thread begins with the first one: some 30 MB less at rest. */
  readonly uploadsLeft: boolean;
}

/** Records by which a stage may lag before no more is taken in. The lag costs disk, not memory: it may be large. */
const LAG_RECORDS = 500_000;
const UPKEEP_EVERY_MS = 600_000;
const WORKER_GRACE_MS = 20_000;
const FLUSH_TIMEOUT_MS = 120_000;
const LOOK_AGAIN_MS = 1_000;
const CRASHES_OF_AN_UPLOAD = 3;

/**
 * The score and upload threads make objects by the event and by the row. A young generation of 8 MB cost the upload
 * thread 1.4 of 7 s of CPU on 541,909 rows, and the score thread a fifth of its CPU on orders of ten lines. V8 makes
 * semi-spaces of a third of `youngMb`, rounded up to a power of two: 8 MB for 16, 2 MB for 6. With 16 MB neither thread
 * took less CPU.
 */
const heaps = {
  score: { youngMb: 16, oldMb: 160 },
  land: { youngMb: 6, oldMb: 128 },
  upload: { youngMb: 16, oldMb: 256 },
} as const;

export class Stages {
  readonly #parts: StagesParts;
  readonly #workers: Record<"score" | "land" | "upload", SupervisedWorker>;
  readonly #flushes = new Map<number, { resolve: () => void; reject: (error: Error) => void }>();
  readonly #redeliveries = new Map<number, { resolve: () => void; reject: (error: Error) => void }>();
  #nextRedelivery = 1;
  #nextFlush = 1;
  /** Uploads handed to the worker that it has not said to have taken, and those that it works at. */
  #uploadsSent = 0;
  #uploadsActive = 0;
  #uploadsIdle = Promise.withResolvers<void>();
  #uploadUnderWay: string | undefined;
  readonly #crashesByUpload = new Map<string, number>();
  readonly #upkeep: NodeJS.Timeout;
  #upkeepRun: Promise<void> = Promise.resolve();

  constructor(parts: StagesParts) {
    this.#parts = parts;
    // The flag of the main thread (bin/launch.js) would go before the bounds of each worker's heap: every thread had
    // semi-spaces of 8 MB, and an upload of 120 MB a peak of 546 instead of 522 MB; and each would begin with them: 25 MB
    // at rest. The main heap keeps its own.
    setFlagsFromString("--max-semi-space-size=0");
    setFlagsFromString("--min-semi-space-size=0");
    const worker = (name: keyof typeof heaps, file: string, onStart?: () => void): SupervisedWorker =>
      new SupervisedWorker({
        name,
        heap: heaps[name],
        module: new URL(`./workers/${file}`, import.meta.url),
        data: () => {
          onStart?.();
          const port: MessagePort = parts.logServer.connect();
          return { workerData: { ...parts.data, log: port, poisoned: this.#poisoned() }, transfer: [port] };
        },
        onReport: (report) => this.#onReport(report),
      });
    this.#workers = {
      score: worker("score", "score-worker.ts", () => this.#failRedeliveries()),
      land: worker("land", "land-worker.ts", () => this.#failFlushes()),
      upload: worker("upload", "upload-worker.ts", () => {
        // Started again: what it was at when it ended may be why.
        const at = this.#uploadUnderWay;
        if (at !== undefined) this.#crashesByUpload.set(at, (this.#crashesByUpload.get(at) ?? 0) + 1);
        this.#uploadUnderWay = undefined;
        this.#uploadsSent = 0;
        this.#uploadsActive = 1; // until it has looked what an earlier run left behind
      }),
    };
    this.#workers.score.start();
    this.#workers.land.start();
    if (parts.uploadsLeft) this.#workers.upload.start();
    this.#upkeep = setInterval(() => {
      this.#upkeepRun = this.#tidy();
    }, UPKEEP_EVERY_MS);
    this.#upkeep.unref();
  }

  /** Resolves when the score stage reads the log; the others may still be starting. */
  async ready(): Promise<void> {
    await this.#workers.score.ready;
  }

  get activeUploads(): number {
    return this.#uploadsSent + this.#uploadsActive;
  }

  status(): Record<string, { readonly state: string; readonly crashes: number }> {
    return Object.fromEntries(Object.entries(this.#workers).map(([name, worker]) => [name, worker.status]));
  }

  /** An upload that cannot be handed over now is stored as queued, and found when the worker starts again. */
  processUpload(uploadId: string): void {
    this.#workers.upload.start();
    if (this.#workers.upload.send({ type: "upload", uploadId })) this.#uploadsSent++;
  }

  overloaded(): string | undefined {
    const { progress } = this.#parts;
    const lag = progress.get("head") - Math.min(progress.get("score"), progress.get("land"));
    return lag > LAG_RECORDS ? `The stages behind are ${lag} records behind. Send it again later.` : undefined;
  }

  async settled(): Promise<void> {
    const { log, progress } = this.#parts;
    for (;;) {
      const { seq } = log.head();
      const caughtUp =
        (await progress.reached("score", seq, LOOK_AGAIN_MS)) && (await progress.reached("land", seq, LOOK_AGAIN_MS));
      if (this.activeUploads > 0) await Promise.race([this.#uploadsIdle.promise, delay(LOOK_AGAIN_MS)]);
      else if (caughtUp && log.head().seq === seq) return;
    }
  }

  async flushLake(): Promise<void> {
    await this.#workers.land.ready;
    const id = this.#nextFlush++;
    let timer: NodeJS.Timeout | undefined;
    try {
      await new Promise<void>((resolve, reject) => {
        this.#flushes.set(id, { resolve, reject });
        timer = setTimeout(() => reject(new Error("the lake did not answer in time")), FLUSH_TIMEOUT_MS);
        if (!this.#workers.land.send({ type: "flush", id })) reject(new Error("the land stage is being started again"));
      });
    } finally {
      clearTimeout(timer);
      this.#flushes.delete(id);
    }
  }

  /** Brings records that were given up to the score stage again; rejects when it fails on them again. */
  async redeliver(event: unknown): Promise<void> {
    await this.#workers.score.ready;
    const id = this.#nextRedelivery++;
    try {
      await new Promise<void>((resolve, reject) => {
        this.#redeliveries.set(id, { resolve, reject });
        if (!this.#workers.score.send({ type: "redeliver", id, event }))
          reject(new Error("the score stage is being started again"));
      });
    } finally {
      this.#redeliveries.delete(id);
    }
  }

  #failRedeliveries(): void {
    for (const { reject } of this.#redeliveries.values()) reject(new Error("the score stage stopped"));
  }

  async close(): Promise<void> {
    clearInterval(this.#upkeep);
    // Uploads first: what they append is still scored and landed.
    await this.#workers.upload.stop(WORKER_GRACE_MS);
    await Promise.all([this.#workers.score.stop(WORKER_GRACE_MS), this.#workers.land.stop(WORKER_GRACE_MS)]);
    this.#failFlushes();
    this.#failRedeliveries();
    await this.#upkeepRun;
  }

  #failFlushes(): void {
    for (const { reject } of this.#flushes.values()) reject(new Error("the land stage stopped"));
    this.#flushes.clear();
  }

  #onReport(report: Report): void {
    switch (report.type) {
      case "ready":
        break;
      case "count":
        this.#parts.counters.count(report.name, report.value, report.dimensions);
        break;
      case "flushed": {
        const waiting = this.#flushes.get(report.id);
        if (report.failure === undefined) waiting?.resolve();
        else waiting?.reject(new Error(report.failure));
        break;
      }
      case "redelivered": {
        const waiting = this.#redeliveries.get(report.id);
        if (report.failure === undefined) waiting?.resolve();
        else waiting?.reject(new Error(report.failure));
        break;
      }
      case "uploads":
        this.#uploadsSent -= report.taken;
        this.#uploadsActive = report.active;
        this.#uploadUnderWay = report.current;
        if (this.activeUploads === 0) {
          this.#uploadsIdle.resolve();
          this.#uploadsIdle = Promise.withResolvers<void>();
        }
        break;
    }
  }

  /** Uploads that brought their thread down again and again: they are failed, so that the others go on. */
  #poisoned(): string[] {
    return [...this.#crashesByUpload].filter(([, crashes]) => crashes >= CRASHES_OF_AN_UPLOAD).map(([id]) => id);
  }

  /**
   * Removes from the log what every stage has read and the retention no longer keeps, and quarantine and originals of
   * uploads past their time.
   */
  async #tidy(): Promise<void> {
    const { log, progress, retentionMs, objects, data } = this.#parts;
    try {
      const done = Math.min(progress.get("score"), progress.get("landed"));
      await customersOnDisk(data.folder); // what is scored is made from the log again until it is on disk itself
      await log.trim(done + 1, Date.now() - retentionMs);
      await log.expireQuarantine(Date.now() - limits.quarantineDays * 86_400_000);
      await removeOldOriginals(objects, Date.now());
    } catch (error) {
      logger.warn(
        "what is past its time could not be removed",
        error instanceof Error ? error : new Error(String(error)),
      );
    }
  }
}
