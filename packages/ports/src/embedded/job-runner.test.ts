import assert from "node:assert/strict";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import type { BatchTable } from "@ebb/lake/batch-table";
import { inMonths } from "@ebb/lake/batch/literals";
import type { BatchJob, JobState } from "../batch-ports.ts";
import { BatchManifest } from "./batch-manifest.ts";
import { EmbeddedObjectStore } from "./object-store.ts";
import { DuckDbJobRunner } from "./job-runner.ts";
import { DuckDbQueryEngine } from "./query-engine.ts";

const START_MS = Date.UTC(2026, 0, 1);
let folder: string;
let nowMs: number;
let runner: DuckDbJobRunner;

const open = (): Promise<DuckDbJobRunner> =>
  DuckDbJobRunner.open({
    folder: path.join(folder, "lake"),
    objectsFolder: path.join(folder, "objects"),
    memoryMb: 256,
    now: () => nowMs,
  });

beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "ebb-jobs-"));
  nowMs = START_MS;
  runner = await open();
});
afterEach(async () => {
  await runner.close();
  await rm(folder, { recursive: true });
});

/** Numbers 0 to 99 over ten months, as many times `factor`; only `months` where they are given. */
const numbers: BatchTable = {
  name: "numbers",
  grain: "one row per number",
  key: ["number"],
  columns: {
    number: { type: "bigint", description: "" },
    product: { type: "double", description: "" },
    month: { type: "string", description: "" },
  },
  partitionedBy: "month",
  reads: [],
  engine: "spark",
  sql: (_m, { months, documents }) => `
SELECT range AS number, range * ${Number(documents?.["factor"] ?? 1)} AS product, '2025-0' || (range % 9 + 1) AS month
FROM range(100)
WHERE ${months === undefined ? "true" : `'2025-0' || (range % 9 + 1) IN (${months.map((m) => `'${m}'`).join(", ")})`}`,
  tests: {},
};
const doubled: BatchTable = {
  name: "doubled",
  grain: "one row in all",
  key: ["total"],
  columns: { total: { type: "double", description: "" } },
  reads: ["numbers"],
  engine: "athena",
  sql: () => "SELECT 2 * sum(product) AS total FROM numbers",
  tests: {},
};

const ended = async (job: BatchJob, token: string): Promise<JobState> => {
  const id = await runner.start(job, token);
  for (;;) {
    const state = await runner.state(id);
    if (state.state !== "running") return state;
    await delay(5);
  }
};
const asked = async (sql: string): Promise<string[][]> => {
  const engine = await DuckDbQueryEngine.open({ folder: path.join(folder, "lake") });
  try {
    return (await engine.query(sql)).rows.map((row) => row.map(String));
  } finally {
    engine.close();
  }
};
const filesOf = async (table: string): Promise<string[]> =>
  (await readdir(path.join(folder, "lake/tables", table), { recursive: true })).filter((name) =>
    name.endsWith("parquet"),
  );

