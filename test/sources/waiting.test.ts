/** A load that waits for a job ends its run without an end, a failure or another run: the job's end calls for that. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { it } from "node:test";
import { type LoadSourcePorts, make } from "@ebb/functions/collect/load-source";
import { parseSources } from "@ebb/functions/collect/sources";
import { openRows } from "@ebb/functions/collect/sources/open";
import { shapeOf } from "@ebb/functions/collect/sources/shape";
import { type RowReader, SourceWaiting } from "@ebb/ports/source-ports";
import { PostgresReader } from "@ebb/ports/source-readers/postgres";
import { openPorts } from "./ports.ts";

const declaredWith = (changes: object) =>
  parseSources({
    connections: { db: { kind: "postgres", host: "localhost", database: "shop", user: "ebb", tls: "off" } },
    sources: [
      {
        name: "goods",
        connection: "db",
        maps: "products",
        table: "goods",
        key: ["id"],
        mode: "snapshot",
        fields: { product_id: "id" },
        ...changes,
      },
    ],
  });
const declared = declaredWith({ read: { spark: { partitions: 4 } } });
const context = { awsRequestId: "request", getRemainingTimeInMillis: () => 900_000 };

it("a load waits for nothing but the end of its job, and then goes on", async () => {
  const folder = mkdtempSync(path.join(tmpdir(), "ebb-waiting-"));
  const opened = await openPorts(folder);
  const counted: string[] = [];
  const asked: string[] = [];
  const ports = {
    ...opened,
    metrics: { count: (name: string) => void counted.push(name) },
    sourceJobs: { load: async (source: string) => void asked.push(source) },
  } as unknown as LoadSourcePorts;
  let isThere = false;
  const discarded: string[] = [];
  const reader: RowReader = {
    describe: async (plan) => plan.fields.map((name) => ({ name, type: "bigint", lake: "bigint" })),
    begin: async () => ({}),
    before: async () => undefined,
    prepare: async () => {
      if (!isThere) throw new SourceWaiting("a job runs");
    },
    page: async function* () {
      yield [["1"], ["2"]];
    },
    rowsOf: async function* () {
      yield [];
    },
    discard: async (loadId) => void discarded.push(loadId),
    close: async () => undefined,
  };
  const { read: _, ...load } = declared[0]!.spec as Extract<(typeof declared)[0], { kind: "relational" }>["spec"];
  const run = make(
    ports,
    () => declared,
    async () => ({ load, reader }),
  );
  try {
    assert.equal(await run({ source: "goods" }, context), undefined);
    assert.equal(await run({ source: "goods" }, context), undefined);
    assert.deepEqual([asked, counted, discarded], [[], [], []]);
    assert.equal(await opened.sources.ends("goods", 1).then((ends) => ends.length), 0);

    isThere = true;
    // The run that began the job still has the right to load: the event must not be lost.
    await opened.sources.lease("goods", "another", 60_000, Date.now());
    assert.equal(await run({ source: "goods" }, context), undefined);
    await assert.rejects(run({ source: "goods", ended: true }, context), /another load of goods is under way/);
    await opened.sources.lease("goods", "another", 0, Date.now());
    const end = await run({ source: "goods", ended: true }, context);
    assert.equal(end?.counts.read, 2);
    assert.deepEqual(discarded, [end.loadId]);
  } finally {
    await opened.close();
    rmSync(folder, { recursive: true, force: true });
  }
});

it("one machine reads the same declaration through one connection, and from where it stood without it", async () => {
  const [source, without] = [declared[0]!, declaredWith({})[0]!];
  assert.ok(source.kind === "relational" && without.kind === "relational");
  assert.equal(process.env["EBB_SPARK_APPLICATION"], undefined);
  const { load, reader } = await openRows(source, ".");
  assert.ok(reader instanceof PostgresReader);
  await reader.close();
  assert.equal(shapeOf(load).digest, shapeOf(without.spec).digest);
});

it("what no single field shows is told: a partition column that may change, a table that Spark does not read", () => {
  assert.throws(
    () => declaredWith({ read: { spark: { partition_column: "changed_at" } } }),
    /source "goods": read\.spark\.partition_column changed_at is no field of the key/,
  );
  assert.throws(() => declaredWith({ read: { spark: { partitions: 1 } } }), /source "goods": read\.spark\.partitions/);
  assert.throws(() => declaredWith({ read: { scan: {} } }), /source "goods": read/);
  const dynamo = {
    connections: { tables: { kind: "dynamodb" } },
    sources: [
      {
        ...{ name: "goods", connection: "tables", maps: "products", table: "goods", key: ["id"] },
        ...{ fields: { product_id: "id" }, read: { spark: {} } },
      },
    ],
  };
  assert.throws(
    () => parseSources(dynamo),
    /source "goods": read is a scan or an export: Spark reads relational tables/,
  );
});
