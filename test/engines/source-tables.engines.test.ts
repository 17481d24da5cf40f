/**
 * Tables that sources fill, as AWS has them, on Trino 435 and an S3: the contract that the tables of one machine keep, and
 * how they forget. The memory connector takes no MERGE; how one is carried out stands in ./trino-lake.ts.
 */
import assert from "node:assert/strict";
import { after, describe, it } from "node:test";
import { CreateBucketCommand } from "@aws-sdk/client-s3";
import { Clients } from "@ebb/ports/aws/clients";
import type { LongStatements } from "@ebb/ports/aws/begun-statements";
import { sourceTablesEraser } from "@ebb/ports/aws/erase-source-tables";
import { S3ObjectStore } from "@ebb/ports/aws/object-store";
import { LakeSourceTables } from "@ebb/ports/aws/source-tables";
import { type OpenSourceTables, sourceTablesContract } from "@ebb/ports/contracts/index";
import { sampleCustomerKey } from "@ebb/ports/contracts/samples";
import { type CommittedTable, type Row, type SourceTable, StatementUnderWay } from "@ebb/ports/source-ports";
import { startEmulator } from "../aws/emulators.ts";
import { engineNamed } from "./engines.ts";
import { readAsText, trinoLake } from "./trino-lake.ts";

process.env["AWS_ACCESS_KEY_ID"] ??= "test";
process.env["AWS_SECRET_ACCESS_KEY"] ??= "test";
const emulator = await startEmulator("fauxqs");
const clients = new Clients({ AWS_REGION: "us-east-1", AWS_ENDPOINT_URL_S3: emulator.endpoint });
await clients.s3.send(new CreateBucketCommand({ Bucket: "lake" }));
after(async () => {
  clients.destroy();
  await emulator.stop();
});

const open = async () => {
  const engine = await engineNamed("trino");
  const objects = new S3ObjectStore(clients.s3, "lake", Date.now);
  const { queries, long: statements, statements: ran } = trinoLake(engine, objects);
  const opened: OpenSourceTables = {
    tables: new LakeSourceTables({ queries, statements, objects, lake: "s3://lake", now: Date.now }),
    read: (name) => readAsText(engine, name),
    reopen: open,
    close: async () => undefined,
  };
  return { ...opened, queries, statements, ran, objects };
};

sourceTablesContract("lake of AWS on Trino 435", open);

async function* rowsOf(...rows: Row[]): AsyncIterable<readonly Row[]> {
  yield rows;
}

describe("a commit whose statements all take longer than a call", () => {
  const table: SourceTable = {
    name: "source_slow",
    columns: [
      { name: "id", type: "bigint" },
      { name: "note", type: "string" },
    ],
    key: ["id"],
  };
  const lines: SourceTable = { ...table, name: "source_slow_lines", key: ["note"] };

  it("comes to its end in the calls that follow, each statement run once, with a kill before every note", async () => {
    const { queries, statements, ran, objects, read } = await open();
    const waited = new Set<string>();
    const slow: LongStatements = {
      begin: (sql, token) => statements.begin(sql, token),
      answer: async (id, waitMs) => {
        if (waited.has(id)) return await statements.answer(id, waitMs);
        waited.add(id);
        return undefined;
      },
    };
    const killed = new Set<string>();
    const mortal: Pick<S3ObjectStore, "put" | "get" | "list" | "delete"> = {
      get: (key) => objects.get(key),
      list: (prefix) => objects.list(prefix),
      delete: (keys) => objects.delete(keys),
      put: async (key, body) => {
        const text = key.startsWith("sources/commits/") ? (body as Buffer).toString() : "";
        if (text !== "" && !killed.has(text)) {
          killed.add(text);
          throw new Error("killed");
        }
        await objects.put(key, body);
      },
    };
    const commit = {
      ...{ source: "slow", loadId: "load_slow", mode: "snapshot" as const, table, keysStaged: false },
      lines: { table: lines, parent: "id", parentKey: "id" },
    };
    // Each call is another run of the function, which knows what is written down and no more.
    const call = () =>
      new LakeSourceTables({ queries, statements: slow, objects: mortal, lake: "s3://lake", now: Date.now });
    await call().stage(commit.loadId, table, 0, rowsOf(["1", "a"], ["2", "b"]));
    await call().stage(commit.loadId, lines, 0, rowsOf(["1", "x"], ["1", "y"], ["2", "z"]));
    let committed: readonly CommittedTable[] | undefined;
    let calls = 0;
    while (committed === undefined && ++calls < 100)
      committed = await call()
        .commit(commit, () => 0)
        .catch((error: unknown) => {
          assert.ok(error instanceof StatementUnderWay || (error as Error).message === "killed", String(error));
          return undefined;
        });
    assert.deepEqual(
      committed?.map(({ rows, inserted }) => [rows, inserted]),
      [
        [2, 2],
        [3, 3],
      ],
    );
    const own = ran.filter((sql) => /^(?:SELECT|MERGE)/.test(sql));
    assert.equal(new Set(own).size, own.length, "none ran twice");
    assert.equal(own.filter((sql) => sql.startsWith("MERGE")).length, 2);
    assert.ok(calls > 2 * own.length, `${calls} calls for ${own.length} statements`);
    assert.deepEqual((await read(table.name))!.map((row) => row.join(" ")).sort(), ["1 a", "2 b"]);
    assert.deepEqual((await read(lines.name))!.map((row) => row.join(" ")).sort(), ["1 x", "1 y", "2 z"]);
  });
});

