import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { type TestContext, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { orderFacts } from "@ebb/lake/batch/order-facts";
import { duckdbEmptyTable } from "@ebb/lake/raw-events";
import { views } from "@ebb/lake/views";
import { DuckDBInstance } from "@duckdb/node-api";
import { filled } from "../../../../test/support/mart-lake.ts";
import type { SqlValue } from "../ports.ts";
import { DuckDbJobRunner } from "./job-runner.ts";
import { LakeManifest } from "./lake-manifest.ts";
import { LakeWriter } from "./lake-writer.ts";
import { DuckDbQueryEngine, QueryError, type QueryEngineOptions } from "./query-engine.ts";

const NOON = Date.UTC(2026, 0, 2, 12, 30);

const engineIn = async (
  context: TestContext,
  more: Partial<QueryEngineOptions> = {},
): Promise<{ engine: DuckDbQueryEngine; folder: string }> => {
  const folder = mkdtempSync(path.join(tmpdir(), "ebb-query-"));
  const engine = await DuckDbQueryEngine.open({ folder, threads: 1, ...more });
  context.after(() => {
    engine.close();
    rmSync(folder, { recursive: true, force: true });
  });
  return { engine, folder };
};

const land = async (folder: string, events: readonly Record<string, unknown>[]): Promise<void> => {
  const writer = await LakeWriter.open({
    folder,
    bufferMb: 64,
    bufferSeconds: 60,
    compression: "SNAPPY",
    quarantine: { put: async (items) => assert.fail(items[0]?.message) },
    metrics: { count: () => undefined },
    now: () => NOON,
  });
  const base = {
    kind: "order_completed",
    name: "x",
    source: "shop",
    schema_version: 1,
    occurred_at: "2026-01-02T03:04:05.678Z",
    received_at: "2026-01-02T03:04:05.678Z",
    receipt_id: "rcp_1",
    receipt_number: 0,
  };
  const lines = events.map((event) => JSON.stringify({ ...base, ...event })).join("\n");
  await writer.add([{ seq: writer.offset + 1, arrivedAtMs: NOON, data: Buffer.from(lines) }]);
  await writer.flush();
  await writer.close();
};

const rows = async (engine: DuckDbQueryEngine, sql: string): Promise<readonly (readonly SqlValue[])[]> =>
  (await engine.query(sql)).rows;

test("an empty lake has every table with its columns and no rows", async (context) => {
  const { engine } = await engineIn(context);
  for (const name of ["raw_events", ...views.map((view) => view.name)])
    assert.deepEqual(await rows(engine, `SELECT count(*) FROM ${name}`), [[0n]], name);
  const { columns } = await engine.query("SELECT event_id, occurred_at, unit_price, dt FROM raw_events");
  assert.deepEqual(
    columns.map((column) => column.type),
    ["VARCHAR", "TIMESTAMP", "DECIMAL(18,6)", "VARCHAR"],
  );
});

test("a query sees what has landed when it begins", async (context) => {
  const { engine, folder } = await engineIn(context);
  await land(folder, [{ event_id: "evt_1", order_id: "1", customer_key: "cus_1", reporting_minor: 250 }]);
  assert.deepEqual(await rows(engine, "SELECT customer_key, orders, net_minor FROM customer_rfm"), [
    ["cus_1", 1n, 250n],
  ]);
  await land(folder, [{ event_id: "evt_2", order_id: "2", customer_key: "cus_1", reporting_minor: 50 }]);
  assert.deepEqual(await rows(engine, "SELECT customer_key, orders, net_minor FROM customer_rfm"), [
    ["cus_1", 2n, 300n],
  ]);
  assert.deepEqual(await rows(engine, "SELECT DISTINCT dt, hour FROM raw_events"), [["2026-01-02", "12"]]);
});

test("its version is another when a run has written, and the same when events have landed", async (context) => {
  const { engine, folder } = await engineIn(context);
  const runner = await DuckDbJobRunner.open({ folder, objectsFolder: path.join(folder, "objects"), now: () => NOON });
  context.after(() => runner.close());
  const write = async (token: string): Promise<void> => {
    const parameters = { cutoff: "2026-01-03T00:00:00.000Z" };
    const id = await runner.start(
      { name: "facts", writes: [{ table: filled(orderFacts, [{ event_id: token, month: "2026-01" }]), parameters }] },
      token,
    );
    while ((await runner.state(id)).state === "running") await delay(2);
    assert.equal((await runner.state(id)).state, "succeeded");
  };
  await write("one");
  const first = await engine.version();
  await land(folder, [{ event_id: "evt_1" }]);
  assert.equal(await engine.version(), first);
  await write("two");
  const second = await engine.version();
  assert.notEqual(second, first);
  assert.equal(await engine.version(), second);
});

test("files that the manifest does not name are not in the table", async (context) => {
  const { engine, folder } = await engineIn(context);
  await land(folder, [{ event_id: "evt_1" }]);
  const hour = path.join(folder, "raw_events/dt=2026-01-02/hour=12");
  writeFileSync(path.join(hour, "orphan.parquet"), "not even Parquet");
  assert.deepEqual(await rows(engine, "SELECT count(*) FROM raw_events"), [[1n]]);
});

/** Writes a file as a release without `rating` and with shorter lines would have, and names it in the manifest. */
const landAsOlderRelease = async (folder: string): Promise<void> => {
  const name = "raw_events/dt=2026-01-02/hour=12/old.parquet";
  mkdirSync(path.dirname(path.join(folder, name)), { recursive: true });
  const instance = await DuckDBInstance.create(":memory:");
  const connection = await instance.connect();
  await connection.run(
    `COPY (SELECT * EXCLUDE (rating, lines, dt, hour),
       [{name: 'a', quantity: 3::DECIMAL(18,6), unit_price: 1::DECIMAL(18,6), total_minor: 300::BIGINT}] AS lines
     FROM (${duckdbEmptyTable().replace("WHERE false", "")})) TO '${folder}/plain.parquet' (FORMAT parquet)`,
  );
  await connection.run(
    `COPY (SELECT * REPLACE ('evt_old' AS event_id, 'order_completed' AS kind, 'shop' AS source, '1' AS order_id,
       TIMESTAMP '2026-01-01' AS occurred_at) FROM '${folder}/plain.parquet') TO '${folder}/${name}' (FORMAT parquet)`,
  );
  connection.closeSync();
  instance.closeSync();
  const manifest = new LakeManifest(folder, { readOnly: false });
  manifest.commit({ path: name, rows: 1, bytes: 1, firstSeq: 1, lastSeq: 1, columns: "older" }, 1);
  manifest.close();
};

test("files of an older release, which lack columns, are read alone and beside new ones", async (context) => {
  const { engine, folder } = await engineIn(context);
  await landAsOlderRelease(folder);
  assert.deepEqual(await rows(engine, "SELECT event_id, rating FROM raw_events"), [["evt_old", null]]);
  assert.deepEqual(await rows(engine, "SELECT event_id, name, brand FROM order_lines"), [["evt_old", "a", null]]);

  const line = { name: "b", brand: "B", quantity: 1, unit_price: 2, total_minor: 200 };
  await land(folder, [{ event_id: "evt_new", order_id: "2", lines: [line], rating: 4.5 }]);
  assert.deepEqual(await rows(engine, "SELECT event_id, rating, dt, hour FROM raw_events ORDER BY 1"), [
    ["evt_new", 4.5, "2026-01-02", "12"],
    ["evt_old", null, "2026-01-02", "12"],
  ]);
  assert.deepEqual(await rows(engine, "SELECT event_id, name, brand, total_minor FROM order_lines ORDER BY 1"), [
    ["evt_new", "b", "B", 200n],
    ["evt_old", "a", null, 300n],
  ]);
});

test("values keep every digit: big integers, decimals, timestamps, lists and structs", async (context) => {
  const { engine } = await engineIn(context);
  const { rows: result } =
    await engine.query(`SELECT 9007199254740993::BIGINT, 170141183460469231731687303715884105727::HUGEINT,
    123456789012.123456::DECIMAL(18,6), -0.5::DECIMAL(38,12), TIMESTAMP '2026-01-02 03:04:05.678', DATE '2026-01-02',
    NULL, true, 1.5::DOUBLE, [1, 2], {'a': 'x', 'b': [DATE '2026-01-02']}, '\\xAB\\x00'::BLOB, 7::INTEGER, MAP {'k': 1},
    TIMESTAMPTZ '2026-07-02 03:04:05+02:00'`);
  assert.deepEqual(result, [
    [
      9007199254740993n,
      170141183460469231731687303715884105727n,
      "123456789012.123456",
      "-0.500000000000",
      "2026-01-02 03:04:05.678",
      "2026-01-02",
      null,
      true,
      1.5,
      [1, 2],
      { a: "x", b: ["2026-01-02"] },
      "ab00",
      7,
      [{ key: "k", value: 1 }],
      "2026-07-02 01:04:05+00",
    ],
  ]);
});

test("the ways to look around work", async (context) => {
  const { engine } = await engineIn(context);
  for (const sql of [
    "describe orders",
    "SHOW TABLES",
    "SHOW ALL TABLES",
    "SUMMARIZE orders",
    "EXPLAIN SELECT * FROM orders",
    "-- why\nexplain analyze select 1",
    "FROM orders SELECT order_key",
    "WITH a AS (SELECT 1 AS x) SELECT x FROM a;",
    "VALUES (1), (2)",
    "TABLE orders",
    "(SELECT 1) UNION ALL (SELECT 2)",
  ])
    await assert.doesNotReject(engine.query(sql), sql);
  const tables = await rows(engine, "SHOW TABLES");
  assert.ok(tables.some(([name]) => name === "order_lines"));
});

test("nothing but reading runs, however it is dressed", async (context) => {
  const { engine, folder } = await engineIn(context);
  await land(folder, [{ event_id: "evt_1" }]);
  // SQLite makes lake.db-wal and lake.db-shm for whoever reads the manifest.
  const contents = () =>
    readdirSync(folder, { recursive: true, encoding: "utf8" })
      .filter((name) => !name.startsWith("lake.db"))
      .sort();
  const before = contents();
  const inside = path.join(folder, "raw_events/x.csv");
  for (const sql of [
    "DROP VIEW orders",
    "CREATE TABLE t (x INT)",
    "CREATE OR REPLACE TEMP VIEW raw_events AS SELECT 1",
    "INSERT INTO raw_events SELECT * FROM raw_events",
    "DELETE FROM raw_events",
    "UPDATE raw_events SET event_id = 'x'",
    `COPY (SELECT 1) TO '${inside}'`,
    `EXPLAIN ANALYZE COPY (SELECT 1) TO '${inside}'`,
    `/* a */ explain (analyze) COPY (SELECT 1) TO '${inside}'`,
    `EXPLAIN ANALYZE EXPLAIN ANALYZE COPY (SELECT 1) TO '${inside}'`,
    `EXPORT DATABASE '${path.join(folder, "raw_events/export")}'`,
    `ATTACH '${path.join(folder, "raw_events/x.db")}' AS x`,
    "SET enable_external_access = true",
    "SET memory_limit = '100GB'",
    "PRAGMA enable_profiling",
    "INSTALL httpfs",
    "LOAD json",
    "CALL pragma_version()",
    "BEGIN",
    "CHECKPOINT",
    "PREPARE p AS SELECT 1",
    "SELECT 1; SELECT 2",
    "SELECT 1; DROP VIEW orders",
    "",
    " ; -- nothing",
  ])
    await assert.rejects(engine.query(sql), QueryError, sql);
  assert.deepEqual(contents(), before);
});

test("no file outside the lake can be read, the manifest's folder included", async (context) => {
  const { engine, folder } = await engineIn(context);
  const secret = path.join(folder, "secret.csv");
  writeFileSync(secret, "a\n1\n");
  for (const sql of [
    "SELECT * FROM read_text('/etc/hostname')",
    `SELECT * FROM read_csv('${secret}')`,
    `SELECT * FROM '${secret}'`,
    `SELECT * FROM read_csv('${folder}/raw_events/../secret.csv')`,
    `SELECT * FROM glob('${folder}/*')`,
    "SELECT getenv('HOME')",
    `SELECT * FROM sniff_csv('${secret}')`,
  ]) {
    const outcome = await engine.query(sql).then(
      (result) => JSON.stringify(result.rows),
      (error: unknown) => {
        assert.ok(error instanceof QueryError);
        return "refused";
      },
    );
    assert.ok(outcome === "refused" || outcome === "[]", `${sql}: ${outcome}`);
  }
});

test("a wrong statement is answered with DuckDB's own words", async (context) => {
  const { engine } = await engineIn(context);
  await assert.rejects(engine.query("SELECT nothing_such FROM orders"), /QueryError: Binder Error: .*nothing_such/s);
  await assert.rejects(engine.query("SELEC 1"), /QueryError: Parser Error: /);
  await assert.rejects(engine.query("SELECT 1/0::INT, error('no')"), /QueryError: .*no/);
});

test("a query that takes too long is stopped, and the next one runs", async (context) => {
  const { engine } = await engineIn(context, { timeoutMs: 50 });
  await assert.rejects(
    engine.query("SELECT sum(a.range * b.range % 7) FROM range(1000000) a, range(1000000) b"),
    /QueryError: The query took too long/,
  );
  assert.deepEqual(await rows(engine, "SELECT 1"), [[1]]);
});

test("rows stream, and a reader may stop early", async (context) => {
  const { engine } = await engineIn(context);
  const { columns, rows: streamed } = await engine.stream("SELECT range AS n FROM range(1000000)");
  assert.deepEqual(columns, [{ name: "n", type: "BIGINT" }]);
  let seen = 0;
  for await (const [n] of streamed) {
    assert.equal(n, BigInt(seen));
    if (++seen === 5000) break;
  }
  assert.deepEqual(await rows(engine, "SELECT 1"), [[1]]);
});
