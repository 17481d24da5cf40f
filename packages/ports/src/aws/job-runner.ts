/**
 * Batch jobs in AWS: Spark on EMR Serverless and statements on Athena, one after the other. A job's plan and its
 * progress are objects under `jobs/<id>/` of the lake's bucket; whoever asks for the state brings it one step further.
 * Every start carries a token made of the job and the step (EMR Serverless' `clientToken`, Athena's
 * `ClientRequestToken`), so a step that was started and not noted down is not started twice.
 */
import { createHash } from "node:crypto";
import { arrayBuffer } from "node:stream/consumers";
import type { AthenaClient, QueryExecution } from "@aws-sdk/client-athena";
import {
  GetQueryExecutionCommand,
  GetQueryResultsCommand,
  GetTableMetadataCommand,
  StartQueryExecutionCommand,
} from "@aws-sdk/client-athena";
import type { EMRServerlessClient } from "@aws-sdk/client-emr-serverless";
import { GetJobRunCommand, StartJobRunCommand } from "@aws-sdk/client-emr-serverless";
import type { BatchJob, ExportedColumn, JobRunner, JobState } from "../batch-ports.ts";
import { readJson } from "../json-objects.ts";
import type { ObjectStore } from "../ports.ts";
import { addColumnsStatement } from "./athena-statements.ts";
import { calling, mapLimit } from "./errors.ts";
import type { JobPlan, JobStep, SparkDocument, SparkResult } from "./job-document.ts";
import { planOf } from "./job-document.ts";
import { readParquetColumns } from "./parquet-columns.ts";

export interface SparkSettings {
  /** EMR Serverless application. */
  readonly applicationId: string;
  /** Role that the job runs with. */
  readonly roleArn: string;
  /** URI of packages/lake/spark/run_sql.py. */
  readonly entryPoint: string;
  /** As `sparkSubmitParameters` of ./spark-parameters.ts renders them. */
  readonly submitParameters: string;
}

export interface JobRunnerSettings {
  /** URI of the lake, without a slash at its end: `s3://bucket`. */
  readonly lake: string;
  /** Glue database of the lake. */
  readonly database: string;
  /** Athena workgroup; its scan cap bounds every statement. */
  readonly workgroup: string;
  readonly spark: SparkSettings;
}

interface Progress {
  /** Step under way, from 0. */
  readonly step: number;
  /** What the service calls it; absent until it was started. */
  readonly id?: string;
  readonly written: Readonly<Record<string, { readonly rows: number; readonly files: number }>>;
  readonly usage: Readonly<Record<string, number>>;
}

type StepState =
  | { readonly state: "running" }
  | { readonly state: "done"; readonly written?: Progress["written"]; readonly usage?: Progress["usage"] }
  | { readonly state: "failed"; readonly reason: string; readonly mayRetry: boolean };

/** Longer than any job of a day takes; a job beyond it is stopped, and fails. */
const SPARK_TIMEOUT_MINUTES = 360;

/** StartQueryExecution takes 20 calls a second of an account. */
const STARTED_AT_ONCE = 5;

/** Athena's own words for what may pass: another commit came first, the service was short of room. */
const PASSING_QUERY =
  /ICEBERG_COMMIT_ERROR|ICEBERG_VACUUM_MORE_RUNS_NEEDED|exhausted resources|INTERNAL_ERROR|SlowDown|throttl/i;

const sums = <Value>(
  a: Readonly<Record<string, Value>>,
  b: Readonly<Record<string, Value>>,
  add: (a: Value, b: Value) => Value,
) =>
  Object.entries(b).reduce<Record<string, Value>>(
    (all, [name, value]) => ({ ...all, [name]: all[name] === undefined ? value : add(all[name], value) }),
    { ...a },
  );

export class AwsJobRunner implements JobRunner {
  readonly #emr: EMRServerlessClient;
  readonly #athena: AthenaClient;
  readonly #objects: Pick<ObjectStore, "put" | "get" | "list" | "size">;
  readonly #settings: JobRunnerSettings;

  constructor(
    clients: { readonly emr: EMRServerlessClient; readonly athena: AthenaClient },
    objects: Pick<ObjectStore, "put" | "get" | "list" | "size">,
    settings: JobRunnerSettings,
  ) {
    this.#emr = clients.emr;
    this.#athena = clients.athena;
    this.#objects = objects;
    this.#settings = settings;
  }

