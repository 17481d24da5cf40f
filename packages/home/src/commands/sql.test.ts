import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { PassThrough, Readable } from "node:stream";
import { buffer } from "node:stream/consumers";
import { type TestContext, test } from "node:test";
import type { ReceiptId } from "@ebb/core/ids";
import { EmbeddedEventLog } from "@ebb/ports/embedded/event-log";
import { LakeWriter } from "@ebb/ports/embedded/lake-writer";
import { UsageError } from "../command-line.ts";
import { writeRunning } from "../home-folder.ts";
import { sqlCommand } from "./sql.ts";

const homeIn = (context: TestContext): string => {
  const folder = mkdtempSync(path.join(tmpdir(), "ebb-sql-"));
  context.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
};

const run = async (args: readonly string[], terminal: { columns?: number; stdin?: string } = {}) => {
  const stdout = new PassThrough();
  if (terminal.columns !== undefined) Object.assign(stdout, { isTTY: true, columns: terminal.columns });
  let stderr = "";
  const stdin = Object.assign(Readable.from([terminal.stdin ?? ""]), { isTTY: terminal.stdin === undefined });
  const output = buffer(stdout);
  const code = await sqlCommand(args, { stdin, stdout, stderr: { write: (line) => (stderr += line) } }).finally(() =>
    stdout.end(),
  );
  return { code, stdout: (await output).toString(), stderr };
};

const order = (number: number): string =>
  JSON.stringify({
    event_id: `evt_${number}`,
    kind: "order_completed",
    name: "Order Completed",
    source: "shop",
    schema_version: 1,
    occurred_at: "2026-01-02T03:04:05.678Z",
    received_at: "2026-01-02T03:04:05.678Z",
    receipt_id: "rcp_1",
    receipt_number: number,
    order_id: `=${number}`,
    reporting_minor: number * 100,
  });

/** A home at rest: `events` on its log, of which the first record is in the lake. */
const landOne = async (folder: string, events: number): Promise<void> => {
  const log = new EmbeddedEventLog(folder);
  for (let n = 1; n <= events; n++)
    await log.append(
      {
        receiptId: `rcp_${n}` as ReceiptId,
        part: 0,
        channel: "http",
        source: "shop",
        received: 1,
        quarantined: 0,
        receivedAtMs: n,
      },
      [{ eventId: `evt_${String(n).padStart(32, "0")}`, partitionKey: "k", json: order(n) }],
      [],
    );
  log.close();
  const writer = await LakeWriter.open({
    folder: path.join(folder, "lake"),
    bufferMb: 64,
    bufferSeconds: 60,
    compression: "SNAPPY",
    quarantine: { put: () => assert.fail() },
    metrics: { count: () => undefined },
    now: Date.now,
  });
  await writer.add([{ seq: 1, arrivedAtMs: Date.UTC(2026, 0, 2), data: Buffer.from(order(1)) }]);
  await writer.flush();
  await writer.close();
};

const SAMPLE =
  "SELECT * FROM (VALUES (1::BIGINT, 'tea, green', 1.50::DECIMAL(18,6), NULL), (9007199254740993, '=1+1', -2, 'x')) AS t(id, name, price, note)";

test("a terminal gets a table, a pipe gets CSV, and how long it took goes to stderr", async (context) => {
  const data = homeIn(context);
  const table = await run(["--data", data, SAMPLE], { columns: 60 });
  assert.equal(
    table.stdout,
    [
      "              id  name            price  note",
      "────────────────  ──────────  ─────────  ────",
      "               1  tea, green   1.500000  NULL",
      "9007199254740993  =1+1        -2.000000  x",
      "",
    ].join("\n"),
  );
  assert.match(table.stderr, /^2 rows in \d+\.\d\d s\n$/);

  const piped = await run(["--data", data, SAMPLE]);
  assert.equal(piped.stdout, 'id,name,price,note\n1,"tea, green",1.500000,\n9007199254740993,=1+1,-2.000000,x\n');
  assert.match(piped.stderr, /1 cells begin like a formula.*--spreadsheet/);
});

test("CSV for a spreadsheet runs no text as a formula and leaves numbers alone", async (context) => {
  const { stdout } = await run([
    "--data",
    homeIn(context),
    "--spreadsheet",
    `${SAMPLE} UNION ALL SELECT 3, '@cmd', -1, '-5.5'`,
  ]);
  assert.equal(
    stdout,
    "\ufeffid,name,price,note\n1,\"tea, green\",1.500000,\n9007199254740993,'=1+1,-2.000000,x\n3,'@cmd,-1.000000,-5.5\n",
  );
});

