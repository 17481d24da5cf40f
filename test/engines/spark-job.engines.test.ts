/**
 * The Spark job as EMR Serverless starts it: the job runner of the AWS home, the SDK's own client, spark-submit with the
 * runner's entry point, arguments and parameters, Parquet in the lake's layout in, Iceberg tables out. DuckDB, over the
 * same files, says what must be in them.
 */
import assert from "node:assert/strict";
import { globSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, before, describe, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { AthenaClient } from "@aws-sdk/client-athena";
import { EMRServerlessClient, StartJobRunCommand } from "@aws-sdk/client-emr-serverless";
import type { StreamEvent } from "@ebb/core/stream-event";
import type { BatchTable } from "@ebb/lake/batch-table";
import { batchTables } from "@ebb/lake/batch/batch-tables";
import { curatedActivity, curatedOrderEvents } from "@ebb/lake/batch/curated";
import { customerLabels } from "@ebb/lake/batch/customer-labels";
import { makeHistory } from "@ebb/lake/batch/history";
import { write } from "@ebb/lake/batch/testing";
import { lakeOf, rowsOf } from "@ebb/lake/testing";
import type { DuckDBConnection } from "@duckdb/node-api";
import type { BatchJob, JobState } from "@ebb/ports/batch-ports";
import { type SparkDocument, type SparkResult, sparkDocument } from "@ebb/ports/aws/job-document";
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
const cutoff = "2024-07-01T00:00:00.000Z";

process.env["AWS_ACCESS_KEY_ID"] ??= "test";
process.env["AWS_SECRET_ACCESS_KEY"] ??= "test";

for (const line of ["3.5", "4.1"] as const)
  describe(`the Spark job on Spark ${line}`, { concurrency: 1 }, () => {
    const folder = mkdtempSync(path.join(tmpdir(), `ebb-spark-job-${line}-`));
    const lakeFolder = path.join(folder, "lake");
    const lakeUri = `file:${lakeFolder}`;
    const objects = new EmbeddedObjectStore(lakeFolder);
    let emr: EmrServerless;
    let client: EMRServerlessClient;
    let runner: AwsJobRunner;
    let reader: SparkSession;
    /** The same events in DuckDB, which says what must come out. */
    let oracle: DuckDBConnection;
    let parameters: string;

    before(async () => {
      const jars = await mavenJars(`iceberg-spark-${line}`, [icebergRuntimes[line]], "47 MB, some seconds");
      const [icebergJar] = globSync(`${jars}/iceberg-spark-runtime-*.jar`);
      const catalogue = { type: "hadoop", warehouse: `${lakeUri}/tables`, "cache-enabled": "false" };
      parameters = sparkSubmitParameters({
        icebergJar: icebergJar!,
        catalogue,
        // The reader has other memory of its own; two cores need no 200 partitions of a shuffle.
        settings: { "spark.driver.memory": "1500m", "spark.sql.shuffle.partitions": "4" },
      });
      emr = await startEmrServerless(line, folder);
      client = new EMRServerlessClient({ region: "us-east-1", endpoint: emr.endpoint });
      runner = new AwsJobRunner({ emr: client, athena: new AthenaClient({ region: "us-east-1" }) }, objects, {
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
      reader = await startSparkSession(line, {
        "spark.jars": icebergJar!,
        "spark.sql.catalog.lake": "org.apache.iceberg.spark.SparkCatalog",
        ...Object.fromEntries(
          Object.entries(catalogue).map(([name, value]) => [`spark.sql.catalog.lake.${name}`, value]),
        ),
      });
      oracle = await lakeOf([]);
      await oracle.run("CREATE TABLE erased_customers (customer_key VARCHAR)");
    });
    after(async () => {
      await emr.stop();
      client.destroy();
      await reader.engine.stop();
      rmSync(folder, { recursive: true, force: true });
    });

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
    const submit = async (
      name: string,
      document: SparkDocument,
      more: readonly string[] = [],
    ): Promise<SparkResult> => {
      const uri = (what: string): string => `${lakeUri}/${name}-${what}.json`;
      writeFileSync(path.join(lakeFolder, `${name}-job.json`), JSON.stringify(document));
      await client.send(
        new StartJobRunCommand({
          applicationId: "00f1",
          clientToken: `${name}-${emr.jobs.length}`,
          executionRoleArn: "arn:aws:iam::123456789012:role/job",
          jobDriver: {
            sparkSubmit: {
              entryPoint: `file:${entryPoint}`,
              entryPointArguments: [
                ...["--job", uri("job"), "--result", uri("result"), "--raw-events", `${lakeUri}/raw_events/`],
                ...["--database", database, "--warehouse", `${lakeUri}/tables`, ...more],
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
      (await reader.engine.rows(sql)).rows.map((row) => [...row]);
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

    /** What the runner gave Spark for the first job. */
    const firstDocument = (): SparkDocument => {
      const file = `${lakeFolder}/jobs/${firstId}/spark-0.json`;
      return JSON.parse(readFileSync(file, "utf8")) as SparkDocument;
    };

    const months = async (): Promise<string[]> =>
      (await rowsOf(oracle, `SELECT DISTINCT month FROM curated_order_events ORDER BY month`)).map((row) =>
        String(row["month"]),
      );

    const firstJob: BatchJob = {
      name: "curate-and-labels",
      writes: [
        { table: curatedOrderEvents, parameters: {} },
        { table: curatedActivity, parameters: {} },
        // Reads what the writes before it wrote.
        { table: customerLabels, parameters: { cutoff, horizonDays: 90 } },
      ],
      exports: [
        {
          name: "orders",
          sql: () =>
            "SELECT customer_key, occurred_at, reporting_minor, units, full_refund FROM curated_order_events ORDER BY event_id",
        },
      ],
    };
    let firstId: string;
    let firstState: JobState & { state: "succeeded" };

    it("writes the tables that DuckDB writes from the same files, one file a partition", async () => {
      await land(makeHistory({ seed: 11, customers: 60 }), "2026-01-01");
      for (const { table, parameters: given } of firstJob.writes) await write(oracle, table, given);
      firstId = await runner.start(firstJob, "run-1");
      const state = await finished(firstId);
      assert.equal(state.state, "succeeded", JSON.stringify(state));
      firstState = state;
      for (const { table } of firstJob.writes) {
        await sameRows(table);
        const counted = await rowsOf(oracle, `SELECT count(*) AS n FROM ${table.name}`);
        assert.equal(state.written[table.name]?.rows, counted[0]!["n"], table.name);
      }
      assert.equal(state.written["curated_order_events"]?.files, (await months()).length);
      assert.ok(state.usage!["tasks"]! > 0 && state.usage!["vcpuHours"] === 0.5);
      const format = await values(`SHOW TBLPROPERTIES ${stored("curated_order_events")} ('format-version')`);
      assert.deepEqual(format, [["format-version", "2"]]);
    });

    it("exports columns as Parquet that the home reads back: numbers, NULL as NaN, the rest as text", async () => {
      const names = ["customer_key", "occurred_at", "reporting_minor", "units", "full_refund"];
      const columns = await runner.readColumns(firstState.exports["orders"]!, names);
      const rows = await rowsOf(oracle, `SELECT ${names.join(", ")} FROM curated_order_events ORDER BY event_id`);
      for (const name of names)
        assert.deepEqual(
          [...columns[name]!],
          rows.map((row) => {
            const value = row[name];
            if (name === "reporting_minor" || name === "units") return value === null ? NaN : Number(value);
            return value === null ? undefined : `${value as string | boolean}`;
          }),
          name,
        );
    });

    it("starts nothing for a token that it knows, and leaves the tables as they are when the job runs again", async () => {
      const jobs = emr.jobs.length;
      const again = await finished(await runner.start(firstJob, "run-1"));
      assert.deepEqual(again, firstState);
      assert.equal(emr.jobs.length, jobs);
      // The service may run the very job twice: the same arguments once more.
      const before = await snapshots("curated_order_events");
      const result = await submit("again", firstDocument());
      assert.equal(result.state, "succeeded", JSON.stringify(result));
      assert.equal(await snapshots("curated_order_events"), before);
      for (const { table } of firstJob.writes) await sameRows(table);
    });

    it("replaces the months that it is given in one commit, and no other file", async () => {
      const late = makeHistory({ seed: 12, customers: 10 }).filter(({ occurred_at: at }) => at.startsWith("2024-03"));
      await land(late, "2026-02-01");
      const given = { months: ["2024-03"] };
      await write(oracle, curatedOrderEvents, given);
      const filesBut = `SELECT file_path FROM ${stored("curated_order_events")}.files WHERE partition.month <> '2024-03'`;
      const [others, commits] = [await values(filesBut), await snapshots("curated_order_events")];
      const job: BatchJob = { name: "curate", writes: [{ table: curatedOrderEvents, parameters: given }] };
      const state = await finished(await runner.start(job, "run-2"));
      assert.equal(state.state, "succeeded", JSON.stringify(state));
      assert.equal(state.written["curated_order_events"]?.files, 1);
      await sameRows(curatedOrderEvents);
      assert.deepEqual((await values(filesBut)).sort(), others.sort());
      assert.equal(await snapshots("curated_order_events"), commits + 1);
    });

    it("merges by key, deletes erased customers, and forgets what held them: no file does", async () => {
      const table = "curated_order_events";
      const rows = `SELECT event_id, country, customer_key FROM ${stored(table)} ORDER BY event_id, occurred_at`;
      const before = await values(rows);
      const victim = before.find(([, , customer]) => customer !== null)![2];
      const [changed, copied] = before.filter(([, , customer]) => customer !== victim).map(([id]) => id);
      const dataFiles = (): string => {
        const files = globSync(`${lakeFolder}/tables/${database}/${table}/data/**/*.parquet`);
        return `[${files.map((file) => `'${file}'`).join(", ")}]`;
      };
      const holders = async (): Promise<unknown> =>
        (
          await rowsOf(
            oracle,
            `SELECT count(*) AS n FROM read_parquet(${dataFiles()}, union_by_name = true) WHERE customer_key = '${String(victim)}'`,
          )
        )[0]!["n"];
      assert.notEqual(await holders(), 0);

      // A row that is there gets another country, and one is new.
      const columns = Object.keys(curatedOrderEvents.columns);
      const instead = (column: string, value: string, of: unknown): string =>
        `SELECT ${columns.map((name) => (name === column ? `'${value}' AS ${name}` : name)).join(", ")} FROM ${table} WHERE event_id = '${String(of)}'`;
      const { replace: _, ...known } = firstDocument().writes[0]!;
      const result = await submit(
        "upkeep",
        sparkDocument("upkeep", "upkeep-1", {
          writes: [
            {
              ...known,
              mode: "merge",
              sql: `${instead("country", "Nowhere", changed)} UNION ALL ${instead("event_id", "evt_new", copied)}`,
            },
          ],
          erase: [{ table, column: "customer_key", keys: [String(victim)] }],
          upkeep: [{ table, expireBefore: new Date(Date.now() + 3_600_000).toISOString() }],
        }),
      );
      assert.equal(result.state, "succeeded", JSON.stringify(result));
      const now = await values(rows);
      const expected = before
        .filter(([, , customer]) => customer !== victim)
        .flatMap(([id, country, customer]) => [
          [id, id === changed ? "Nowhere" : country, customer],
          ...(id === copied ? [["evt_new", country, customer]] : []),
        ]);
      const sorted = (all: unknown[][]): string[] => all.map((row) => row.join("|")).sort();
      assert.deepEqual(sorted(now), sorted(expected));
      assert.equal(await holders(), 0);
      assert.equal(await snapshots(table), 1);
    });

    it("ends with a reason when its SQL is wrong, and says that trying again does not help", async () => {
      const broken: BatchTable = { ...batchTables[0]!, name: "broken", sql: () => "SELECT nothing FROM nowhere" };
      const state = await finished(
        await runner.start({ name: "broken", writes: [{ table: broken, parameters: {} }] }, "run-3"),
      );
      assert.equal(state.state, "failed");
      assert.match(state.reason, /nowhere/);
      assert.equal(state.mayRetry, false);
      assert.equal(emr.jobs.at(-1)!.state, "FAILED");
    });
  });