describe("an erasure in the tables of sources", () => {
  const [ADA, BOB] = [sampleCustomerKey("ada"), sampleCustomerKey("bob")];
  const orders: SourceTable = {
    name: "source_bought",
    columns: [
      { name: "order_id", type: "bigint" },
      { name: "customer_key", type: "string" },
    ],
    key: ["order_id"],
  };
  const lines: SourceTable = {
    name: "source_bought_lines",
    columns: [
      { name: "order_id", type: "bigint" },
      { name: "sku", type: "string" },
    ],
    key: ["sku"],
  };
  it("takes away the person's rows, their lines, and what a load under way has staged of them", async () => {
    const { tables, read, queries, objects } = await open();
    const about = { table: lines, parent: "order_id", parentKey: "order_id" };
    const commit = { source: "bought", mode: "snapshot" as const, table: orders, keysStaged: false, lines: about };
    await tables.stage("load_1", orders, 0, rowsOf(["1", ADA], ["2", BOB], ["3", ADA], ["4", null]));
    await tables.stage("load_1", lines, 0, rowsOf(["1", "a"], ["2", "b"], ["2", "c"], ["3", "d"], ["4", "e"]));
    await tables.commit({ ...commit, loadId: "load_1" });
    await tables.discard("load_1");
    await tables.stage("load_2", orders, 0, rowsOf(["2", BOB], ["5", ADA], ["6", BOB]));

    const eraser = sourceTablesEraser({ queries, objects });
    const subjects = [{ customerKey: ADA, anonymousKeys: [] }];
    const found = await eraser.survey(subjects);
    assert.deepEqual(
      found.toSorted((a, b) => (a.store < b.store ? -1 : 1)),
      [
        { store: "loads under way", count: 1 },
        { store: "source_bought", count: 2 },
        { store: "source_bought_lines", count: 2 },
      ],
    );
    await eraser.erase(subjects);
    assert.deepEqual(await eraser.survey(subjects), []);
    await eraser.erase(subjects);
    const left = async (name: string) => (await read(name))!.map((row) => row.join(" ")).sort();
    assert.deepEqual(await left("source_bought"), [`2 ${BOB}`, "4 "]);
    assert.deepEqual(await left("source_bought_lines"), ["2 b", "2 c", "4 e"]);

    await tables.commit({ ...commit, loadId: "load_2", mode: "merge" });
    assert.deepEqual(await left("source_bought"), [`2 ${BOB}`, "4 ", `6 ${BOB}`]);
  });
});
after(async () => (await engineNamed("trino")).clear());
