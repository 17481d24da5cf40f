/**
 * Large tables: Spark reads them in partitions, over the real drivers and TLS, and the lake's table is what it is by the
 * ordinary reader. EMR Serverless is spark-submit on this machine. A minute.
 */
import assert from "node:assert/strict";
import { existsSync, globSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, before, describe, it } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { gunzipSync } from "node:zlib";
import { EMRServerlessClient } from "@aws-sdk/client-emr-serverless";
import { partitioned } from "@ebb/functions/collect/sources/open";
import { optionsOf } from "@ebb/functions/collect/sources/open-spark";
import { loadRows } from "@ebb/functions/collect/sources/load";
import { driverJars, readParameters } from "@ebb/ports/aws/read-parameters";
import { SparkReads } from "@ebb/ports/aws/spark-reads";
import { EmbeddedObjectStore } from "@ebb/ports/embedded/object-store";
import { DuckDbQueryEngine } from "@ebb/ports/embedded/query-engine";
import { type LoadEnd, SourceProblem, SourceWaiting } from "@ebb/ports/source-ports";
import type { RelationalConnection } from "@ebb/ports/source-readers/connection";
import type { JdbcReader } from "@ebb/ports/source-readers/jdbc";
import { MysqlReader } from "@ebb/ports/source-readers/mysql";
import { PartitionedReader } from "@ebb/ports/source-readers/partitioned";
import { PostgresReader } from "@ebb/ports/source-readers/postgres";
import { type EmrServerless, startEmrServerless } from "../engines/emr-serverless.ts";
import { mavenJars } from "../support/maven-jars.ts";
import { BALANCE, declaredOdd, makeOdd, move } from "./odd.ts";
import { type TestPorts, openPorts } from "./ports.ts";
import { cuttingProxy } from "./proxy.ts";
import { type Server, mariadbProgram, postgresProgram, startMariadb, startPostgres } from "./servers.ts";
import { type Relational, connectionOf } from "./shop.ts";

process.env["AWS_ACCESS_KEY_ID"] ??= "test";
process.env["AWS_SECRET_ACCESS_KEY"] ??= "test";

const ROWS = 20_000;
const SECRET = "arn:aws:secretsmanager:us-east-1:123456789012:secret:odd";
const WRONG = `${SECRET}-of-before`;
const program = path.resolve(import.meta.dirname, "../../packages/lake/spark/read_table.py");

