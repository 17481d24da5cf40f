/**
 * Batch jobs on one machine: DuckDB over the files that the manifests name, results as Parquet with one file a partition
 * and a swap of the manifest. A job is noted down with its rendered SQL before it starts, so that it goes on after a
 * crash with the write at which it was.
 */
import { createHash } from "node:crypto";
import { mkdirSync } from "node:fs";
import { readdir, rm } from "node:fs/promises";
import path from "node:path";
import { Worker } from "node:worker_threads";
import { DAY_MS } from "@ebb/core/time";
import type { DuckDBInstance } from "@duckdb/node-api";
import type { BatchJob, ExportedColumn, JobRunner, JobState } from "../batch-ports.ts";
import { BatchManifest } from "./batch-manifest.ts";
import { exportedColumns } from "./exported-columns.ts";
import { type EngineOptions, openEngine, stagingOf } from "./job-execution.ts";
import { planOf } from "./job-plan.ts";
import type { FromJobThread, ToJobThread } from "./job-thread.ts";
import { ownSpillFolder } from "./query-engine.ts";

export interface JobRunnerOptions {
  /** The lake's own folder. */
  readonly folder: string;
  /** Root of the object store: exports are objects. */
  readonly objectsFolder: string;
  /** 1,024 where absent. What does not fit is spilled to the folder `spill` of the lake. */
  readonly memoryMb?: number;
  /** 2 where absent. */
  readonly threads?: number;
  /** Epoch milliseconds. */
  readonly now: () => number;
}

/** Replaced files stay this long for queries that began before: no query runs longer. */
const REPLACED_KEPT_MS = 3_600_000;
/** A run that was interrupted goes on with the exports of its jobs for this long. */
const JOBS_KEPT_MS = 14 * DAY_MS;
/** Of the engine that reads exports, a few thousand rows at a time, beside the job that runs. */
const READING_MEMORY_MB = 256;

export class DuckDbJobRunner implements JobRunner {
  readonly #options: JobRunnerOptions;
  readonly #engine: EngineOptions;
  readonly #manifest: BatchManifest;
  /** Jobs that run or are to run. */
  readonly #live = new Set<string>();
  #tidied: Promise<void> = Promise.resolve();
  #thread: Worker | undefined;
  #reading: Promise<DuckDBInstance> | undefined;
  #closing = false;

  /** Opens the lake for writing and clears what a crash left behind. One process at a time may do so. */
  static async open(options: JobRunnerOptions): Promise<DuckDbJobRunner> {
    mkdirSync(path.join(options.folder, "tables"), { recursive: true });
    const runner = new DuckDbJobRunner(options);
    await rm(stagingOf(options), { recursive: true, force: true });
    await removeUnnamed(options.folder, runner.#manifest.named());
    await runner.#removeOld();
    return runner;
  }

  private constructor(options: JobRunnerOptions) {
    const { folder, objectsFolder, memoryMb = 1_024, threads = 2 } = options;
    this.#options = options;
    this.#engine = { folder, objectsFolder, memoryMb, threads, spill: ownSpillFolder(path.join(folder, "spill")) };
    this.#manifest = new BatchManifest(folder, { readOnly: false });
  }

  async start(job: BatchJob, token: string): Promise<string> {
    if (job.erase !== undefined || job.eraseRaw !== undefined)
      throw new RangeError("on one machine files are rewritten: embedded/erase-lake.ts");
    const id = `job_${createHash("sha256").update(token).digest("hex").slice(0, 16)}`;
    const known = this.#manifest.startJob(id, token, JSON.stringify(planOf(job)), this.#options.now());
    await this.state(known);
    return known;
  }

  async state(jobId: string): Promise<JobState> {
    const job = this.#manifest.job(jobId);
    if (job === undefined) return { state: "failed", reason: "the job is not known any more", mayRetry: true };
    // Also after a crash: the plan is noted down, so whoever asks next brings it to its end.
    if (job.state.state === "running" && !this.#live.has(jobId) && !this.#closing) this.#run(jobId);
    return job.state;
  }

  #run(jobId: string): void {
    this.#live.add(jobId);
    this.#thread ??= this.#newThread();
    this.#thread.postMessage({ type: "run", jobId, nowMs: this.#options.now() } satisfies ToJobThread);
  }

  #newThread(): Worker {
    const thread = new Worker(new URL("./job-thread.ts", import.meta.url), { workerData: this.#engine });
    thread.unref(); // nobody who does not wait for a job is kept alive by it
    thread.on("message", ({ ended }: FromJobThread) => this.#ended(ended));
    thread.on("error", (error: unknown) => {
      this.#thread = undefined;
      const reason = `the thread of the jobs went down: ${error instanceof Error ? error.message : String(error)}`;
      for (const jobId of [...this.#live]) {
        if (this.#manifest.job(jobId)?.state.state === "running")
          this.#manifest.endJob(jobId, { state: "failed", reason, mayRetry: true });
        this.#ended(jobId);
      }
    });
    return thread;
  }

  #ended(jobId: string): void {
    this.#live.delete(jobId);
    // What cannot be removed now is removed after another job.
    if (!this.#closing) this.#tidied = this.#tidied.then(() => this.#removeOld()).catch(() => undefined);
  }

  async unwritten(tables: readonly string[]): Promise<string[]> {
    const written = new Set(this.#manifest.tables().map(({ name }) => name));
    return tables.filter((name) => !written.has(name));
  }

  async readColumns(exportKey: string, columns: readonly string[]): Promise<Record<string, ExportedColumn>> {
    this.#reading ??= openEngine({ ...this.#engine, memoryMb: READING_MEMORY_MB });
    const connection = await (await this.#reading).connect();
    try {
      return await exportedColumns(connection, path.join(this.#options.objectsFolder, exportKey), columns);
    } finally {
      connection.closeSync();
    }
  }

  /** Stops what runs; it goes on when somebody asks for its state again. */
  async close(): Promise<void> {
    this.#closing = true;
    const thread = this.#thread;
    if (thread !== undefined) {
      const gone = new Promise((resolve) => thread.once("exit", resolve));
      thread.ref();
      thread.postMessage({ type: "stop" } satisfies ToJobThread);
      await gone;
    }
    await this.#tidied;
    (await this.#reading)?.closeSync();
    this.#manifest.close();
    await rm(this.#engine.spill, { recursive: true, force: true });
  }

  async #removeOld(): Promise<void> {
    const { folder, objectsFolder, now } = this.#options;
    const files = this.#manifest.replacedBefore(now() - REPLACED_KEPT_MS);
    for (const name of files) await rm(path.join(folder, name), { force: true });
    const jobs = this.#manifest.jobsBefore(now() - JOBS_KEPT_MS);
    for (const id of jobs) await rm(path.join(objectsFolder, "exports", id), { recursive: true, force: true });
    if (files.length + jobs.length > 0) this.#manifest.forget(files, jobs);
  }
}

/** Removes files of batch tables that the manifest does not name. */
const removeUnnamed = async (folder: string, named: ReadonlySet<string>): Promise<void> => {
  for (const entry of await readdir(path.join(folder, "tables"), { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const file = path.join(entry.parentPath, entry.name);
    if (!named.has(path.relative(folder, file).split(path.sep).join("/"))) await rm(file, { force: true });
  }
};
