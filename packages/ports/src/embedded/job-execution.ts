/** Batch jobs as they are run: DuckDB over the files that the manifests name, one job at a time. */
import { mkdir, rm } from "node:fs/promises";
import path from "node:path";
import { ofMonth } from "@ebb/lake/batch/literals";
import { type DuckDBConnection, DuckDBInstance } from "@duckdb/node-api";
import { TransientError } from "../ports.ts";
import type { BatchFile, BatchManifest, StoredColumn } from "./batch-manifest.ts";
import type { JobPlan, PlannedWrite } from "./job-plan.ts";
import { moveDurably } from "./lake-files.ts";
import { WITHOUT_BROKEN_STATISTICS, defineTable, defineTables, rawFiles } from "./lake-tables.ts";
import { type Extent, cheaperByMonth } from "./month-by-month.ts";
import { parquetOptions, quoted } from "./parquet-conversion.ts";

export interface EngineOptions {
  /** The lake's own folder. */
  readonly folder: string;
  /** Root of the object store: exports are objects. */
  readonly objectsFolder: string;
  /** What does not fit is spilled. */
  readonly memoryMb: number;
  readonly threads: number;
  readonly spill: string;
}

/** Rows of a row group: a partition's file buffers one for each thread. */
const GROUP_ROWS = 32_768;
/** A file of a partition is never closed and begun anew: more partitions than this are not written at once. */
const MOST_PARTITIONS = 10_000;

/** Where writes leave their files until they are whole. */
export const stagingOf = ({ folder }: Pick<EngineOptions, "folder">): string => path.join(folder, "tables", ".staging");

export const openEngine = async ({
  memoryMb,
  threads,
  spill,
}: Pick<EngineOptions, "memoryMb" | "threads" | "spill">): Promise<DuckDBInstance> => {
  const instance = await DuckDBInstance.create(":memory:", {
    memory_limit: `${memoryMb}MB`,
    threads: String(threads),
    temp_directory: spill,
    autoinstall_known_extensions: "false",
    autoload_known_extensions: "false",
  });
  const connection = await instance.connect();
  await connection.run("SET GLOBAL TimeZone = 'UTC'");
  await connection.run(WITHOUT_BROKEN_STATISTICS);
  connection.closeSync();
  return instance;
};

export class JobExecution {
  readonly #options: EngineOptions;
  readonly #manifest: BatchManifest;
  #connection: DuckDBConnection | undefined;
  #stopping = false;

  constructor(options: EngineOptions, manifest: BatchManifest) {
    this.#options = options;
    this.#manifest = manifest;
  }

  #turn: Promise<void> = Promise.resolve();
  /**
   * Brings a job to its end, whatever that is, from the write on at which it was. One job at a time has the memory.
   *
   * @param nowMs epoch milliseconds at which its files are written
   */
  run(jobId: string, nowMs: number): Promise<void> {
    const run = this.#turn.then(() => this.#run(jobId, nowMs));
    this.#turn = run;
    return run;
  }

  /** Interrupts the job that runs, which goes on when it is run again. Resolves when nothing runs. */
  async stop(): Promise<void> {
    this.#stopping = true;
    this.#connection?.interrupt();
    await this.#turn;
  }

