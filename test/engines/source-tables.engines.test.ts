/**
 * Tables that sources fill, as AWS has them, on Trino 435 and an S3: the contract that the tables of one machine keep, and
 * how they forget. The memory connector takes no MERGE; how one is carried out stands in ./trino-lake.ts.
 */
import assert from "node:assert/strict";
import { after, describe, it } from "node:test";
import { CreateBucketCommand } from "@aws-sdk/client-s3";
import { Clients } from "@ebb/ports/aws/clients";
import { sourceTablesEraser } from "@ebb/ports/aws/erase-source-tables";
import { S3ObjectStore } from "@ebb/ports/aws/object-store";
import { LakeSourceTables } from "@ebb/ports/aws/source-tables";
import { type OpenSourceTables, sourceTablesContract } from "@ebb/ports/contracts/index";
import { sampleCustomerKey } from "@ebb/ports/contracts/samples";
import type { Row, SourceTable } from "@ebb/ports/source-ports";
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
  const { queries } = trinoLake(engine, objects);
  const opened: OpenSourceTables = {
    tables: new LakeSourceTables({ queries, objects, lake: "s3://lake", now: Date.now }),
    read: (name) => readAsText(engine, name),
    reopen: open,
    close: async () => undefined,
  };
  return { ...opened, queries, objects };
};

sourceTablesContract("lake of AWS on Trino 435", open);

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
  async function* rowsOf(...rows: Row[]): AsyncIterable<readonly Row[]> {
    yield rows;
  }

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
