/**
 * The job runner against answers in the shapes of the API references of EMR Serverless and Athena, over HTTP and the
 * SDK's own clients. Nothing executes here: what Spark does is in test/engines/spark-job.engines.test.ts.
 */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { type Server, createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { text } from "node:stream/consumers";
import { after, before, describe, it } from "node:test";
import { AthenaClient } from "@aws-sdk/client-athena";
import { EMRServerlessClient } from "@aws-sdk/client-emr-serverless";
import type { BatchTable } from "@ebb/lake/batch-table";
import type { BatchJob } from "../batch-ports.ts";
import { EmbeddedObjectStore } from "../embedded/object-store.ts";
import { AwsJobRunner } from "./job-runner.ts";

process.env["AWS_ACCESS_KEY_ID"] ??= "test";
process.env["AWS_SECRET_ACCESS_KEY"] ??= "test";

const table = (name: string, engine: BatchTable["engine"], partitionedBy?: "month"): BatchTable => ({
  name,
  grain: "one row a day",
  key: ["day"],
  columns: {
    day: { type: "date", description: "" },
    orders: { type: "bigint", description: "" },
    ...(partitionedBy === undefined ? {} : { month: { type: "string", description: "" } }),
  },
  ...(partitionedBy === undefined ? {} : { partitionedBy }),
  reads: [],
  engine,
  sql: () => "SELECT 1",
  tests: {},
});

interface Call {
  readonly action: string;
  readonly body: Record<string, unknown>;
}

describe("the job runner", () => {
  const folder = mkdtempSync(path.join(tmpdir(), "ebb-job-runner-"));
  const calls: Call[] = [];
  /** What the services answer, by action: one after the other, the last one stays; or by what is asked. */
  const answers = new Map<string, object[] | ((asked: Record<string, unknown>) => object)>();
  let server: Server;
  let runner: AwsJobRunner;
  const objects = new EmbeddedObjectStore(folder);
  before(async () => {
    server = createServer((request, response) => {
      void text(request).then((sent) => {
        const target = request.headers["x-amz-target"];
        const action =
          typeof target === "string" ? target.split(".")[1]! : request.method === "POST" ? "StartJobRun" : "GetJobRun";
        const body = sent === "" ? {} : (JSON.parse(sent) as Record<string, unknown>);
        calls.push({ action, body });
        const known = answers.get(action) ?? [{}];
        const answer = typeof known === "function" ? known(body) : known.length > 1 ? known.shift()! : known[0]!;
        response.setHeader("content-type", target === undefined ? "application/json" : "application/x-amz-json-1.1");
        // An error names its type in its body.
        if ("__type" in answer) response.statusCode = 400;
        response.end(JSON.stringify(answer));
      });
    });
    await new Promise<void>((ready) => server.listen(0, "127.0.0.1", ready));
    const endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const of = { region: "us-east-1", endpoint };
    runner = new AwsJobRunner({ emr: new EMRServerlessClient(of), athena: new AthenaClient(of) }, objects, {
      lake: "s3://lake",
      database: "ebb",
      workgroup: "analysts",
      spark: {
        applicationId: "00app",
        roleArn: "arn:aws:iam::123456789012:role/spark",
        entryPoint: "s3://lake/spark/run_sql.py",
        submitParameters: "--conf a=b",
      },
    });
  });
  after(() => {
    server.close();
    server.closeAllConnections();
    rmSync(folder, { recursive: true });
  });

  it("replaces a table on Athena by one MERGE, with a token a statement, and counts what stands", async () => {
    calls.length = 0;
    answers.set(
      "StartQueryExecution",
      ["q1", "q2", "q3", "q4"].map((QueryExecutionId) => ({ QueryExecutionId })),
    );
    answers.set("GetQueryExecution", [
      { QueryExecution: { Status: { State: "RUNNING" } } },
      { QueryExecution: { Status: { State: "SUCCEEDED" }, Statistics: { DataScannedInBytes: 10 } } },
    ]);
    answers.set("GetTableMetadata", [
      { TableMetadata: { Name: "sales", Columns: [{ Name: "day" }], PartitionKeys: [{ Name: "month" }] } },
    ]);
    answers.set("GetQueryResults", [
      { ResultSet: { Rows: [{ Data: [] }, { Data: [{ VarCharValue: "31" }, { VarCharValue: "1" }] }] } },
    ]);
    const job: BatchJob = {
      name: "marts",
      writes: [{ table: table("sales", "athena", "month"), parameters: { months: ["2026-01"] } }],
      exports: [{ name: "out", sql: () => "SELECT 2" }],
    };
    const id = await runner.start(job, "run/marts/1");
    assert.equal(await runner.start(job, "run/marts/1"), id);
    assert.deepEqual(await runner.state(id), { state: "running" });
    // q4 is the count; the last answer of the queue then stands for the export as well.
    const state = await runner.state(id);
    assert.deepEqual(state, {
      state: "succeeded",
      written: { sales: { rows: 31, files: 1 } },
      exports: { out: `exports/${id}/out/` },
      usage: { scannedBytes: 50, queryMs: 0 },
    });
    const started = calls.filter(({ action }) => action === "StartQueryExecution").map(({ body }) => body);
    assert.equal(new Set(started.map((body) => body["ClientRequestToken"])).size, started.length);
    for (const body of started) assert.ok(String(body["ClientRequestToken"]).length >= 32, "Athena asks for 32");
    const statements = started.map((body) => String(body["QueryString"]));
    assert.match(statements[0]!, /^CREATE TABLE IF NOT EXISTS `sales`[^]*PARTITIONED BY \(`month`\)[^]*'ICEBERG'/);
    assert.equal(statements[1], "ALTER TABLE `sales` ADD COLUMNS (`orders` bigint)");
    assert.match(
      statements[2]!,
      /^MERGE INTO "sales" AS t[^]*WHERE "month" IN \('2026-01'\)[^]*WHEN MATCHED THEN DELETE/,
    );
    assert.match(statements[3]!, /count\(\*\)/);
    assert.match(
      statements[4]!,
      /^UNLOAD \([^]*TO 's3:\/\/lake\/exports\/[^]*format = 'PARQUET', compression = 'SNAPPY'/,
    );
  });

  it("tells a statement that may pass from one that may not", async () => {
    const failing = async (token: string, status: object) => {
      answers.set("StartQueryExecution", [{ QueryExecutionId: "q" }]);
      answers.set("GetQueryExecution", [{ QueryExecution: { Status: status } }]);
      const id = await runner.start({ name: "x", writes: [{ table: table("t", "athena"), parameters: {} }] }, token);
      return runner.state(id);
    };
    assert.deepEqual(
      await failing("f1", {
        State: "FAILED",
        StateChangeReason: "SYNTAX_ERROR: line 1",
        AthenaError: { Retryable: false },
      }),
      { state: "failed", reason: "SYNTAX_ERROR: line 1", mayRetry: false },
    );
    assert.deepEqual(await failing("f2", { State: "FAILED", StateChangeReason: "ICEBERG_COMMIT_ERROR: conflict" }), {
      state: "failed",
      reason: "ICEBERG_COMMIT_ERROR: conflict",
      mayRetry: true,
    });
    assert.deepEqual(
      await failing("f3", { State: "CANCELLED", StateChangeReason: "Bytes scanned limit was exceeded" }),
      {
        state: "failed",
        reason: "Bytes scanned limit was exceeded",
        mayRetry: false,
      },
    );
  });

  it("starts one Spark job for writes that follow each other, with the arguments that the program takes", async () => {
    calls.length = 0;
    answers.set("StartJobRun", [{ applicationId: "00app", jobRunId: "00run", arn: "arn" }]);
    answers.set("GetJobRun", [{ jobRun: { state: "FAILED", stateDetails: "driver lost" } }]);
    const job: BatchJob = {
      name: "curate",
      writes: [
        { table: table("a", "spark"), parameters: {} },
        { table: table("b", "spark"), parameters: {} },
      ],
    };
    const id = await runner.start(job, "run/curate/1");
    // No result document: the driver did not live to write one.
    assert.deepEqual(await runner.state(id), {
      state: "failed",
      reason: "the Spark job 00run ended as FAILED: driver lost",
      mayRetry: true,
    });
    const [start, ...more] = calls.filter(({ action }) => action === "StartJobRun");
    assert.equal(more.length, 0);
    assert.match(String(start!.body["clientToken"]), /^[A-Za-z0-9._-]{1,64}$/);
    assert.deepEqual(start!.body["jobDriver"], {
      sparkSubmit: {
        entryPoint: "s3://lake/spark/run_sql.py",
        entryPointArguments: [
          ...["--job", `s3://lake/jobs/${id}/spark-0.json`, "--result", `s3://lake/jobs/${id}/result-0.json`],
          ...["--raw-events", "s3://lake/raw_events/", "--database", "ebb", "--warehouse", "s3://lake/tables"],
        ],
        sparkSubmitParameters: "--conf a=b",
      },
    });
  });

  it("tells which tables nobody has written, in the order asked; another failure is no absence", async () => {
    calls.length = 0;
    answers.set("GetTableMetadata", ({ TableName }) =>
      TableName === "orders" || TableName === "sales"
        ? { TableMetadata: { Name: TableName, Columns: [{ Name: "day", Type: "date" }] } }
        : // As Athena hands on what Glue says (API reference, GetTableMetadata, MetadataException).
          { __type: "MetadataException", Message: `EntityNotFoundException: Entity Not Found (${String(TableName)})` },
    );
    const asked = ["features", "orders", "labels", "sales", "a", "b", "c", "d"];
    assert.deepEqual(await runner.unwritten(asked), ["features", "labels", "a", "b", "c", "d"]);
    assert.deepEqual(await runner.unwritten([]), []);
    assert.deepEqual(
      // Side by side, so in any order.
      calls
        .map(
          ({ body }) => `${String(body["CatalogName"])}.${String(body["DatabaseName"])}.${String(body["TableName"])}`,
        )
        .sort(),
      asked.map((table) => `AwsDataCatalog.ebb.${table}`).sort(),
    );
    answers.set("GetTableMetadata", [
      {
        __type: "MetadataException",
        Message: "User: arn:aws:sts::1:role/x is not authorized to perform: glue:GetTable",
      },
    ]);
    await assert.rejects(runner.unwritten(["orders"]), { name: "MetadataException" });
  });

  it("keeps up the tables that there are: all are joined before the first forgets", async () => {
    calls.length = 0;
    answers.set("GetTableMetadata", ({ TableName }) =>
      TableName === "never_made"
        ? { __type: "MetadataException", Message: "Table never_made not found" }
        : { TableMetadata: { Name: TableName, Columns: [] } },
    );
    let started = 0;
    answers.set("StartQueryExecution", () => ({ QueryExecutionId: `q${++started}` }));
    answers.set("GetQueryExecution", [{ QueryExecution: { Status: { State: "SUCCEEDED" } } }]);
    const id = await runner.start({ name: "upkeep", writes: [], upkeep: ["orders", "never_made", "sales"] }, "u1");
    const state = await runner.state(id);
    assert.equal(state.state, "succeeded");
    assert.deepEqual(
      calls.filter(({ action }) => action === "StartQueryExecution").map(({ body }) => body["QueryString"]),
      [
        'OPTIMIZE "orders" REWRITE DATA USING BIN_PACK',
        'OPTIMIZE "sales" REWRITE DATA USING BIN_PACK',
        'VACUUM "orders"',
        'VACUUM "sales"',
      ],
    );
  });
});