  async #run(jobId: string, nowMs: number): Promise<void> {
    const job = this.#manifest.job(jobId);
    if (this.#stopping || job?.state.state !== "running") return;
    const plan = JSON.parse(job.plan) as JobPlan;
    const done = job.written.length;
    try {
      const instance = await openEngine(this.#options);
      const connection = await instance.connect();
      this.#connection = connection;
      const exports: Record<string, string> = {};
      try {
        await connection.run("SET preserve_insertion_order = false");
        await connection.run(`SET partitioned_write_max_open_files = ${MOST_PARTITIONS}`);
        // A statement names the files of raw events several times, and a job has several: their footers are read once.
        await connection.run("SET parquet_metadata_cache = true");
        const statements = [
          ...[...plan.writes, ...plan.exports].map(({ sql }) => sql),
          ...plan.writes.flatMap(({ byMonth }) => (byMonth === undefined ? [] : [byMonth.monthsSql])),
        ];
        await defineTables(connection, this.#options.folder, statements);
        for (const { name, columns, objectKeys } of plan.imports ?? [])
          await connection.run(`CREATE TEMP VIEW "${name}" AS ${this.#importSql(columns, objectKeys)}`);
        for (const [at, write] of plan.writes.entries()) {
          if (this.#stopping) return; // between two statements there is nothing to interrupt
          if (at >= done) await this.#write(connection, { id: jobId, nowMs, at }, write);
        }
        for (const { name, sql } of plan.exports) {
          if (this.#stopping) return;
          exports[name] = await this.#export(connection, jobId, name, sql);
        }
      } finally {
        this.#connection = undefined;
        connection.closeSync();
        instance.closeSync();
      }
      const written = this.#manifest.job(jobId)?.written ?? [];
      this.#manifest.endJob(jobId, { state: "succeeded", written: sumsOf(written), exports });
    } catch (error) {
      if (this.#stopping) return; // interrupted: it is still running
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

  async #write(
    connection: DuckDBConnection,
    job: { readonly id: string; readonly nowMs: number; readonly at: number },
    write: PlannedWrite,
  ): Promise<void> {
    const { folder } = this.#options;
    const staging = path.join(stagingOf(this.#options), write.table);
    await rm(staging, { recursive: true, force: true });
    await mkdir(staging, { recursive: true });
    const copied: (readonly [file: string, rows: number])[] = [];
    for (const { sql, target, partitioned } of await this.#statements(connection, write, staging)) {
      const columns = write.columns
        .filter(({ name }) => partitioned || name !== write.partition)
        .map(({ name, type }) => `CAST("${name}" AS ${type}) AS "${name}"`)
        .join(", ");
      if (this.#stopping) throw new Error("stopped between two statements");
      const reader = await connection.runAndReadAll(
        `COPY (SELECT ${columns} FROM (\n${sql}\n)) TO ${quoted(target)}
         (${parquetOptions("snappy", GROUP_ROWS)}${partitioned ? `, PARTITION_BY ("${write.partition}")` : ""}, RETURN_STATS true)`,
      );
      for (const [file, rows] of reader.getRows()) copied.push([String(file), Number(rows)]);
    }
    const files: BatchFile[] = [];
    for (const [file, rows] of copied) {
      if (rows === 0) continue;
      const within = path.relative(staging, file).split(path.sep);
      const partition =
        write.partition === undefined ? "" : decodeURIComponent(within[0]!.slice(within[0]!.indexOf("=") + 1));
      if (partition === "__HIVE_DEFAULT_PARTITION__")
        throw new Error(`${write.table} has a row without ${write.partition}`);
      const place = write.partition === undefined ? "" : `${write.partition}=${partition}/`;
      const name = `tables/${write.table}/${place}${job.id}-${job.nowMs.toString(36)}-${job.at}-${files.length}.parquet`;
      const bytes = await moveDurably(file, folder, name);
      files.push({ path: name, partition, rows, bytes });
    }
    await rm(staging, { recursive: true, force: true });
    const replaced =
      write.replaces === undefined
        ? undefined
        : [...new Set([...write.replaces, ...files.map((file) => file.partition)])];
    const table = { name: write.table, columns: write.columns, partition: write.partition };
    this.#manifest.swap(job.id, table, replaced, files, job.nowMs);
    const stored = this.#manifest.tables().find(({ name }) => name === write.table)!;
    await defineTable(connection, folder, stored); // those after it read it
  }

  /** Of a write the statements that make its files: one, or one for each month. */
  async #statements(
    connection: DuckDBConnection,
    { partition, sql, byMonth }: PlannedWrite,
    staging: string,
  ): Promise<{ readonly sql: string; readonly target: string; readonly partitioned: boolean }[]> {
    if (partition === undefined) return [{ sql, target: path.join(staging, "data.parquet"), partitioned: false }];
    const whole = [{ sql, target: staging, partitioned: true }];
    if (byMonth === undefined) return whole;
    const extent = this.#extentOf(byMonth.reads);
    if (!cheaperByMonth(extent, 1)) return whole;
    const months = (await connection.runAndReadAll(byMonth.monthsSql)).getRows().map(([month]) => String(month));
    if (!cheaperByMonth(extent, months.length)) return whole;
    const statements = months.sort().map((month) => ({ month, folder: path.join(staging, `${partition}=${month}`) }));
    for (const { folder } of statements) await mkdir(folder);
    return statements.map(({ month, folder }) => ({
      sql: ofMonth(byMonth.sql, month),
      target: path.join(folder, "data.parquet"),
      partitioned: false,
    }));
  }

  #extentOf(tables: readonly string[]): Extent {
    const files = [
      ...this.#manifest.files().filter(({ table }) => tables.includes(table)),
      ...(tables.includes("raw_events") ? rawFiles(this.#options.folder) : []),
    ];
    return { rows: files.reduce((sum, { rows }) => sum + rows, 0), files: files.length };
  }

  async #export(connection: DuckDBConnection, jobId: string, name: string, sql: string): Promise<string> {
    await mkdir(stagingOf(this.#options), { recursive: true });
    const staged = path.join(stagingOf(this.#options), `${name}.parquet`);
    await connection.run(`COPY (\n${sql}\n) TO ${quoted(staged)} (${parquetOptions("snappy", GROUP_ROWS)})`);
    const key = `exports/${jobId}/${name}.parquet`;
    await mkdir(this.#options.objectsFolder, { recursive: true });
    await moveDurably(staged, this.#options.objectsFolder, key);
    return key;
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
