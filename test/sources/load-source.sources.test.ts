/**
 * The function that loads a source in AWS, over a real PostgreSQL: it goes on in a run after its own, and every fault is one
 * count of the metric that an alarm is on, a reason that can be read, and the table as it was.
 */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, before, describe, it } from "node:test";
import { type LoadSourcePorts, make } from "@ebb/functions/collect/load-source";
import { type Source, parseSources } from "@ebb/functions/collect/sources";
import { EmbeddedObjectStore, EmbeddedUploadStore, embeddedJobQueue } from "@ebb/ports/embedded";
import { SourceProblem } from "@ebb/ports/source-ports";
import { MemorySuppressions } from "@ebb/ports/suppression-list";
import { answerOf, compare } from "./equal.ts";
import { type TestPorts, openPorts } from "./ports.ts";
import { cuttingProxy } from "./proxy.ts";
import { type Server, postgresProgram, startPostgres } from "./servers.ts";
import { READER, makeShop } from "./shop.ts";

const [CUSTOMERS, ORDERS] = [500, 4_000];
const COLUMNS = {
  order_id: "INTEGER",
  customer_key: "customer",
  occurred_at: "TIMESTAMP",
  total: "DECIMAL(14,3)",
  note: "VARCHAR",
};
const SELECT = "SELECT id, customer_id, placed_at, total, note FROM orders";

/** Milliseconds that each question for the time left is answered with, the last for all further ones. */
const contextOf = (...remaining: readonly number[]) => {
  let asked = 0;
  return {
    awsRequestId: "request",
    getRemainingTimeInMillis: () => remaining[Math.min(asked++, remaining.length - 1)]!,
  };
};
const whole = () => contextOf(900_000);