const sparkTables = (name: string, start: () => Promise<Server>): void => {
  void describe(`${name} by Spark`, () => {
    const folder = mkdtempSync(path.join(tmpdir(), "ebb-spark-read-"));
    const bucket = path.join(folder, "bucket");
    const reads = path.join(bucket, "sources/reads");
    let server: Server;
    let emr: EmrServerless;
    let client: EMRServerlessClient;
    let jar: string;
    let ordinary: TestPorts;
    let bySpark: TestPorts;
    before(async () => {
      server = await start();
      await makeOdd(server, ROWS);
      emr = await startEmrServerless("3.5", folder, { [SECRET]: server.password, [WRONG]: "the password of before" });
      client = new EMRServerlessClient({ region: "us-east-1", endpoint: emr.endpoint });
      const { artefact } = driverJars[server.kind];
      const jars = await mavenJars(`driver-${server.kind}`, [artefact], "1 MB, some seconds");
      jar = `${jars}/${artefact.split(":").slice(1).join("-")}.jar`;
      ordinary = await openPorts(path.join(folder, "ordinary"));
      bySpark = await openPorts(path.join(folder, "spark"));
    });
    after(async () => {
      await ordinary.close();
      await bySpark.close();
      client.destroy();
      await emr.stop();
      await server.stop();
      rmSync(folder, { recursive: true, force: true });
    });

    const readerOf = (changes: Partial<RelationalConnection> = {}): JdbcReader => {
      const connection = connectionOf(server, "odd", changes);
      return server.kind === "postgres" ? new PostgresReader(connection) : new MysqlReader(connection);
    };

    /** One run of the function: its end, or `waiting`. */
    const run = async (
      { spec }: Relational,
      {
        secret = SECRET,
        changes = {},
        driverSha256 = driverJars[server.kind].sha256,
      }: { secret?: string; changes?: Partial<RelationalConnection>; driverSha256?: string } = {},
    ): Promise<LoadEnd | "waiting"> => {
      const { read, ...load } = spec;
      const settings = {
        source: "odd",
        lake: `file:${bucket}`,
        applicationId: "00f1",
        roleArn: "arn:aws:iam::123456789012:role/read",
        entryPoint: `file:${program}`,
        submitParameters: readParameters({ jar, partitions: 5, settings: { "spark.driver.memory": "1g" } }),
        secret,
        driver: `file:${jar}`,
        driverSha256,
      };
      const spark = new SparkReads(client, new EmbeddedObjectStore(bucket), settings);
      const database = new PartitionedReader(readerOf(changes), spark, optionsOf(load, read!.spark));
      try {
        const { load: asked, reader } = partitioned(load, database);
        return (await loadRows(bySpark, asked, reader, { owner: "test", remainingMs: () => Infinity }))!;
      } catch (error) {
        if (error instanceof SourceWaiting) return "waiting";
        throw error;
      } finally {
        await database.close();
      }
    };

    const sumOf = async (ports: TestPorts): Promise<unknown> => {
      const engine = await DuckDbQueryEngine.open({ folder: path.join(ports.folder, "lake") });
      const { rows } = await engine.query("SELECT count(*), sum(balance) FROM source_odd");
      engine.close();
      return rows[0]!.map(Number);
    };
    /** The lake's table as text, row for row. */
    const rowsOf = async (ports: TestPorts): Promise<unknown[]> => {
      const engine = await DuckDbQueryEngine.open({ folder: path.join(ports.folder, "lake") });
      const { columns, rows } = await engine.query("SELECT * FROM source_odd ORDER BY customer_key");
      engine.close();
      return [columns, ...rows.map((row) => row.map(String).join("|"))];
    };
    const left = (): string[] => (existsSync(reads) ? globSync(`${reads}/**/*.*`) : []);

    void it("a job that is lost is begun again, and all of the table is there once, with nothing told but what is declared", async () => {
      const source = declaredOdd(server);
      assert.equal(await run(source), "waiting");
      const [lost] = emr.jobs;
      while (lost!.state === "RUNNING" && globSync(`${reads}/odd/*/parts-1/_temporary/**/*.gz`).length === 0)
        await delay(20);
      lost!.kill();
      await lost!.ended;
      await assert.rejects(run(source), (error: unknown) => {
        assert.ok(error instanceof SourceProblem && error.code === "unreachable" && error.mayRetry, String(error));
        return true;
      });
      assert.equal(await run(source), "waiting");
      assert.equal(await run(source), "waiting", "to ask again starts nothing");
      assert.equal(emr.jobs.length, 2);

      // Meanwhile the balance moves from the first rows to the last, so that partitions of two moments would not agree.
      const job = emr.jobs[1]!;
      let moved = 0;
      while (job.state === "RUNNING") {
        await move(server, ((moved % 500) + 1) * 1_000, (ROWS - (moved % 500)) * 1_000);
        moved++;
        await delay(2);
      }
      assert.ok(moved > 10, String(moved));
      assert.equal(job.state, "SUCCESS", job.stateDetails);
      const parts = globSync(`${reads}/odd/*/parts-2/part-*.gz`).map((file) =>
        gunzipSync(readFileSync(file)).toString(),
      );
      assert.ok(parts.length > 1, "in partitions");
      for (const text of parts) assert.doesNotMatch(text, /never declared|a password of the test/);
      for (const file of left().filter((each) => each.endsWith(".json")))
        assert.doesNotMatch(readFileSync(file, "utf8"), /a password of the test/);
      for (const each of emr.jobs) {
        assert.doesNotMatch(each.log(), /a password of the test|@example\.com|label \d/);
        assert.doesNotMatch([...each.arguments, ...each.parameters].join(" "), /password of the test/);
      }

      const end = await run(source);
      assert.ok(end !== "waiting");
      assert.equal(end.counts.read, ROWS + 1, "no row is read twice");
      assert.deepEqual(left(), [], "what Spark read is removed");
      // PostgreSQL shares a snapshot between connections: the sum is of one moment.
      if (server.kind === "postgres") assert.deepEqual(await sumOf(bySpark), [ROWS + 1, (ROWS + 1) * BALANCE]);
    });

    void it("what changed while it was read comes with the next load, by whoever reads it: the table is the ordinary reader's", async () => {
      // One of the two servers shows each: through one connection, and by Spark again.
      const loads = server.kind === "postgres" ? "whole" : "all";
      const again = declaredOdd(server, { read: { spark: { partitions: 5, loads } } });
      let end = await run(again);
      if (loads === "all") {
        assert.equal(end, "waiting");
        await emr.jobs[2]!.ended;
        end = await run(again);
      }
      assert.ok(end !== "waiting");
      assert.equal(emr.jobs.length, loads === "all" ? 3 : 2);
      assert.ok(end.counts.read < ROWS / 2, String(end.counts.read));
      const { spec } = declaredOdd(server);
      const reader = readerOf();
      const whole = (await loadRows(ordinary, spec, reader, { owner: "test", remainingMs: () => Infinity }))!;
      await reader.close();
      assert.equal(whole.counts.read, ROWS + 1);
      assert.deepEqual(await rowsOf(bySpark), await rowsOf(ordinary));
      assert.deepEqual(await sumOf(bySpark), [ROWS + 1, (ROWS + 1) * BALANCE]);
    });

    const failing = async (code: string, says: RegExp, attempt: Promise<unknown>): Promise<void> => {
      await assert.rejects(attempt, (error: unknown) => {
        assert.ok(error instanceof SourceProblem, String(error));
        assert.equal(error.code, code);
        assert.match(error.message, says);
        assert.doesNotMatch(error.message, /a password of the test|password of before/);
        return true;
      });
    };

    const jobFails = async (...asked: Parameters<typeof run>): Promise<void> => {
      assert.equal(await run(...asked), "waiting");
      await emr.jobs.at(-1)!.ended;
      assert.equal(emr.jobs.at(-1)!.state, "FAILED");
    };

    void it("faults are the ordinary reader's: a wrong password, a lost network, a dropped field; readers keep the table", async () => {
      const before = await rowsOf(bySpark);
      const whole = declaredOdd(server, { mode: "snapshot", watermark: undefined, deletion: undefined });
      await failing("access", /refused the user ebb_reader/, run(whole, { changes: { password: "not the password" } }));
      await failing("unreachable", /failed or was lost/, run(whole, { changes: { port: 1 } }));
      // What a job alone meets, each on one of the servers.
      if (server.kind === "mysql") {
        const proxy = await cuttingProxy(server.port, 600_000);
        await jobFails(whole, { changes: { port: proxy.port } });
        await proxy.close();
        await failing("unreachable", /ended as FAILED: .*SQL.*Exception.*tried again/, run(whole));
      } else {
        await jobFails(whole, { driverSha256: "0".repeat(64) });
        await failing("unreachable", /DriverUnknownError/, run(whole));
        // A secret that was not renewed is not tried again.
        await jobFails(whole, { secret: WRONG });
        await failing("access", /SQLSTATE 28/, run(whole));
      }
      for (const job of emr.jobs) assert.doesNotMatch(job.log(), /password of before|a password of the test/);
      await server.run("ALTER TABLE odd DROP COLUMN note");
      await failing("no_field", /has no field note/, run(whole));
      assert.deepEqual(left(), []);
      assert.deepEqual(await rowsOf(bySpark), before);
    });
  });
};

for (const [name, find, start] of [
  ["PostgreSQL", postgresProgram, startPostgres],
  ["MariaDB", mariadbProgram, startMariadb],
] as const) {
  const found = find();
  if (found !== undefined) sparkTables(name, () => start(found));
  else it(name, { skip: `${name} is not installed` }, () => undefined);
}
