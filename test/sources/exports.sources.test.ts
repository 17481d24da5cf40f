/**
 * Exports of a DynamoDB table. moto executes a full export and writes its data; the manifests about it, which moto leaves
 * out, and incremental exports, which no emulator makes, are in the shape of the Developer Guide.
 */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, before, describe, it } from "node:test";
import { gzipSync } from "node:zlib";
import {
  BatchWriteItemCommand,
  CreateTableCommand,
  DescribeExportCommand,
  DescribeTableCommand,
  ListExportsCommand,
  UpdateContinuousBackupsCommand,
} from "@aws-sdk/client-dynamodb";
import { CreateBucketCommand, DeleteObjectCommand, PutObjectCommand } from "@aws-sdk/client-s3";
import { dynamoLoad, typesOf } from "@ebb/functions/collect/sources/dynamo";
import { type LoadContext, loadRows } from "@ebb/functions/collect/sources/load";
import { Clients } from "@ebb/ports/aws/clients";
import { BucketObjects } from "@ebb/ports/aws/source-bucket";
import type { LoadEnd } from "@ebb/ports/source-ports";
import { SourceProblem } from "@ebb/ports/source-ports";
import { DynamoExportReader, type DynamoExportOptions } from "@ebb/ports/source-readers/dynamo-export";
import { exportRequester } from "@ebb/ports/source-readers/dynamo-request";
import { type Emulator, startEmulator } from "../aws/emulators.ts";
import { type ShopOrder, declaredShop, expectedRows, itemOf, lakeRows, orderOf } from "./documents.ts";
import { type Made, makeExport } from "./exports.ts";
import { type TestPorts, openPorts } from "./ports.ts";

const TABLE = "shop-orders";
const BUCKET = "exports";
const PREFIX = "shop/";
const ORDERS = 1_200;
/** The lane takes a tenth; EBB_SOURCES_SCALE=1 takes 100,000 items. */
const ITEMS = 100_000 * Number(process.env["EBB_SOURCES_SCALE"] ?? 0.1);
const HOUR = 3_600_000;
const T0 = Date.UTC(2026, 2, 1);