describe("batch jobs on DuckDB", () => {
  it("write tables one file a partition, each reading those before it, and SQL sees them by their names", async () => {
    const state = await ended(
      { name: "both", writes: [numbers, doubled].map((table) => ({ table, parameters: {} })) },
      "run/both/1",
    );
    assert.deepEqual(state, {
      state: "succeeded",
      written: { numbers: { rows: 100, files: 9 }, doubled: { rows: 1, files: 1 } },
      exports: {},
    });
    assert.equal((await filesOf("numbers")).length, 9);
    assert.deepEqual(await asked("SELECT count(*), count(DISTINCT month), sum(product) FROM numbers"), [
      ["100", "9", "4950"],
    ]);
    assert.deepEqual(await asked("SELECT total FROM doubled"), [["9900"]]);
  });

  it("write one file a partition where there are more partitions than open files by default, and more rows than a thread holds", async () => {
    const many: BatchTable = {
      ...numbers,
      name: "many",
      sql: () => "SELECT range AS number, range * 0.5 AS product, 'm' || (range % 150) AS month FROM range(1200000)",
    };
    const state = await ended({ name: "many", writes: [{ table: many, parameters: {} }] }, "run/many/1");
    assert.deepEqual(state, { state: "succeeded", written: { many: { rows: 1_200_000, files: 150 } }, exports: {} });
    assert.equal(new Set((await filesOf("many")).map((file) => path.dirname(file))).size, 150);
  });

  it("write a month after the other where that is cheaper, as one statement would, and go on so after a crash", async () => {
    const rows: BatchTable = {
      ...numbers,
      name: "numbers_told",
      columns: { number: { type: "bigint", description: "" }, month: { type: "string", description: "" } },
      sql: () => "SELECT range AS number, '2025-0' || (range % 9 + 1) AS month FROM range(200000)",
    };
    const perStatement: BatchTable = {
      name: "per_statement",
      grain: "one row per number",
      key: ["number"],
      columns: {
        number: { type: "bigint", description: "" },
        told: { type: "bigint", description: "Numbers of the statement" },
        month: { type: "string", description: "" },
      },
      partitionedBy: "month",
      reads: ["numbers_told"],
      monthsSql: () => "SELECT DISTINCT month FROM numbers_told UNION ALL SELECT '2026-01'",
      engine: "spark",
      sql: (_m, { months }) => `
        SELECT number, count(*) OVER () AS told, month FROM numbers_told
        WHERE ${months === undefined ? "true" : inMonths("CAST(month || '-15' AS TIMESTAMP)", months)}`,
      tests: {},
    };
    const job = { name: "apart", writes: [rows, perStatement].map((table) => ({ table, parameters: {} })) };
    const id = await runner.start(job, "t");
    await runner.close(); // wherever it was
    runner = await open();
    while ((await runner.state(id)).state === "running") await delay(5);
    assert.deepEqual(await runner.state(id), {
      state: "succeeded",
      written: { numbers_told: { rows: 200_000, files: 9 }, per_statement: { rows: 200_000, files: 9 } },
      exports: {},
    });
    assert.equal((await filesOf("per_statement")).length, 9);
    const told = "SELECT month, count(*), max(told), count(DISTINCT number) FROM per_statement GROUP BY month";
    for (const [month, counted, most, distinct] of await asked(told)) {
      assert.equal(counted, most, month);
      assert.equal(counted, distinct, month);
    }
    // Of a few rows one statement is cheaper, and of given months one statement is asked for.
    await ended(
      { name: "some", writes: [{ table: perStatement, parameters: { months: ["2025-01", "2025-02"] } }] },
      "s",
    );
    assert.deepEqual(await asked("SELECT DISTINCT told FROM per_statement WHERE month < '2025-03'"), [["44446"]]);
    const few: BatchTable = { ...rows, sql: () => `SELECT * FROM (${rows.sql({} as never, {})}) WHERE number < 100` };
    await ended({ ...job, writes: [few, perStatement].map((table) => ({ table, parameters: {} })) }, "f");
    assert.deepEqual(await asked("SELECT DISTINCT told FROM per_statement"), [["100"]]);
  });

  it("can be asked for the last partition before another", async () => {
    await ended({ name: "n", writes: [{ table: numbers, parameters: {} }] }, "1");
    assert.deepEqual(await asked("SELECT max(month) FROM numbers WHERE month < '2025-02'"), [["2025-01"]]);
    const sql = () => "SELECT max(month) AS month FROM numbers WHERE month < '2025-02'";
    assert.equal((await ended({ name: "e", writes: [], exports: [{ name: "last", sql }] }, "2")).state, "succeeded");
  });

  it("replace the named partitions and no other, also where no row is left for one; without names all", async () => {
    await ended({ name: "n", writes: [{ table: numbers, parameters: {} }] }, "1");
    const some = { months: ["2025-01", "2025-02"], documents: { factor: 10 } };
    await ended({ name: "n", writes: [{ table: numbers, parameters: some }] }, "2");
    const sums = "SELECT month, sum(product) / sum(number) FROM numbers GROUP BY month ORDER BY month LIMIT 3";
    assert.deepEqual(await asked(sums), [
      ["2025-01", "10"],
      ["2025-02", "10"],
      ["2025-03", "1"],
    ]);
    const none: BatchTable = { ...numbers, sql: () => `SELECT * FROM (${numbers.sql({} as never, {})}) WHERE false` };
    await ended({ name: "n", writes: [{ table: none, parameters: { months: ["2025-03"] } }] }, "3");
    assert.deepEqual(await asked("SELECT count(DISTINCT month) FROM numbers"), [["8"]]);
    await ended({ name: "n", writes: [{ table: none, parameters: {} }] }, "4");
    assert.deepEqual(await asked("SELECT count(*) FROM numbers"), [["0"]]);
  });

  it("run once a token: the same token answers with the same job, whatever it asks for", async () => {
    await ended({ name: "n", writes: [{ table: numbers, parameters: {} }] }, "same");
    const first = await filesOf("numbers");
    await ended({ name: "n", writes: [{ table: numbers, parameters: { documents: { factor: 7 } } }] }, "same");
    assert.deepEqual(await filesOf("numbers"), first);
    assert.deepEqual(await asked("SELECT sum(product) FROM numbers"), [["4950"]]);
  });

  it("go on in another process with the plan that was noted down, at the write where they were", async () => {
    const id = await runner.start(
      { name: "both", writes: [numbers, doubled].map((table) => ({ table, parameters: {} })) },
      "t",
    );
    await runner.close(); // wherever it was
    runner = await open();
    while ((await runner.state(id)).state === "running") await delay(5);
    assert.deepEqual(await asked("SELECT total FROM doubled"), [["9900"]]);
  });

  it("come to their end while whoever started them computes without a pause", async () => {
    const id = await runner.start(
      { name: "both", writes: [numbers, doubled].map((table) => ({ table, parameters: {} })) },
      "t",
    );
    const manifest = new BatchManifest(path.join(folder, "lake"), { readOnly: true });
    const untilMs = performance.now() + 60_000;
    let state = manifest.job(id)!.state;
    while (state.state === "running" && performance.now() < untilMs) {
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 5); // no event of this thread is served
      state = manifest.job(id)!.state;
    }
    manifest.close();
    assert.equal(state.state, "succeeded");
    assert.deepEqual(await asked("SELECT total FROM doubled"), [["9900"]]);
  });

  it("fail with the engine's reason, and leave the tables as they were", async () => {
    await ended({ name: "n", writes: [{ table: numbers, parameters: {} }] }, "1");
    const broken: BatchTable = { ...numbers, sql: () => "SELECT 1 AS number, 'x' AS product, '2025-01' AS month" };
    const state = await ended({ name: "n", writes: [{ table: broken, parameters: {} }] }, "2");
    assert.ok(state.state === "failed" && !state.mayRetry && /Could not convert string 'x'/.test(state.reason));
    assert.deepEqual(await asked("SELECT sum(product) FROM numbers"), [["4950"]]);
  });

  it("give their SQL what a run has computed itself: JSON Lines with the columns as declared, what lacks being NULL", async () => {
    const objects = new EmbeddedObjectStore(path.join(folder, "objects"));
    const lines = [
      '{"key":"a","share":0.1,"at":"2026-01-02T03:04:05.678Z","large":9007199254740993}',
      '{"key":"b, \\"c\\""}',
    ];
    await objects.put("parts/0.jsonl", Buffer.from(lines.join("\n")));
    await objects.put("parts/1.jsonl", Buffer.from(""));
    const table: BatchTable = {
      name: "imported",
      grain: "one row per line",
      key: ["key"],
      columns: {
        key: { type: "string", description: "" },
        share: { type: "double", description: "" },
        at: { type: "timestamp", description: "" },
        large: { type: "bigint", description: "" },
      },
      reads: ["given"],
      engine: "spark",
      sql: () => "SELECT * FROM given",
      tests: {},
    };
    const columns = { key: "string", share: "double", at: "timestamp", large: "bigint" } as const;
    const writes = [{ table, parameters: {} }];
    const objectKeys = ["parts/0.jsonl", "parts/1.jsonl"];
    const state = await ended({ name: "i", imports: [{ name: "given", columns, objectKeys }], writes }, "i");
    assert.equal(state.state, "succeeded", JSON.stringify(state));
    assert.deepEqual(await asked('SELECT key, share, "at", large FROM imported ORDER BY key'), [
      ["a", "0.1", "2026-01-02 03:04:05.678", "9007199254740993"],
      ['b, "c"', "null", "null", "null"],
    ]);
    await ended({ name: "none", imports: [{ name: "given", columns, objectKeys: [] }], writes }, "none");
    assert.deepEqual(await asked("SELECT count(*) FROM imported"), [["0"]]);
  });

  it("export rows in their order: numbers of every type as doubles, NULL as NaN; text, NULL as undefined", async () => {
    const sql = () =>
      "SELECT n AS big, CAST(n AS DECIMAL(9,2)) / 4 AS part, CASE WHEN n = 2 THEN NULL ELSE n END AS gap, CASE WHEN n = 1 THEN NULL ELSE 'n' || n END AS name FROM (VALUES (3), (1), (2)) AS t(n) ORDER BY n";
    const state = await ended({ name: "e", writes: [], exports: [{ name: "rows", sql }] }, "1");
    assert.ok(state.state === "succeeded");
    const columns = await runner.readColumns(state.exports["rows"]!, ["big", "part", "gap", "name"]);
    assert.deepEqual(columns, {
      big: Float64Array.of(1, 2, 3),
      part: Float64Array.of(0.25, 0.5, 0.75),
      gap: Float64Array.of(1, NaN, 3),
      name: [undefined, "n2", "n3"],
    });
    await assert.rejects(runner.readColumns(state.exports["rows"]!, ["other"]), /no column other/);
  });

  it("export texts as they are, be they few or many, from the first row on or late", async () => {
    const few = (n: number): string | undefined => (n % 5 === 0 ? undefined : ["", "it's", "é", "two words"][n % 4]);
    const late = (n: number): string => (n < 3_000 ? "same" : `value ${n}`);
    const sql = () => `SELECT
      CASE WHEN n % 5 = 0 THEN NULL ELSE (['', 'it''s', 'é', 'two words'])[1 + n % 4] END AS few,
      CASE WHEN n < 3000 THEN 'same' ELSE 'value ' || n END AS late,
      'key ' || n AS every, CAST(NULL AS VARCHAR) AS none
      FROM range(4000) AS t(n) ORDER BY n`;
    const state = await ended({ name: "t", writes: [], exports: [{ name: "texts", sql }] }, "texts");
    assert.ok(state.state === "succeeded");
    const numbers = Array.from({ length: 4_000 }, (_, n) => n);
    assert.deepEqual(await runner.readColumns(state.exports["texts"]!, ["few", "late", "every", "none"]), {
      few: numbers.map(few),
      late: numbers.map(late),
      every: numbers.map((n) => `key ${n}`),
      none: numbers.map(() => undefined),
    });
  });

  it("keep replaced files an hour for queries that have begun, and no file that no manifest names", async () => {
    await ended({ name: "n", writes: [{ table: numbers, parameters: {} }] }, "1");
    nowMs += 60_000;
    await ended({ name: "n", writes: [{ table: numbers, parameters: {} }] }, "2");
    assert.equal((await filesOf("numbers")).length, 18);
    nowMs += 3_700_000;
    await runner.close();
    runner = await open();
    assert.equal((await filesOf("numbers")).length, 9);
    assert.deepEqual(await asked("SELECT count(*) FROM numbers"), [["100"]]);
  });
});
