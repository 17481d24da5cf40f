/** What a proof of the Spark job stands on: the job runner of the AWS home, a lake on disk, Iceberg's reader, and DuckDB. */
import assert from "node:assert/strict";
import { globSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { AthenaClient } from "@aws-sdk/client-athena";
import { EMRServerlessClient, StartJobRunCommand } from "@aws-sdk/client-emr-serverless";
import type { StreamEvent } from "@ebb/core/stream-event";
import type { BatchTable } from "@ebb/lake/batch-table";
import { type ScalarType, duckdbType } from "@ebb/lake/columns";
import { lakeOf, rowsOf } from "@ebb/lake/testing";
import type { DuckDBConnection } from "@duckdb/node-api";
import type { JobState } from "@ebb/ports/batch-ports";
import type { SparkDocument, SparkResult } from "@ebb/ports/aws/job-document";
import { AwsJobRunner } from "@ebb/ports/aws/job-runner";
import { sparkSubmitParameters } from "@ebb/ports/aws/spark-parameters";
import { EmbeddedObjectStore } from "@ebb/ports/embedded/object-store";
import { mavenJars } from "../support/maven-jars.ts";
import { type EmrServerless, startEmrServerless } from "./emr-serverless.ts";
import { type SparkLine, type SparkSession, startSparkSession } from "./spark.ts";

/** What each line of EMR brings along: 7.x has Iceberg 1.10 and Scala 2.12, the Spark 4.1 line 1.11 and 2.13. */
const icebergRuntimes: Readonly<Record<SparkLine, string>> = {
  "3.5": "org.apache.iceberg:iceberg-spark-runtime-3.5_2.12:1.10.0",
  "4.1": "org.apache.iceberg:iceberg-spark-runtime-4.1_2.13:1.11.0",
};

const entryPoint = path.resolve(import.meta.dirname, "../../packages/lake/spark/run_sql.py");
const database = "ebb_test";

process.env["AWS_ACCESS_KEY_ID"] ??= "test";
process.env["AWS_SECRET_ACCESS_KEY"] ??= "test";

export interface SparkJobs {
  /** The lake on disk. */
  readonly lakeFolder: string;
  readonly runner: AwsJobRunner;
  readonly emr: EmrServerless;
  /** The same events in DuckDB, which says what must come out. */
  readonly oracle: DuckDBConnection;
  /** Rows that a run has made itself, as objects of JSON Lines, and in the oracle as a table. Answers the objects' keys. */
  readonly give: (
    name: string,
    columns: Readonly<Record<string, ScalarType>>,
    objects: readonly (readonly object[])[],
  ) => Promise<string[]>;
  /** Events land in the lake's layout, and in the oracle. */
  readonly land: (events: readonly StreamEvent[], dt: string) => Promise<void>;
  /** The last state of a job. */
  readonly finished: (jobId: string) => Promise<JobState>;
  /** Runs a document by the same two calls, without the runner's plan around it. */
  readonly submit: (name: string, document: SparkDocument) => Promise<SparkResult>;
  /** What the runner gave Spark for a job. */
  readonly documentOf: (jobId: string) => SparkDocument;
  /** A table by its full name in Iceberg's catalogue. */
  readonly stored: (table: string) => string;
  /** Rows of a SELECT on Iceberg's tables. */
  readonly values: (sql: string) => Promise<unknown[][]>;
  readonly snapshots: (table: string) => Promise<number>;
  /** Asserts that a table has the same rows on Iceberg and in DuckDB. */
  readonly sameRows: (table: BatchTable) => Promise<void>;
  /** Data files of a table that lie on disk, whether a snapshot still names them or not. */
  readonly dataFiles: (table: string) => string[];
  readonly stop: () => Promise<void>;
}

/** Iceberg for Spark, as a path. */
export const icebergJar = async (line: SparkLine): Promise<string> => {
  const jars = await mavenJars(`iceberg-spark-${line}`, [icebergRuntimes[line]], "47 MB, some seconds");
  return globSync(`${jars}/iceberg-spark-runtime-*.jar`)[0]!;
};

export const startSparkJobs = async (line: SparkLine): Promise<SparkJobs> => {
  const folder = mkdtempSync(path.join(tmpdir(), `ebb-spark-job-${line}-`));
  const lakeFolder = path.join(folder, "lake");
  const lakeUri = `file:${lakeFolder}`;
  const objects = new EmbeddedObjectStore(lakeFolder);
  const jar = await icebergJar(line);
  const catalogue = { type: "hadoop", warehouse: `${lakeUri}/tables`, "cache-enabled": "false" };
  const parameters = sparkSubmitParameters({
    icebergJar: jar,
    catalogue,
    // The reader has other memory of its own; two cores need no 200 partitions of a shuffle.
    settings: { "spark.driver.memory": "1500m", "spark.sql.shuffle.partitions": "4" },
  });
  const emr = await startEmrServerless(line, folder);
  const client = new EMRServerlessClient({ region: "us-east-1", endpoint: emr.endpoint });
  const runner = new AwsJobRunner({ emr: client, athena: new AthenaClient({ region: "us-east-1" }) }, objects, {
    lake: lakeUri,
    database,
    workgroup: "unused",
    spark: {
      applicationId: "00f1",
      roleArn: "arn:aws:iam::123456789012:role/job",
      entryPoint: `file:${entryPoint}`,
      submitParameters: parameters,
    },
  });
  let reading: Promise<SparkSession> | undefined;
  /** Not every proof reads Iceberg's tables, and a session takes seconds to start. */
  const reader = (): Promise<SparkSession> =>
    (reading ??= startSparkSession(line, {
      "spark.jars": jar,
      "spark.sql.catalog.lake": "org.apache.iceberg.spark.SparkCatalog",
      ...Object.fromEntries(
        Object.entries(catalogue).map(([name, value]) => [`spark.sql.catalog.lake.${name}`, value]),
      ),
    }));
  const oracle = await lakeOf([]);
  await oracle.run("CREATE TABLE erased_customers (customer_key VARCHAR)");

  const give: SparkJobs["give"] = async (name, columns, given) => {
    const keys = given.map((_, at) => `exports/run/${name}-${at}.jsonl`);
    for (const [at, rows] of given.entries())
      await objects.put(keys[at]!, Buffer.from(rows.map((row) => JSON.stringify(row)).join("\n")));
    const types = Object.entries(columns).map(([column, type]) => `'${column}': '${duckdbType({ type })}'`);
    const files = keys.map((key) => `'${path.join(lakeFolder, key)}'`);
    await oracle.run(
      `CREATE TABLE ${name} AS SELECT * FROM read_json([${files.join(", ")}], format = 'newline_delimited', columns = {${types.join(", ")}})`,
    );
    return keys;
  };

  /** Events land in the lake's layout, and in the oracle. */
  const land = async (events: readonly StreamEvent[], dt: string): Promise<void> => {
    const one = await lakeOf(events);
    mkdirSync(`${lakeFolder}/raw_events`, { recursive: true });
    await one.run(
      `COPY (SELECT * REPLACE ('${dt}' AS dt) FROM raw_events) TO '${lakeFolder}/raw_events'
       (FORMAT parquet, PARTITION_BY (dt, hour), OVERWRITE_OR_IGNORE, FILENAME_PATTERN 'part-{uuid}')`,
    );
    const file = path.join(folder, `${dt}.parquet`);
    await one.run(`COPY (SELECT * REPLACE ('${dt}' AS dt) FROM raw_events) TO '${file}' (FORMAT parquet)`);
    await oracle.run(`INSERT INTO raw_events SELECT * FROM read_parquet('${file}')`);
  };

  const finished = async (jobId: string): Promise<JobState> => {
    for (;;) {
      const state = await runner.state(jobId);
      if (state.state !== "running") return state;
      await Promise.race([emr.jobs.at(-1)!.ended, sleep(1_000)]);
    }
  };

  /** Runs a document by the same two calls, without the runner's plan around it. */
  const submit = async (name: string, document: SparkDocument): Promise<SparkResult> => {
    const uri = (what: string): string => `${lakeUri}/${name}-${what}.json`;
    writeFileSync(path.join(lakeFolder, `${name}-job.json`), JSON.stringify(document));
    await client.send(
      new StartJobRunCommand({
        applicationId: "00f1",
        clientToken: name,
        executionRoleArn: "arn:aws:iam::123456789012:role/job",
        jobDriver: {
          sparkSubmit: {
            entryPoint: `file:${entryPoint}`,
            entryPointArguments: [
              ...["--job", uri("job"), "--result", uri("result"), "--raw-events", `${lakeUri}/raw_events/`],
              ...["--database", database, "--warehouse", `${lakeUri}/tables`],
            ],
            sparkSubmitParameters: parameters,
          },
        },
      }),
    );
    await emr.jobs.at(-1)!.ended;
    return JSON.parse(readFileSync(path.join(lakeFolder, `${name}-result.json`), "utf8")) as SparkResult;
  };

  const stored = (table: string): string => `lake.${database}.${table}`;
  const values = async (sql: string): Promise<unknown[][]> =>
    (await (await reader()).engine.rows(sql)).rows.map((row) => [...row]);
  const snapshots = async (table: string): Promise<number> =>
    (await values(`SELECT snapshot_id FROM ${stored(table)}.snapshots`)).length;

  /** Every row of a table, on Iceberg and in DuckDB, as sorted text: instants in milliseconds, doubles to 12 digits. */
  const sameRows = async (table: BatchTable): Promise<void> => {
    const columns = Object.entries(table.columns).filter(([, { type }]) => typeof type === "string");
    const spark = columns.map(([name, { type }]) =>
      type === "timestamp" ? `unix_millis(CAST(${name} AS timestamp)) AS ${name}` : name,
    );
    const duckdb = columns.map(([name, { type }]) => {
      if (type === "timestamp") return `epoch_ms(${name}) AS ${name}`;
      return type === "date" || type === "decimal(18,6)" || type === "decimal(38,12)"
        ? `${name}::VARCHAR AS ${name}`
        : name;
    });
    const plain = (value: unknown): string => {
      if (typeof value === "number" && !Number.isInteger(value)) return value.toPrecision(12);
      const text = value === null ? "NULL" : `${value as string | number | bigint | boolean}`;
      return /^-?\d+\.\d+$/.test(text) ? String(Number(text)) : text;
    };
    const written = (await values(`SELECT ${spark.join(", ")} FROM ${stored(table.name)}`)).map((row) =>
      row.map(plain).join("|"),
    );
    const expected = (await rowsOf(oracle, `SELECT ${duckdb.join(", ")} FROM ${table.name}`)).map((row) =>
      Object.values(row).map(plain).join("|"),
    );
    assert.ok(expected.length > 0, table.name);
    assert.deepEqual(written.sort(), expected.sort(), table.name);
  };

  /** What the runner gave Spark for a job. */
  const documentOf = (jobId: string): SparkDocument =>
    JSON.parse(readFileSync(`${lakeFolder}/jobs/${jobId}/spark-0.json`, "utf8")) as SparkDocument;

  return {
    lakeFolder,
    runner,
    emr,
    oracle,
    give,
    land,
    finished,
    submit,
    documentOf,
    stored,
    values,
    snapshots,
    sameRows,
    dataFiles: (table) => globSync(`${lakeFolder}/tables/${database}/${table}/data/**/*.parquet`),
    async stop() {
      await emr.stop();
      client.destroy();
      await (await reading)?.engine.stop();
      rmSync(folder, { recursive: true, force: true });
    },
  };
};
