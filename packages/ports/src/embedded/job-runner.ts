/**
 * Batch jobs on one machine: DuckDB over the files that the manifests name, results as Parquet with one file a partition
 * and a swap of the manifest. A job is noted down with its rendered SQL before it starts, so that it goes on after a
 * crash with the write at which it was.
 */
import { createHash } from "node:crypto";
import { mkdirSync } from "node:fs";
import { mkdir, readdir, rm } from "node:fs/promises";
import path from "node:path";
import { DAY_MS } from "@ebb/core/time";
import { type DuckDBConnection, DuckDBInstance } from "@duckdb/node-api";
import type { BatchJob, ExportedColumn, JobRunner, JobState } from "../batch-ports.ts";
import { TransientError } from "../ports.ts";
import { type BatchFile, BatchManifest, type StoredColumn } from "./batch-manifest.ts";
import { exportedColumns } from "./exported-columns.ts";
import { type JobPlan, type PlannedWrite, planOf } from "./job-plan.ts";
import { moveDurably } from "./lake-files.ts";
import { WITHOUT_BROKEN_STATISTICS, defineTable, defineTables } from "./lake-tables.ts";
import { parquetOptions, quoted } from "./parquet-conversion.ts";
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
/** Rows of a row group: a partition's file buffers one for each thread. */
const GROUP_ROWS = 32_768;
/** A file of a partition is never closed and begun anew: more partitions than this are not written at once. */
const MOST_PARTITIONS = 10_000;

export class DuckDbJobRunner implements JobRunner {
  readonly #options: JobRunnerOptions;
  readonly #manifest: BatchManifest;
  readonly #spill: string;
  readonly #live = new Map<string, Promise<void>>();
  #connection: DuckDBConnection | undefined;
  #closing = false;

