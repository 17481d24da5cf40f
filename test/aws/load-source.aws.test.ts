/**
 * The function that loads a source, with the ports that AWS gives it, on MiniStack: a table of DynamoDB becomes events on
 * the stream, where it stands is in DynamoDB, and a long load invokes its own next run. The lake's tables are those of one
 * machine: no emulator runs Athena's MERGE, which test/engines proves.
 */
import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { json } from "node:stream/consumers";
import { after, before, describe, it } from "node:test";
import { BatchWriteItemCommand, CreateTableCommand } from "@aws-sdk/client-dynamodb";
import { CreateFunctionCommand } from "@aws-sdk/client-lambda";
import type { StreamEvent } from "@ebb/core/stream-event";
import { make } from "@ebb/functions/collect/load-source";
import { parseSources } from "@ebb/functions/collect/sources";
import { awsPorts } from "@ebb/ports/aws";
import { Clients } from "@ebb/ports/aws/clients";
import { EmbeddedSourceTables } from "@ebb/ports/embedded/source-tables";
import { createAccount } from "./account.ts";
import { startEmulator } from "./emulators.ts";
import { readEventTexts } from "./poller.ts";
import { zipped } from "./zip.ts";

const ministack = await startEmulator("ministack");
after(() => ministack.stop());
const account = await createAccount({ dynamodb: ministack, s3: ministack, kinesis: ministack });
const FUNCTION = `ebb-${process.pid}-load-carts`;
const env: NodeJS.ProcessEnv = {
  ...account.env,
  AWS_ENDPOINT_URL_LAMBDA: ministack.endpoint,
  EBB_LOAD_SOURCE_FUNCTION: FUNCTION,
};
const clients = new Clients(env);
after(() => clients.destroy());

const ITEMS = 200;
const TABLE = `carts-${process.pid}`;
const itemOf = (at: number, total = `${at}.50`) => ({
  order_id: { S: `o-${at}` },
  customer: { M: { id: { S: `c-${at % 20}` } } },
  placed: { S: "2026-03-01T10:00:00Z" },
  total: { N: total },
});
const put = async (items: readonly ReturnType<typeof itemOf>[]): Promise<void> => {
  for (let from = 0; from < items.length; from += 25)
    await clients.dynamo.send(
      new BatchWriteItemCommand({
        RequestItems: { [TABLE]: items.slice(from, from + 25).map((Item) => ({ PutRequest: { Item } })) },
      }),
    );
};
const declared = parseSources({
  connections: { tables: { kind: "dynamodb", region: "us-east-1", endpoint: ministack.endpoint } },
  sources: [
    {
      name: "carts",
      connection: "tables",
      maps: "orders",
      table: TABLE,
      key: ["order_id"],
      currency: "GBP",
      fields: { order_id: "order_id", customer_id: "customer.id", occurred_at: "placed", total: "total" },
      types: { total: "decimal(12,2)" },
      read: { scan: { units_per_second: 100_000, segments: 2 } },
      page: 100,
    },
  ],
});

describe("collect/load-source with the ports of AWS", () => {
  const folder = mkdtempSync(path.join(tmpdir(), "ebb-load-source-aws-"));
  let sourceTables: EmbeddedSourceTables;
  before(async () => {
    sourceTables = await EmbeddedSourceTables.open({ lakeFolder: folder, now: Date.now });
    await clients.dynamo.send(
      new CreateTableCommand({
        TableName: TABLE,
        BillingMode: "PAY_PER_REQUEST",
        KeySchema: [{ AttributeName: "order_id", KeyType: "HASH" }],
        AttributeDefinitions: [{ AttributeName: "order_id", AttributeType: "S" }],
      }),
    );
    await put(Array.from({ length: ITEMS }, (_, at) => itemOf(at)));
  });
  after(async () => {
    await sourceTables.close();
    rmSync(folder, { recursive: true, force: true });
  });

  const ports = awsPorts(env, clients);
  const run = (remainingMs: number) => {
    // Spreading would build every port of AWS's.
    const own = Object.create(ports, { sourceTables: { value: sourceTables } }) as typeof ports;
    const context = { awsRequestId: "request", getRemainingTimeInMillis: () => remainingMs };
    return make(own, () => declared)({ source: "carts" }, context);
  };
  const told = async (): Promise<StreamEvent[]> =>
    (await readEventTexts(clients.kinesis, env["EBB_STREAM"]!)).map((text) => JSON.parse(text) as StreamEvent);

  it("a load without time for a page invokes the function again, with the source's name", async () => {
    const listener = createServer();
    await new Promise<void>((resolve) => listener.listen(0, "127.0.0.1", resolve));
    after(() => listener.close());
    const heard = once(listener, "request");
    const { port } = listener.address() as AddressInfo;
    await clients.lambda.send(
      new CreateFunctionCommand({
        FunctionName: FUNCTION,
        Runtime: "nodejs22.x",
        Role: "arn:aws:iam::000000000000:role/load-carts",
        Handler: "index.handler",
        Code: {
          ZipFile: zipped(
            "index.mjs",
            `export const handler = (event) => fetch("http://127.0.0.1:${port}", { method: "POST", body: JSON.stringify(event) }).then(() => "done");`,
          ),
        },
      }),
    );
    assert.equal(await run(30_000), undefined);
    const [request, answer] = (await heard) as [NodeJS.ReadableStream, { end(): void }];
    assert.deepEqual(await json(request), { source: "carts" });
    answer.end();
    assert.equal((await ports.sources.get("carts"))?.underWay?.attempts, 1);
  });

  it("every item is an order on the stream once, whose customer is a pseudonym; what changed says so once", async () => {
    const end = await run(900_000);
    assert.deepEqual([end?.counts.read, end?.counts.events, end?.attempts], [ITEMS, ITEMS, 2]);
    const first = await told();
    assert.equal(first.length, ITEMS);
    assert.equal(new Set(first.map(({ order_id }) => order_id)).size, ITEMS);
    for (const { customer_key } of first) assert.match(customer_key!, /^cus_[0-9a-f]{32}$/);
    assert.doesNotMatch(JSON.stringify(first), /c-1\b/);
    const profile = await ports.profiles.get(ports.pseudonyms.customer("c-7"));
    assert.equal(profile?.customerId, "c-7");

    await put([itemOf(3, "99.00"), itemOf(ITEMS)]);
    assert.equal((await run(900_000))?.counts.events, 2);
    assert.equal((await run(900_000))?.counts.events, 0);
    assert.equal((await told()).length, ITEMS + 2);
    assert.deepEqual(
      (await ports.sources.ends("carts", 5)).map(({ outcome, counts }) => [outcome, counts.events]),
      [
        ["loaded", 0],
        ["loaded", 2],
        ["loaded", ITEMS],
      ],
    );
  });

  it("a table that is not there is a failed load with its reason, and the state as it was", async () => {
    const before = await ports.sources.get("carts");
    const [source] = declared;
    assert.equal(source?.kind, "dynamodb");
    const renamed = { ...source, spec: { ...source.spec, table: "renamed" } };
    const own = Object.create(ports, { sourceTables: { value: sourceTables } }) as typeof ports;
    const context = { awsRequestId: "request", getRemainingTimeInMillis: () => 900_000 };
    assert.equal(await make(own, () => [renamed])({ source: "carts" }, context), undefined);
    const [end] = await ports.sources.ends("carts", 1);
    assert.deepEqual([end?.outcome, end?.problem?.code], ["failed", "no_table"]);
    assert.deepEqual(await ports.sources.get("carts"), before);
  });
});