const postgres = postgresProgram();
const skip = postgres === undefined ? "PostgreSQL is not installed" : false;
void describe("collect/load-source over PostgreSQL", { skip }, () => {
  const folder = mkdtempSync(path.join(tmpdir(), "ebb-load-source-"));
  let server: Server;
  let opened: TestPorts;
  let uploads: EmbeddedUploadStore;
  let ports: LoadSourcePorts;
  let aheadMs = 0;
  const asked: string[] = [];
  const counted: string[] = [];
  before(async () => {
    server = await startPostgres(postgres!);
    await makeShop(server, CUSTOMERS, ORDERS);
    process.env["EBB_TEST_LOAD_PASSWORD"] = server.password;
    opened = await openPorts(folder);
    uploads = new EmbeddedUploadStore(folder);
    ports = {
      ...opened,
      now: () => Date.now() + aheadMs,
      suppressions: new MemorySuppressions("another secret of thirty-two and more characters"),
      uploads,
      objects: new EmbeddedObjectStore(path.join(folder, "objects")),
      jobs: embeddedJobQueue(() => undefined),
      metrics: { count: (name, _value, dimensions) => void counted.push(`${name} ${JSON.stringify(dimensions)}`) },
      sourceJobs: { load: async (source) => void asked.push(source) },
    };
  });
  after(async () => {
    delete process.env["EBB_TEST_LOAD_PASSWORD"];
    uploads.close();
    await opened.close();
    await server.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  const declared = (connection: object = {}, changes: object = {}): readonly Source[] =>
    parseSources({
      connections: {
        shop: {
          kind: "postgres",
          host: "127.0.0.1",
          port: server.port,
          database: "postgres",
          user: READER,
          password: { secret: "EBB_TEST_LOAD_PASSWORD" },
          ca_file: server.caFile,
          ...connection,
        },
      },
      sources: [
        {
          name: "orders",
          connection: "shop",
          maps: "orders",
          table: "orders",
          key: ["id"],
          mode: "snapshot",
          currency: "EUR",
          fields: { order_id: "id", customer_id: "customer_id", occurred_at: "placed_at", total: "total" },
          keep: ["note"],
          page: 1_000,
          ...changes,
        },
      ],
    });
  const run = (context = whole(), sources = declared()) => make(ports, () => sources)({ source: "orders" }, context);
  const equals = async (answer: Awaited<ReturnType<typeof answerOf>>): Promise<void> => {
    const { missing, added } = await compare(path.join(folder, "lake"), "source_orders", answer);
    assert.deepEqual({ missing, added }, { missing: 0, added: 0 });
  };
  const now = () => answerOf(server, SELECT, COLUMNS);

  it("goes on in runs after its own until the table is the database's, and no row is read twice", async () => {
    // Time for two pages, for two, for one and not for the commit, and for that.
    const [two, one] = [
      [900_000, 900_000, 70_000],
      [900_000, 70_000],
    ];
    for (const [at, remaining] of [two, two, one].entries()) {
      assert.equal(await run(contextOf(...remaining)), undefined);
      assert.equal(asked.length, at + 1, "it asked for its own next run");
    }
    const end = (await run(contextOf(400_000)))!;
    assert.deepEqual([end.counts.read, end.counts.events, end.attempts], [ORDERS, ORDERS, 4]);
    assert.deepEqual([opened.repeated(), asked.length], [0, 3]);
    await equals(await now());
    assert.ok(counted.includes('SourceLoadsDone {"source":"orders"}'));
  });

  it("leaves a source alone that is being loaded, and fails for one that is not declared", async () => {
    await ports.sources.lease("orders", "another", 60_000, Date.now());
    const before = [asked.length, counted.length];
    assert.equal(await run(), undefined);
    assert.deepEqual([asked.length, counted.length], before);
    await ports.sources.lease("orders", "another", 0, Date.now());
    await assert.rejects(run(whole(), []), /There is no source "orders"/);
  });

  /** Every fault is told once, under the source, and not as a failure of the function. */
  const faulty = async (code: string, says: RegExp, sources = declared()): Promise<void> => {
    const [before, from, questions] = [await now().catch(() => undefined), counted.length, asked.length];
    assert.equal(await run(whole(), sources), undefined);
    assert.deepEqual(counted.slice(from), ['SourceLoadsFailed {"source":"orders"}']);
    assert.equal(asked.length, questions, "to go on mends nothing");
    if (code !== "secret") {
      const [end] = await ports.sources.ends("orders", 1);
      assert.equal(end?.problem?.code, code);
      assert.match(end.problem.message, says);
      assert.doesNotMatch(end.problem.message, /a password of the test/);
    }
    if (before !== undefined) await equals(before);
  };

  it("a wrong password, one that is not there, and a lost network", async () => {
    process.env["EBB_TEST_WRONG_PASSWORD"] = "not the password";
    await faulty(
      "access",
      /^Source "orders": .*ebb_reader/,
      declared({ password: { secret: "EBB_TEST_WRONG_PASSWORD" } }),
    );
    delete process.env["EBB_TEST_WRONG_PASSWORD"];
    await faulty("secret", /EBB_TEST_WRONG_PASSWORD/, declared({ password: { secret: "EBB_TEST_WRONG_PASSWORD" } }));

    const before = await now();
    await server.run("UPDATE orders SET total = total + 3");
    const proxy = await cuttingProxy(server.port, 150_000);
    const from = counted.length;
    await assert.rejects(run(whole(), declared({ port: proxy.port })), (error: unknown) => {
      assert.ok(error instanceof SourceProblem && error.code === "unreachable" && error.mayRetry);
      return true;
    });
    await proxy.close();
    assert.ok(counted.slice(from).includes('SourceLoadsFailed {"source":"orders"}'));
    await equals(before);
    const end = await run();
    assert.ok(end!.attempts > 1, "Lambda's next try goes on with the load");
    await equals(await now());
  });

  it("a load that stood still for six days begins anew: what it staged may be gone", async () => {
    await server.run("UPDATE orders SET total = total + 1");
    assert.equal(await run(contextOf(900_000, 900_000, 70_000)), undefined);
    const stopped = (await ports.sources.get("orders"))!.underWay!;
    await opened.sourceTables.discard(stopped.loadId); // as the bucket's lifecycle does
    aheadMs = 6 * 86_400_000;
    const end = await run();
    assert.deepEqual([end?.attempts, end?.counts.read], [1, ORDERS]);
    await equals(await now());
    aheadMs = 0;
  });

  it("a widened type, until it is accepted, a dropped field and a renamed table", async () => {
    await server.run("ALTER TABLE orders ALTER total TYPE numeric(14,3)");
    await faulty("type_changed", /field total was .*\(12,2\) and is now .*\(14,3\)/);
    const taken = await make(ports, () => declared())({ source: "orders", accept: true }, whole());
    assert.equal(taken?.tables?.[0]?.rows, ORDERS);
    const before = await now();
    await equals(before);
    await server.run("ALTER TABLE orders DROP COLUMN note");
    await faulty("no_field", /has no field note/);
    await server.run("ALTER TABLE orders RENAME TO purchases");
    await faulty("no_table", /table orders is not there/);
    await equals(before);
  });
});