  /** Opens the lake for writing and clears what a crash left behind. One process at a time may do so. */
  static async open(options: JobRunnerOptions): Promise<DuckDbJobRunner> {
    mkdirSync(path.join(options.folder, "tables"), { recursive: true });
    const runner = new DuckDbJobRunner(options);
    await rm(runner.#staging, { recursive: true, force: true });
    await removeUnnamed(options.folder, runner.#manifest.named());
    await runner.#removeOld();
    return runner;
  }

  private constructor(options: JobRunnerOptions) {
    this.#options = options;
    this.#manifest = new BatchManifest(options.folder, { readOnly: false });
    this.#spill = ownSpillFolder(path.join(options.folder, "spill"));
  }

  get #staging(): string {
    return path.join(this.#options.folder, "tables", ".staging");
  }

  async start(job: BatchJob, token: string): Promise<string> {
    if (job.erase !== undefined || job.eraseRaw !== undefined)
      throw new RangeError("on one machine files are rewritten: embedded/erase-lake.ts");
    const id = `job_${createHash("sha256").update(token).digest("hex").slice(0, 16)}`;
    this.#manifest.startJob(id, token, JSON.stringify(planOf(job)), this.#options.now());
    return id;
  }

  async state(jobId: string): Promise<JobState> {
    const job = this.#manifest.job(jobId);
    if (job === undefined) return { state: "failed", reason: "the job is not known any more", mayRetry: true };
    // Also after a crash: the plan is noted down, so whoever asks next brings it to its end.
    if (job.state.state === "running" && !this.#live.has(jobId) && !this.#closing) {
      const run = this.#inTurn(jobId, JSON.parse(job.plan) as JobPlan, job.written.length);
      this.#live.set(jobId, run);
      void run.finally(() => this.#live.delete(jobId));
    }
    return job.state;
  }

  async unwritten(tables: readonly string[]): Promise<string[]> {
    const written = new Set(this.#manifest.tables().map(({ name }) => name));
    return tables.filter((name) => !written.has(name));
  }

  async readColumns(exportKey: string, columns: readonly string[]): Promise<Record<string, ExportedColumn>> {
    const instance = await this.#instance();
    const connection = await instance.connect();
    try {
      return await exportedColumns(connection, path.join(this.#options.objectsFolder, exportKey), columns);
    } finally {
      connection.closeSync();
      instance.closeSync();
    }
  }

  /** Stops what runs; it goes on when somebody asks for its state again. */
  async close(): Promise<void> {
    this.#closing = true;
    this.#connection?.interrupt();
    await Promise.allSettled(this.#live.values());
    this.#manifest.close();
    await rm(this.#spill, { recursive: true, force: true });
  }

  #turn: Promise<void> = Promise.resolve();
  /** One job at a time has the memory. */
  #inTurn(jobId: string, plan: JobPlan, done: number): Promise<void> {
    const run = this.#turn.then(() => this.#run(jobId, plan, done));
    this.#turn = run;
    return run;
  }

  async #run(jobId: string, plan: JobPlan, done: number): Promise<void> {
    if (this.#closing) return;
    try {
      const instance = await this.#instance();
      const connection = await instance.connect();
      this.#connection = connection;
      const exports: Record<string, string> = {};
      try {
        await connection.run("SET preserve_insertion_order = false");
        await connection.run(`SET partitioned_write_max_open_files = ${MOST_PARTITIONS}`);
        const statements = [...plan.writes, ...plan.exports].map(({ sql }) => sql);
        await defineTables(connection, this.#options.folder, statements);
        for (const { name, columns, objectKeys } of plan.imports ?? [])
          await connection.run(`CREATE TEMP VIEW "${name}" AS ${this.#importSql(columns, objectKeys)}`);
        for (const write of plan.writes.slice(done)) await this.#write(connection, jobId, write);
        for (const { name, sql } of plan.exports) exports[name] = await this.#export(connection, jobId, name, sql);
      } finally {
        this.#connection = undefined;
        connection.closeSync();
        instance.closeSync();
      }
      const written = this.#manifest.job(jobId)?.written ?? [];
      this.#manifest.endJob(jobId, { state: "succeeded", written: sumsOf(written), exports });
      await this.#removeOld();
    } catch (error) {
      if (this.#closing) return; // interrupted: it is still running, and goes on with the next start
      this.#manifest.endJob(jobId, {
        state: "failed",
        reason: reasonOf(error),
        mayRetry: error instanceof TransientError,
      });
    }
  }

  #importSql(columns: readonly StoredColumn[], objectKeys: readonly string[]): string {
    if (objectKeys.length === 0)
      return `SELECT ${columns.map(({ name, type }) => `NULL::${type} AS "${name}"`).join(", ")} WHERE false`;
    const files = objectKeys.map((key) => quoted(path.join(this.#options.objectsFolder, key)));
    const typed = columns.map(({ name, type }) => `${quoted(name)}: ${quoted(type)}`);
    return `SELECT * FROM read_json([${files.join(", ")}], format = 'newline_delimited', columns = {${typed.join(", ")}})`;
  }

  async #write(connection: DuckDBConnection, jobId: string, write: PlannedWrite): Promise<void> {
    const { folder } = this.#options;
    const staging = path.join(this.#staging, write.table);
    await rm(staging, { recursive: true, force: true });
    await mkdir(staging, { recursive: true });
    const columns = write.columns.map(({ name, type }) => `CAST("${name}" AS ${type}) AS "${name}"`).join(", ");
    const partitioned = write.partition === undefined ? "" : `, PARTITION_BY ("${write.partition}")`;
    const target = write.partition === undefined ? path.join(staging, "data.parquet") : staging;
    const reader = await connection.runAndReadAll(
      `COPY (SELECT ${columns} FROM (\n${write.sql}\n)) TO ${quoted(target)}
       (${parquetOptions("snappy", GROUP_ROWS)}${partitioned}, RETURN_STATS true)`,
    );
    const files: BatchFile[] = [];
    for (const [file, rows] of reader.getRows()) {
      if (Number(rows) === 0) continue;
      const within = path.relative(staging, String(file)).split(path.sep);
      const partition =
        write.partition === undefined ? "" : decodeURIComponent(within[0]!.slice(within[0]!.indexOf("=") + 1));
      if (partition === "__HIVE_DEFAULT_PARTITION__")
        throw new Error(`${write.table} has a row without ${write.partition}`);
      const place = write.partition === undefined ? "" : `${write.partition}=${partition}/`;
      const name = `tables/${write.table}/${place}${jobId}-${this.#options.now().toString(36)}-${files.length}.parquet`;
      const bytes = await moveDurably(String(file), folder, name);
      files.push({ path: name, partition, rows: Number(rows), bytes });
    }
    await rm(staging, { recursive: true, force: true });
    const replaced =
      write.replaces === undefined
        ? undefined
        : [...new Set([...write.replaces, ...files.map((file) => file.partition)])];
    const table = { name: write.table, columns: write.columns, partition: write.partition };
    this.#manifest.swap(jobId, table, replaced, files, this.#options.now());
    const stored = this.#manifest.tables().find(({ name }) => name === write.table)!;
    await defineTable(connection, folder, stored); // those after it read it
  }

  async #export(connection: DuckDBConnection, jobId: string, name: string, sql: string): Promise<string> {
    await mkdir(this.#staging, { recursive: true });
    const staged = path.join(this.#staging, `${name}.parquet`);
    await connection.run(`COPY (\n${sql}\n) TO ${quoted(staged)} (${parquetOptions("snappy", GROUP_ROWS)})`);
    const key = `exports/${jobId}/${name}.parquet`;
    await mkdir(this.#options.objectsFolder, { recursive: true });
    await moveDurably(staged, this.#options.objectsFolder, key);
    return key;
  }

  async #instance(): Promise<DuckDBInstance> {
    const instance = await DuckDBInstance.create(":memory:", {
      memory_limit: `${this.#options.memoryMb ?? 1_024}MB`,
      threads: String(this.#options.threads ?? 2),
      temp_directory: this.#spill,
      autoinstall_known_extensions: "false",
      autoload_known_extensions: "false",
    });
    const connection = await instance.connect();
    await connection.run("SET GLOBAL TimeZone = 'UTC'");
    await connection.run(WITHOUT_BROKEN_STATISTICS);
    connection.closeSync();
    return instance;
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

/** Rows and files by table; a table that a job writes several times (one cutoff after the other) counts them all. */
const sumsOf = (
  written: readonly { readonly table: string; readonly rows: number; readonly files: number }[],
): Record<string, { rows: number; files: number }> => {
  const sums: Record<string, { rows: number; files: number }> = {};
  for (const { table, rows, files } of written) {
    const sum = (sums[table] ??= { rows: 0, files: 0 });
    sum.rows += rows;
    sum.files += files;
  }
  return sums;
};

const reasonOf = (error: unknown): string =>
  (error instanceof Error ? error.message : String(error)).replace(/^Failed to \w+ statements?: /, "").slice(0, 2_000);

/** Removes files of batch tables that the manifest does not name. */
const removeUnnamed = async (folder: string, named: ReadonlySet<string>): Promise<void> => {
  for (const entry of await readdir(path.join(folder, "tables"), { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const file = path.join(entry.parentPath, entry.name);
    if (!named.has(path.relative(folder, file).split(path.sep).join("/"))) await rm(file, { force: true });
  }
};