  async start(job: BatchJob, token: string): Promise<string> {
    const jobId = `job_${createHash("sha256").update(token).digest("hex").slice(0, 32)}`;
    // The first plan stays: the same token with a job rendered anew must not change what is under way.
    if ((await this.#read<JobPlan>(jobId, "plan")) === undefined)
      await this.#write(jobId, "plan", planOf(job, token, { jobId, lake: this.#settings.lake }));
    if ((await this.#read<Progress>(jobId, "progress")) === undefined)
      await this.#write(jobId, "progress", { step: 0, written: {}, usage: {} } satisfies Progress);
    return jobId;
  }

  async state(jobId: string): Promise<JobState> {
    const plan = await this.#read<JobPlan>(jobId, "plan");
    let progress = await this.#read<Progress>(jobId, "progress");
    if (plan === undefined || progress === undefined)
      return { state: "failed", reason: `the job ${jobId} is not known any more`, mayRetry: true };
    for (let step = plan.steps[progress.step]; step !== undefined; step = plan.steps[progress.step]) {
      let { id }: Progress = progress;
      if (id === undefined) {
        id = await this.#begin(jobId, progress.step, step);
        progress = { ...progress, id };
        await this.#write(jobId, "progress", progress);
      }
      const state = await this.#look(jobId, progress.step, step, id);
      if (state.state !== "done") return state;
      progress = {
        step: progress.step + 1,
        written: sums(progress.written, state.written ?? {}, (a, b) => ({
          rows: a.rows + b.rows,
          files: a.files + b.files,
        })),
        usage: sums(progress.usage, state.usage ?? {}, (a, b) => a + b),
      };
      await this.#write(jobId, "progress", progress);
    }
    return { state: "succeeded", written: progress.written, exports: plan.exports, usage: progress.usage };
  }

  async unwritten(tables: readonly string[]): Promise<string[]> {
    const there = await mapLimit(tables, STARTED_AT_ONCE, (table) => this.#columnsOf(table));
    return tables.filter((_, index) => there[index] === undefined);
  }

  async readColumns(exportKey: string, columns: readonly string[]): Promise<Record<string, ExportedColumn>> {
    return readParquetColumns(this.#filesOf(exportKey), columns);
  }

  async *#filesOf(exportKey: string): AsyncGenerator<ArrayBuffer> {
    for await (const key of this.#objects.list(exportKey)) {
      // Spark leaves a marker and checksums beside its files.
      if (/^[_.]/.test(key.slice(exportKey.length)) || (await this.#objects.size(key)) === 0) continue;
      yield await arrayBuffer(await this.#objects.get(key));
    }
  }

  // ── steps ────────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Starts a step; answers what the service calls it. Empty where there is nothing to do. */
  async #begin(jobId: string, index: number, step: JobStep): Promise<string> {
    const token = `${jobId}-${index}`;
    switch (step.kind) {
      case "spark":
        return this.#startSpark(jobId, index, step.document, token);
      case "queries":
        return this.#startQueries(step.sql, token);
      case "upkeep": {
        const there = await mapLimit(step.statements, STARTED_AT_ONCE, async ({ table, sql }) =>
          (await this.#columnsOf(table)) === undefined ? [] : [sql],
        );
        return this.#startQueries(there.flat(), token);
      }
      case "count":
        return this.#startQuery(step.sql, token);
      case "columns": {
        const there = new Set((await this.#columnsOf(step.table)) ?? []);
        const missing = step.columns.filter(({ name }) => !there.has(name));
        return missing.length === 0 ? "" : this.#startQuery(addColumnsStatement(step.table, missing), token);
      }
    }
  }

  async #look(jobId: string, index: number, step: JobStep, id: string): Promise<StepState> {
    if (id === "") return { state: "done" };
    if (step.kind === "spark") return this.#sparkState(jobId, index, id);
    const states = await mapLimit(id.split(","), STARTED_AT_ONCE, (each) => this.#queryState(each));
    const state = together(states);
    if (state.state !== "done" || step.kind !== "count") return state;
    return { ...state, written: { [step.table]: await this.#counts(id) } };
  }

  async #startSpark(jobId: string, index: number, document: SparkDocument, clientToken: string): Promise<string> {
    const { lake, database, spark } = this.#settings;
    await this.#write(jobId, `spark-${index}`, document);
    const uri = (name: string): string => `${lake}/${name}`;
    const { jobRunId } = await calling("starting a Spark job", () =>
      this.#emr.send(
        new StartJobRunCommand({
          applicationId: spark.applicationId,
          clientToken,
          executionRoleArn: spark.roleArn,
          name: document.job,
          executionTimeoutMinutes: SPARK_TIMEOUT_MINUTES,
          jobDriver: {
            sparkSubmit: {
              entryPoint: spark.entryPoint,
              entryPointArguments: [
                ["--job", uri(objectName(jobId, `spark-${index}`))],
                ["--result", uri(objectName(jobId, `result-${index}`))],
                ["--raw-events", uri("raw_events/")],
                ["--database", database],
                ["--warehouse", uri("tables")],
              ].flat(),
              sparkSubmitParameters: spark.submitParameters,
            },
          },
        }),
      ),
    );
    return jobRunId!;
  }

  async #sparkState(jobId: string, index: number, jobRunId: string): Promise<StepState> {
    const { jobRun } = await calling("asking for a Spark job", () =>
      this.#emr.send(new GetJobRunCommand({ applicationId: this.#settings.spark.applicationId, jobRunId })),
    );
    const state = jobRun?.state;
    if (state !== "SUCCESS" && state !== "FAILED" && state !== "CANCELLED") return { state: "running" };
    const result = await this.#read<SparkResult>(jobId, `result-${index}`);
    if (state === "SUCCESS" && result?.state === "succeeded") {
      const billed = jobRun?.billedResourceUtilization;
      return {
        state: "done",
        written: result.written,
        usage: {
          ...result.usage,
          ...(billed?.vCPUHour === undefined ? {} : { vcpuHours: billed.vCPUHour }),
          ...(billed?.memoryGBHour === undefined ? {} : { memoryGbHours: billed.memoryGBHour }),
        },
      };
    }
    if (result?.state === "failed") return result;
    // Without a result the driver did not live to write one: it was stopped (a time-out, an operator), or lost.
    const reason = `the Spark job ${jobRunId} ended as ${state}: ${jobRun?.stateDetails ?? "no details"}`;
    return { state: "failed", reason, mayRetry: state === "FAILED" };
  }

  async #startQueries(statements: readonly string[], token: string): Promise<string> {
    const ids = await mapLimit([...statements.entries()], STARTED_AT_ONCE, ([at, sql]) =>
      this.#startQuery(sql, `${token}-${at}`),
    );
    return ids.join(",");
  }

  async #startQuery(sql: string, token: string): Promise<string> {
    const { QueryExecutionId } = await calling("starting a statement", () =>
      this.#athena.send(
        new StartQueryExecutionCommand({
          QueryString: sql,
          ClientRequestToken: token,
          WorkGroup: this.#settings.workgroup,
          QueryExecutionContext: { Database: this.#settings.database },
        }),
      ),
    );
    return QueryExecutionId!;
  }

  async #queryState(id: string): Promise<StepState> {
    const { QueryExecution } = await calling("asking for a statement", () =>
      this.#athena.send(new GetQueryExecutionCommand({ QueryExecutionId: id })),
    );
    const state = QueryExecution?.Status?.State;
    if (state === "SUCCEEDED") {
      const { DataScannedInBytes, TotalExecutionTimeInMillis } = QueryExecution?.Statistics ?? {};
      return {
        state: "done",
        usage: { scannedBytes: DataScannedInBytes ?? 0, queryMs: TotalExecutionTimeInMillis ?? 0 },
      };
    }
    return state === "FAILED" || state === "CANCELLED" ? failureOf(QueryExecution!) : { state: "running" };
  }

  async #counts(id: string): Promise<{ rows: number; files: number }> {
    const { ResultSet } = await calling("reading a count", () =>
      this.#athena.send(new GetQueryResultsCommand({ QueryExecutionId: id })),
    );
    const [rows, files] = ResultSet?.Rows?.at(-1)?.Data ?? [];
    return { rows: Number(rows?.VarCharValue), files: Number(files?.VarCharValue) };
  }

  /** Undefined where there is no such table. */
  async #columnsOf(table: string): Promise<string[] | undefined> {
    const command = new GetTableMetadataCommand({
      CatalogName: "AwsDataCatalog",
      DatabaseName: this.#settings.database,
      TableName: table,
    });
    try {
      const { TableMetadata } = await calling("reading a table's columns", () => this.#athena.send(command));
      return [...(TableMetadata?.Columns ?? []), ...(TableMetadata?.PartitionKeys ?? [])].map(({ Name }) => Name!);
    } catch (error) {
      // Athena hands on what the catalogue says.
      if (error instanceof Error && error.name === "MetadataException" && /not found/i.test(error.message))
        return undefined;
      throw error;
    }
  }

  // ── what is noted down ───────────────────────────────────────────────────────────────────────────────────────────

  #read<Document>(jobId: string, name: string): Promise<Document | undefined> {
    return readJson<Document>(this.#objects, objectName(jobId, name));
  }

  async #write(jobId: string, name: string, document: object): Promise<void> {
    await this.#objects.put(objectName(jobId, name), Buffer.from(JSON.stringify(document)));
  }
}

/** One failure fails all; they are done when each is. */
const together = (states: readonly StepState[]): StepState =>
  states.find(({ state }) => state === "failed") ??
  states.find(({ state }) => state === "running") ??
  states.reduce<StepState & { state: "done" }>(
    (all, each) => ({ state: "done", usage: sums(all.usage ?? {}, (each as typeof all).usage ?? {}, (a, b) => a + b) }),
    { state: "done" },
  );

const objectName = (jobId: string, name: string): string => `jobs/${jobId}/${name}.json`;

const failureOf = ({ Status }: QueryExecution): StepState => {
  const { StateChangeReason, AthenaError, State } = Status ?? {};
  const reason = StateChangeReason ?? AthenaError?.ErrorMessage ?? "Athena gave no reason";
  // A statement is cancelled by the scan cap, or by a person: neither passes by itself.
  const mayRetry = State === "FAILED" && (AthenaError?.Retryable === true || PASSING_QUERY.test(reason));
  return { state: "failed", reason, mayRetry };
};