test("JSON keeps every digit and every column, also of the same name", async (context) => {
  const data = homeIn(context);
  const json = await run(["--data", data, "--format=json", SAMPLE]);
  assert.deepEqual(JSON.parse(json.stdout), [
    { id: 1, name: "tea, green", price: "1.500000", note: null },
    { id: "9007199254740993", name: "=1+1", price: "-2.000000", note: "x" },
  ]);
  assert.equal((await run(["--data", data, "--format=json", `${SAMPLE} WHERE false`])).stdout, "[]\n");
  const lines = await run([
    "--data",
    data,
    "--format",
    "jsonl",
    "SELECT 1 AS a, [2] AS a, {'b': 3::BIGINT} AS c UNION ALL SELECT 4, [], NULL",
  ]);
  assert.equal(lines.stdout, '{"a":1,"a_2":[2],"c":{"b":3}}\n{"a":4,"a_2":[],"c":null}\n');
});

test("the statement comes from the command line, a file or standard input", async (context) => {
  const data = homeIn(context);
  const file = path.join(data, "q.sql");
  writeFileSync(file, "-- a comment\nSELECT 42 AS answer;\n");
  const expected = "answer\n42\n";
  assert.equal((await run(["--data", data, "--file", file])).stdout, expected);
  assert.equal((await run(["--data", data, "-"], { stdin: "SELECT 42 AS answer" })).stdout, expected);
  assert.equal((await run(["--data", data], { stdin: "SELECT 42 AS answer" })).stdout, expected);
});

test("a wrong statement is shown with DuckDB's words and exit code 1; a wrong command line is a usage error", async (context) => {
  const data = homeIn(context);
  const wrong = await run(["--data", data, "SELECT nope FROM orders"]);
  assert.equal(wrong.code, 1);
  assert.match(wrong.stderr, /Binder Error.*nope/s);
  assert.equal(wrong.stdout, "");
  const write = await run(["--data", data, "DROP VIEW orders"]);
  assert.equal(write.code, 1);
  assert.match(write.stderr, /^The lake is read-only/);
  const missing = await run(["--data", path.join(data, "nowhere"), "SELECT 1"]);
  assert.equal(missing.code, 1);
  assert.match(missing.stderr, /There is no home in .*nowhere/);

  for (const args of [
    ["--format", "xml", "SELECT 1"],
    ["SELECT", "1"],
    [],
    ["--file", path.join(data, "absent.sql")],
    ["--format", "json", "--spreadsheet", "SELECT 1"],
  ])
    await assert.rejects(run(["--data", data, ...args]), UsageError, args.join(" "));
  const help = await run(["--help"]);
  assert.equal(help.code, 0);
  assert.match(help.stdout, /Usage: ebb sql.*--format table\|csv\|json\|jsonl/s);
});

test("a home at rest says how many events its lake lacks", async (context) => {
  const data = homeIn(context);
  await landOne(data, 3);
  const { stdout, stderr } = await run(["--data", data, "SELECT order_id, gross_minor FROM orders"]);
  assert.equal(stdout, "order_id,gross_minor\n=1,100\n");
  assert.match(stderr, /^2 events have not landed yet/);
});

test("a running home is asked to land what it has, with its token; one that is gone is not waited for", async (context) => {
  const data = homeIn(context);
  await landOne(data, 1);
  const asked: unknown[] = [];
  let status = 200;
  const server = createServer((request, response) => {
    asked.push([request.method, request.url, request.headers.authorization]);
    response.writeHead(status).end();
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  context.after(() => server.close());
  const { port } = server.address() as AddressInfo;
  const running = { pid: process.pid, port, url: `http://127.0.0.1:${port}`, controlToken: "t0ken", startedAt: "2026" };
  writeRunning(data, running);
  const fresh = await run(["--data", data, "SELECT count(*) AS n FROM orders"]);
  assert.deepEqual(asked, [["POST", "/_ebb/flush", "Bearer t0ken"]]);
  assert.equal(fresh.stdout, "n\n1\n");
  assert.match(fresh.stderr, /^1 row in/);

  status = 503;
  assert.match((await run(["--data", data, "SELECT 1"])).stderr, /could not land its newest events/);
  await new Promise((resolve) => server.close(resolve));
  const gone = await run(["--data", data, "SELECT 1"]);
  assert.deepEqual([gone.code, /could not|busy/.test(gone.stderr)], [0, false]);
});

test("a table shows a thousand rows and says how to get the rest", async (context) => {
  const { stdout, stderr } = await run(["--data", homeIn(context), "FROM range(1001)"], { columns: 80 });
  assert.equal(stdout.split("\n").length, 1_003);
  assert.match(stderr, /1,001 rows in .*The first 1000 rows are shown; --format csv gives all/s);
});