describe("exports of a DynamoDB table", () => {
  const folder = mkdtempSync(path.join(tmpdir(), "ebb-exports-"));
  const lake = path.join(folder, "lake");
  const shop = new Map<string, ShopOrder>(Array.from({ length: ORDERS }, (_, at) => [`o-${at}`, orderOf(at)]));
  let emulator: Emulator;
  let clients: Clients;
  let ports: TestPorts;
  let objects: BucketObjects;

  const put = async (key: string, Body: Buffer): Promise<void> =>
    void (await clients.s3.send(new PutObjectCommand({ Bucket: BUCKET, Key: key, Body })));
  const made = async (
    files: Parameters<typeof makeExport>[2],
    about: Partial<Made> & { readonly toMs: number },
  ): ReturnType<typeof makeExport> => await makeExport(put, { table: TABLE, prefix: PREFIX, ...about }, files);

  before(async () => {
    emulator = await startEmulator("moto");
    clients = new Clients({
      AWS_REGION: "us-east-1",
      AWS_ENDPOINT_URL: emulator.endpoint,
    });
    process.env["AWS_ACCESS_KEY_ID"] ??= "test";
    process.env["AWS_SECRET_ACCESS_KEY"] ??= "test";
    await clients.s3.send(new CreateBucketCommand({ Bucket: BUCKET }));
    await clients.dynamo.send(
      new CreateTableCommand({
        TableName: TABLE,
        BillingMode: "PAY_PER_REQUEST",
        KeySchema: [{ AttributeName: "order_id", KeyType: "HASH" }],
        AttributeDefinitions: [{ AttributeName: "order_id", AttributeType: "S" }],
      }),
    );
    const requests = [...shop.values()].map((order) => ({ PutRequest: { Item: itemOf(order) } }));
    for (let at = 0; at < requests.length; at += 25)
      await clients.dynamo.send(new BatchWriteItemCommand({ RequestItems: { [TABLE]: requests.slice(at, at + 25) } }));
    objects = new BucketObjects(clients.s3, BUCKET);
    ports = await openPorts(folder);
  });
  after(async () => {
    await ports.close();
    clients.destroy();
    await emulator.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  const declared = declaredShop(TABLE, {
    read: { export: { bucket: BUCKET, prefix: PREFIX, request: false } },
    page: 10_000,
  });
  const readerOf = (options: Partial<DynamoExportOptions> = {}): DynamoExportReader =>
    new DynamoExportReader({
      source: declared.name,
      table: TABLE,
      objects,
      place: `s3://${BUCKET}/${PREFIX}`,
      prefix: PREFIX,
      types: typesOf(declared),
      where: declared.where,
      list: declared.lines?.list,
      ...options,
    });
  const load = async (
    context: Partial<LoadContext> = {},
    reader = readerOf(),
    page = declared.page,
  ): Promise<LoadEnd | undefined> => {
    try {
      return await loadRows(ports, { ...dynamoLoad(declared), page }, reader, {
        owner: "test",
        remainingMs: () => Infinity,
        ...context,
      });
    } finally {
      await reader.close();
    }
  };
  const isEqual = async (): Promise<void> =>
    assert.deepEqual(
      await lakeRows(lake),
      expectedRows(shop.values(), (id) => ports.pseudonyms.customer(id)),
    );
  const fails = async (code: string, says: RegExp): Promise<void> =>
    await assert.rejects(load(), (error: unknown) => {
      assert.ok(error instanceof SourceProblem, String(error));
      assert.deepEqual([error.code, says.test(error.message)], [code, true], error.message);
      return true;
    });

  it("without an export it says where it looked", async () => {
    await fails(
      "no_table",
      /^Source "orders": there is no finished full export of the table shop-orders under s3:\/\/exports\/shop\//,
    );
  });

  it("what an emulator exported is read whole, by pages that go on after a stop", async () => {
    const request = exportRequester({
      source: "orders",
      client: clients.dynamo,
      table: TABLE,
      bucket: BUCKET,
      prefix: "made/",
      clock: { now: Date.now, sleep: async () => await new Promise((resolve) => setTimeout(resolve, 50)) },
    });
    await assert.rejects(request(undefined), /^SourceProblem: Source "orders": .* has no point-in-time recovery/);
    await clients.dynamo.send(
      new UpdateContinuousBackupsCommand({
        TableName: TABLE,
        PointInTimeRecoverySpecification: { PointInTimeRecoveryEnabled: true },
      }),
    );
    await request(undefined);
    const { Table } = await clients.dynamo.send(new DescribeTableCommand({ TableName: TABLE }));
    const { ExportSummaries = [] } = await clients.dynamo.send(new ListExportsCommand({ TableArn: Table?.TableArn }));
    const { ExportDescription } = await clients.dynamo.send(
      new DescribeExportCommand({ ExportArn: ExportSummaries[0]?.ExportArn }),
    );
    assert.equal(ExportDescription?.ItemCount, ORDERS);
    const written = [];
    for await (const { key } of objects.list("made/AWSDynamoDB/")) written.push(key);
    assert.equal(written.length, 1);
    const bytes = [];
    for await (const chunk of await objects.read(written[0]!)) bytes.push(chunk);
    await made([{ bytes: Buffer.concat(bytes), items: ORDERS }, []], { toMs: T0 });

    let pages = 0;
    const stopped = await load(
      {
        remainingMs: () => (pages < 2 ? Infinity : 0),
        onProgress: ({ parts }) => void (pages = parts),
      },
      readerOf(),
      500,
    );
    assert.equal(stopped, undefined);
    const end = await load();
    await isEqual();
    assert.deepEqual([end?.counts.read, end?.attempts], [ORDERS, 2]);
    assert.equal((await ports.sources.get("orders"))?.watermark, new Date(T0).toISOString());
  });

  const record = (before: object | undefined, now: object | undefined, at: number) => ({
    Metadata: { WriteTimestampMicros: { N: String(at * 1000) } },
    Keys: { order_id: (now ?? before ?? {})["order_id" as never] as object },
    ...(before === undefined ? {} : { OldImage: before }),
    ...(now === undefined ? {} : { NewImage: now }),
  });
  const item = (id: string): object => itemOf(shop.get(id)!);

  it("incremental exports go over it in their order: inserted, changed, deleted, no longer an order", async () => {
    const events = ports.events.length;
    const news = orderOf(ORDERS + 3);
    const [first, gone, other] = ["o-1", "o-2", "o-3"].map(item);
    const firstNow = { ...shop.get("o-1")!, note: "first" };
    const later = { ...firstNow, note: "later", lines: firstNow.lines.map((line) => ({ ...line, quantity: 9 })) };
    // Laid down in another order than that of their times.
    await made([[record(itemOf(firstNow), itemOf(later), T0 + 1.5 * HOUR)]], {
      fromMs: T0 + HOUR,
      toMs: T0 + 2 * HOUR,
    });
    await made(
      [
        [record(undefined, itemOf(news), T0 + 1), record(first, itemOf(firstNow), T0 + 2)],
        [record(gone, undefined, T0 + 3), record(other, { ...other, kind: { S: "basket" } }, T0 + 4)],
        [record({ order_id: { S: "b" }, kind: { S: "basket" } }, undefined, T0 + 5)],
      ],
      { fromMs: T0, toMs: T0 + HOUR },
    );
    const end = await load();
    shop.set(news.id, news).set("o-1", later);
    for (const id of ["o-2", "o-3"]) shop.delete(id);
    await isEqual();
    assert.deepEqual(
      end?.tables?.slice(0, 1).map(({ inserted, updated, deleted }) => [inserted, updated, deleted]),
      [[1, 1, 2]],
    );
    assert.equal(end.counts.passed, 1);
    assert.deepEqual(
      ports.events
        .slice(events)
        .map(({ order_id: id, kind }) => `${id} ${kind}`)
        .sort(),
      ["o-1 order_completed", "o-2 order_cancelled", "o-3 order_cancelled", `${news.id} order_completed`].sort(),
    );
    assert.equal((await ports.sources.get("orders"))?.watermark, new Date(T0 + 2 * HOUR).toISOString());
  });

  it("nothing new says nothing; a gap waits; a full export behind a gap is compared whole", async () => {
    const idle = await load();
    assert.deepEqual([idle?.counts.read, idle?.counts.events], [0, 0]);
    await made([[record(item("o-5"), undefined, T0 + 5.5 * HOUR)]], { fromMs: T0 + 5 * HOUR, toMs: T0 + 6 * HOUR });
    assert.equal((await load())?.counts.read, 0);
    await isEqual();
    shop.delete("o-5");
    shop.delete("o-6");
    const more = Array.from({ length: ITEMS }, (_, at) => orderOf(ORDERS + 10 + at));
    for (const order of more) shop.set(order.id, order);
    const items = [...shop.values()].map((order) => ({ Item: itemOf(order) }));
    const share = Math.ceil(items.length / 8);
    await made(
      Array.from({ length: 8 }, (_, at) => items.slice(at * share, (at + 1) * share)),
      { toMs: T0 + 6 * HOUR },
    );
    const end = await load();
    await isEqual();
    assert.deepEqual(
      [end?.counts.read, end?.counts.events, end?.tables?.[0]?.deleted],
      [shop.size, ITEMS + 2, 2],
      "what did not change says nothing",
    );
  });

  it("a damaged file, a missing one, too few items, ION and no old images: an error by name, and readers keep what they had", async () => {
    const before = await lakeRows(lake);
    const lines = [record(item("o-8"), undefined, T0)];
    const next = { fromMs: T0 + 6 * HOUR, toMs: T0 + 7 * HOUR };
    const withdraw = async ({ id }: { readonly id: string }): Promise<void> =>
      void (await clients.s3.send(
        new DeleteObjectCommand({ Bucket: BUCKET, Key: `${PREFIX}AWSDynamoDB/${id}/manifest-summary.json` }),
      ));
    const damaged = await made([lines], next);
    await put(damaged.files[0]!, Buffer.from("not what was exported"));
    await fails("bad_value", /^Source "orders": shop\/AWSDynamoDB\/data\/\w+\.json\.gz is not what its manifest says/);
    await clients.s3.send(new DeleteObjectCommand({ Bucket: BUCKET, Key: damaged.files[0]! }));
    await fails("bad_value", /there is no object shop\/AWSDynamoDB/);
    await withdraw(damaged);
    const short = await made([{ bytes: gzipSync(`${JSON.stringify(lines[0])}\n`), items: 2 }], next);
    await fails("bad_value", /has 1 items, its manifest says 2/);
    await withdraw(short);
    const words = await made([{ bytes: gzipSync('{"Item": a secret}\n'), items: 1 }], next);
    await fails("bad_value", /has a line that is not JSON\.$/);
    await withdraw(words);
    const cut = await made([{ bytes: gzipSync(JSON.stringify(lines[0])).subarray(0, 40), items: 1 }], next);
    await fails("bad_value", /unexpected end of file/);
    await withdraw(cut);
    const ion = await made([lines], { ...next, format: "ION" });
    await fails("unsupported", /in the format ION; DYNAMODB_JSON can be read/);
    await withdraw(ion);
    const images = await made([lines], { ...next, view: "NEW_IMAGE" });
    await fails("unsupported", /has no old images/);
    await withdraw(images);
    assert.deepEqual(await lakeRows(lake), before);
    assert.equal((await ports.sources.get("orders"))?.watermark, new Date(T0 + 6 * HOUR).toISOString());
  });
});
