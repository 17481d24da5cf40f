/** What a DynamoDB source promises, on an emulator of the npm registry: loaded, changed, interrupted, no faster than declared. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, before, describe, it } from "node:test";
import {
  BatchWriteItemCommand,
  CreateTableCommand,
  DynamoDBClient,
  type ScanCommandOutput,
  type WriteRequest,
} from "@aws-sdk/client-dynamodb";
import { dynamoLoad, typesOf } from "@ebb/functions/collect/sources/dynamo";
import { type LoadContext, loadRows } from "@ebb/functions/collect/sources/load";
import type { LoadEnd, LoadUnderWay } from "@ebb/ports/source-ports";
import { SourceProblem } from "@ebb/ports/source-ports";
import { DynamoScanReader, type DynamoScanOptions } from "@ebb/ports/source-readers/dynamo-scan";
import { type Emulator, startEmulator } from "../aws/emulators.ts";
import { type ShopOrder, declaredShop, expectedRows, itemOf, lakeHolds, lakeRows, orderOf } from "./documents.ts";
import { type TestPorts, openPorts } from "./ports.ts";

/** The lane takes a tenth; EBB_SOURCES_SCALE=1 takes 100,000 items, in two minutes. */
const ITEMS = 100_000 * Number(process.env["EBB_SOURCES_SCALE"] ?? 0.1);
/** Items of the same table that are no orders. */
const OTHERS = 300;
const TABLE = "shop-orders";

