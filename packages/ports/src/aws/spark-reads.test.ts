/** Jobs that read tables: each attempt is started once, its parts are its own, and what was read forgets who was erased. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, beforeEach, describe, it } from "node:test";
import { gunzipSync, gzipSync } from "node:zlib";
import { buffer } from "node:stream/consumers";
import { type EMRServerlessClient, GetJobRunCommand, type StartJobRunCommand } from "@aws-sdk/client-emr-serverless";
import type { Subject } from "../erasure-ports.ts";
import { EmbeddedObjectStore } from "../embedded/object-store.ts";
import { SourceProblem, SourceWaiting } from "../source-ports.ts";
import type { JdbcRead } from "../source-readers/jdbc.ts";
import { sourceReadsEraser } from "./erase-source-reads.ts";
import { SparkReads } from "./spark-reads.ts";

const folder = mkdtempSync(path.join(tmpdir(), "ebb-spark-reads-"));
after(() => rmSync(folder, { recursive: true, force: true }));

const read: JdbcRead = {
  driver: "org.postgresql.Driver",
  url: "jdbc:postgresql://db/shop",
  user: "ebb_reader",
  begin: "",
  select: "SELECT 1 AS c0, 1 AS ebb_partition",
  cells: 2,
  customerCell: 1,
  partitions: ["1 = 1"],
  fetchSize: 1,
};

let at = 0;
let started: StartJobRunCommand["input"][];
let state: string;
let objects: EmbeddedObjectStore;
let rendered: number;
const emr = {
  send: async (command: StartJobRunCommand | GetJobRunCommand) => {
    if (command instanceof GetJobRunCommand) return { jobRun: { state } };
    if (!started.some(({ clientToken }) => clientToken === command.input.clientToken)) started.push(command.input);
    return { jobRunId: `job-${command.input.clientToken!}` };
  },
} as unknown as EMRServerlessClient;
const reads = () =>
  new SparkReads(emr, objects, {
    source: "orders",
    lake: "s3://lake",
    applicationId: "00f1",
    roleArn: "arn:role",
    entryPoint: "s3://lake/spark/read_table.py",
    submitParameters: "",
    driver: "s3://lake/spark/driver.jar",
    driverSha256: "ab",
    secret: "a-secret",
  });
const asked = async () => {
  rendered++;
  return read;
};
const put = (name: string, text: string | Buffer) =>
  objects.put(`sources/reads/orders/load_1/${name}`, Buffer.from(text));
const waits = (): Promise<void> => assert.rejects(reads().parts("load_1", asked), SourceWaiting);
const fails = (code: string): Promise<void> =>
  assert.rejects(
    reads().parts("load_1", asked),
    (error: unknown) => error instanceof SourceProblem && error.code === code,
  );

beforeEach(() => {
  [started, state, rendered] = [[], "RUNNING", 0];
  objects = new EmbeddedObjectStore(path.join(folder, String(at++)));
});

describe("a read by Spark", () => {
  it("is started once and waited for; a stop before it was noted down starts no second one", async () => {
    await waits();
    await waits();
    await objects.delete(["sources/reads/orders/load_1/progress.json"]);
    await waits();
    assert.deepEqual([started.length, rendered], [1, 1], "the first document stays");
    const { clientToken, jobDriver, configurationOverrides } = started[0]!;
    assert.equal(clientToken, "load_1-1");
    assert.deepEqual(jobDriver?.sparkSubmit?.entryPointArguments?.slice(0, 4), [
      ...["--read", "s3://lake/sources/reads/orders/load_1/read-1.json"],
      ...["--into", "s3://lake/sources/reads/orders/load_1/parts-1"],
    ]);
    assert.deepEqual(configurationOverrides?.applicationConfiguration, [
      { classification: "spark-defaults", properties: { "spark.ebb.password": "EMR.secret@a-secret" } },
    ]);
  });

  it("answers the parts that its result names, in a folder of the attempt; what a lost attempt left is read by nobody", async () => {
    await waits();
    await put("parts-1/part-0.txt.gz", "of the attempt that was lost");
    state = "FAILED";
    await fails("unreachable");
    state = "RUNNING";
    await waits();
    assert.deepEqual(
      started.map(({ clientToken }) => clientToken),
      ["load_1-1", "load_1-2"],
    );
    state = "SUCCESS";
    await put("result-2.json", JSON.stringify({ state: "succeeded", parts: ["part-0.txt.gz", "part-1.txt.gz"] }));
    assert.deepEqual(await reads().parts("load_1", asked), [
      "sources/reads/orders/load_1/parts-2/part-0.txt.gz",
      "sources/reads/orders/load_1/parts-2/part-1.txt.gz",
    ]);
    await reads().discard("load_1");
    const left: string[] = [];
    for await (const key of objects.list("sources/reads/")) left.push(key);
    assert.deepEqual(left, []);
  });

  it("is given up after three attempts, at once where the database refuses the secret, and without a result after a success", async () => {
    for (const code of ["unreachable", "unreachable", "job"]) {
      state = "RUNNING";
      await waits();
      state = code === "unreachable" ? "SUCCESS" : "CANCELLED";
      await fails(code);
    }
    assert.equal(started.length, 3);
    await reads().discard("load_1");
    started = [];
    state = "RUNNING";
    await waits();
    state = "FAILED";
    await put("result-1.json", JSON.stringify({ state: "failed", reason: "PSQLException", sqlState: "28P01" }));
    await fails("access");
  });
});

describe("an erasure while Spark's parts lie there", () => {
  it("empties the rows of the person, by the cell that names the customer alone, and keeps every row's place", async () => {
    const lines = [`["17","17850","a"]`, `["17850","3","b"]`, `["18","17850","c"]`, "null"];
    await put("read-1.json", JSON.stringify(read));
    await put("parts-1/part-0.txt.gz", gzipSync(`${lines.join("\n")}\n`));
    await put("parts-1/_SUCCESS", "");
    const eraser = sourceReadsEraser(objects);
    const subjects = [{ customerKey: "cus_1", customerId: "17850", anonymousKeys: [] }] as unknown as Subject[];
    assert.deepEqual(await eraser.survey(subjects), [{ store: "reads under way", count: 2 }]);
    await eraser.erase(subjects);
    const kept = gunzipSync(await buffer(await objects.get("sources/reads/orders/load_1/parts-1/part-0.txt.gz")));
    assert.equal(kept.toString(), `null\n${lines[1]}\nnull\nnull\n`);
    assert.deepEqual(await eraser.survey(subjects), []);
  });
});