describe(`DynamoDB: ${ITEMS.toLocaleString("en")} items by parallel scan`, () => {
  const folder = mkdtempSync(path.join(tmpdir(), "ebb-dynamo-"));
  const lake = path.join(folder, "lake");
  const shop = new Map<string, ShopOrder>();
  let emulator: Emulator;
  let client: DynamoDBClient;
  let ports: TestPorts;

  const write = async (requests: WriteRequest[]): Promise<void> => {
    const batches = Array.from({ length: Math.ceil(requests.length / 25) }, (_, at) =>
      requests.slice(at * 25, at * 25 + 25),
    );
    const work = async (): Promise<void> => {
      for (let batch; (batch = batches.pop()) !== undefined;)
        await client.send(new BatchWriteItemCommand({ RequestItems: { [TABLE]: batch } }));
    };
    await Promise.all([work(), work(), work(), work()]);
  };
  const put = async (orders: readonly ShopOrder[]): Promise<void> => {
    for (const order of orders) shop.set(order.id, order);
    await write(orders.map((order) => ({ PutRequest: { Item: itemOf(order) } })));
  };

  before(async () => {
    emulator = await startEmulator("dynalite");
    client = new DynamoDBClient({
      region: "us-east-1",
      endpoint: emulator.endpoint,
      credentials: { accessKeyId: "test", secretAccessKey: "test" },
    });
    await client.send(
      new CreateTableCommand({
        TableName: TABLE,
        BillingMode: "PAY_PER_REQUEST",
        KeySchema: [{ AttributeName: "order_id", KeyType: "HASH" }],
        AttributeDefinitions: [{ AttributeName: "order_id", AttributeType: "S" }],
      }),
    );
    await put(Array.from({ length: ITEMS }, (_, index) => orderOf(index)));
    await write(
      Array.from({ length: OTHERS }, (_, index) => ({
        PutRequest: { Item: { order_id: { S: `basket-${index}` }, kind: { S: "basket" } } },
      })),
    );
    ports = await openPorts(folder);
  });
  after(async () => {
    await ports.close();
    client.destroy();
    await emulator.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  const declared = declaredShop(TABLE);
  const readerOf = (options: Partial<DynamoScanOptions> = {}): DynamoScanReader =>
    new DynamoScanReader({
      source: declared.name,
      client: { send: client.send.bind(client), destroy: () => undefined },
      table: TABLE,
      unitsPerSecond: 100_000,
      segments: 4,
      types: typesOf(declared),
      where: declared.where,
      list: declared.lines?.list,
      ...options,
    });
  const load = async (
    reader = readerOf(),
    context: Partial<LoadContext> = {},
    spec = declared,
  ): Promise<LoadEnd | undefined> =>
    await loadRows(ports, dynamoLoad(spec), reader, { owner: "test", remainingMs: () => Infinity, ...context });
  const isEqual = async (): Promise<void> => {
    const expected = expectedRows(shop.values(), (id) => ports.pseudonyms.customer(id));
    const found = await lakeRows(lake);
    assert.equal(found.orders.length, expected.orders.length);
    assert.deepEqual(
      found.orders.find((row, at) => row !== expected.orders[at]),
      undefined,
    );
    assert.equal(found.lines.length, expected.lines.length);
    assert.deepEqual(
      found.lines.find((row, at) => row !== expected.lines[at]),
      undefined,
    );
  };

  it("nested attributes become columns, list elements lines, other kinds of items are passed over, persons stay outside", async () => {
    const end = await load();
    await isEqual();
    assert.deepEqual([end?.counts.read, end?.counts.events, end?.counts.passed], [ITEMS, ITEMS, OTHERS]);
    assert.deepEqual([end?.counts.quarantined, end?.counts.nulled], [0, {}]);
    assert.equal(lakeHolds(lake, "@example.com"), false);
    const order = ports.events.find(({ order_id: id }) => id === "o-2");
    assert.deepEqual(
      [order?.kind, order?.total_minor, order?.lines?.map(({ product_id: id, quantity }) => [id, quantity])],
      [
        "order_completed",
        102 + 14 + 2 * (100 + 15) + 3 * (100 + 16) - 14 + 12,
        [
          ["sku-2", 1],
          ["sku-3", 2],
          ["sku-4", 3],
        ],
      ],
    );
  });

  it("what did not change says nothing; what changed, a line alone too, came or went says so once", async () => {
    const before = ports.events.length;
    const again = await load();
    assert.deepEqual([again?.counts.events, ports.events.length], [0, before]);
    const [dearer, line, ...gone] = ["o-1", "o-4", "o-7", "o-8"].map((id) => shop.get(id)!);
    await put([
      { ...dearer!, status: "packed", lines: dearer!.lines.map((one) => ({ ...one, cents: one.cents + 1 })) },
      { ...line!, lines: line!.lines.map((one) => ({ ...one, sku: "sku-other" })) },
      orderOf(ITEMS + 1),
    ]);
    for (const { id } of gone) shop.delete(id);
    await write(gone.map(({ id }) => ({ DeleteRequest: { Key: { order_id: { S: id } } } })));
    const end = await load();
    await isEqual();
    assert.deepEqual(
      end?.tables?.slice(0, 1).map(({ inserted, updated, deleted }) => [inserted, updated, deleted]),
      [[1, 1, 2]],
    );
    const news = ports.events.slice(before).map(({ order_id: id, kind }) => `${id} ${kind}`);
    assert.deepEqual(
      news.sort(),
      [
        "o-1 order_completed",
        "o-4 order_completed",
        "o-7 order_cancelled",
        "o-8 order_cancelled",
        `o-${ITEMS + 1} order_completed`,
      ].sort(),
    );
  });

  it("a load that stops and one that loses the network go on where each segment was; no item is read twice", async () => {
    await put(Array.from({ length: 50 }, (_, index) => ({ ...orderOf(index * 5 + 2), note: "again" })));
    let pages = 0;
    const seen: LoadUnderWay[] = [];
    const stopped = await load(readerOf(), {
      remainingMs: () => (pages < 3 ? Infinity : 0),
      onProgress: (underWay) => void (underWay.parts > pages && (pages = underWay.parts) && seen.push(underWay)),
    });
    assert.equal(stopped, undefined);
    assert.equal(seen.length, 3);
    let scans = 0;
    const send = async (command: never): Promise<unknown> => {
      if (++scans > 6) throw Object.assign(new Error("read ECONNRESET"), { code: "ECONNRESET" });
      return await client.send(command);
    };
    await assert.rejects(
      load(readerOf({ client: { send: send as DynamoDBClient["send"], destroy: () => undefined } })),
      (error: unknown) =>
        error instanceof SourceProblem && error.code === "unreachable" && /orders/.test(error.message),
    );
    const end = await load();
    await isEqual();
    assert.ok(end!.attempts === 3, String(end!.attempts));
    assert.deepEqual([end!.counts.read, end!.counts.passed], [shop.size, OTHERS]);
  });

  it("no more read units are used than declared", async () => {
    let nowMs = 0;
    const used: { readonly atMs: number; readonly units: number }[] = [];
    const perSecond = 40;
    const send = async (command: never): Promise<unknown> => {
      const answer: ScanCommandOutput = await client.send(command);
      if (answer.ConsumedCapacity !== undefined)
        used.push({ atMs: nowMs, units: answer.ConsumedCapacity.CapacityUnits! });
      return answer;
    };
    const clock = { now: () => nowMs, sleep: async (ms: number) => void (nowMs += ms) };
    await load(
      readerOf({
        client: { send: send as DynamoDBClient["send"], destroy: () => undefined },
        unitsPerSecond: perSecond,
        clock,
      }),
    );
    const total = used.reduce((sum, { units }) => sum + units, 0);
    assert.ok(total > perSecond * 3, `${total} units are enough to tell`);
    let before = 0;
    for (const { atMs, units } of used) {
      // Each segment may have a request under way when the rate is reached.
      assert.ok(before <= (perSecond * atMs) / 1000 + 2 * perSecond, `${before} units after ${atMs} ms`);
      before += units;
    }
    assert.ok(nowMs >= ((total - 2 * perSecond) / perSecond) * 1000);
  });

  it("values that are none of their type are null and counted; an order of them is quarantined; readers lose nothing else", async () => {
    await write([
      {
        PutRequest: {
          Item: {
            ...itemOf(orderOf(3)),
            total: { S: "a lot" },
            placed: { M: { at: { S: "yesterday" }, day: { BOOL: true } } },
          },
        },
      },
    ]);
    const end = await load();
    assert.deepEqual(end?.counts.nulled, { total: 1, "placed.at": 1, "placed.day": 1 });
    assert.equal(end?.counts.quarantined, 1);
    assert.equal((await lakeRows(lake)).orders.length, shop.size);
    await put([orderOf(3)]);
  });

  it("a table that is not there and a server that does not answer say so by name; readers keep the table they had", async () => {
    const before = await lakeRows(lake);
    const problem = async (reader: DynamoScanReader, code: string, says: RegExp): Promise<void> =>
      await assert.rejects(load(reader), (error: unknown) => {
        assert.ok(error instanceof SourceProblem, String(error));
        assert.deepEqual([error.code, says.test(error.message)], [code, true], error.message);
        return true;
      });
    await problem(readerOf({ table: "renamed" }), "no_table", /^Source "orders": the table renamed is not there/);
    const nowhere = new DynamoDBClient({
      region: "us-east-1",
      endpoint: "http://127.0.0.1:9",
      credentials: { accessKeyId: "test", secretAccessKey: "test" },
      maxAttempts: 1,
    });
    await problem(readerOf({ client: nowhere }), "unreachable", /table shop-orders could not be read for now/);
    assert.deepEqual(await lakeRows(lake), before);
  });
});
