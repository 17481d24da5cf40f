/** What the AWS adapters promise beyond the contracts: faults of the services, and the services' own limits. */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import { after, describe, it } from "node:test";
import { CreateWorkGroupCommand } from "@aws-sdk/client-athena";
import { CreateFunctionCommand } from "@aws-sdk/client-lambda";
import { ListObjectsV2Command } from "@aws-sdk/client-s3";
import { emptyCustomer } from "@ebb/core/customers";
import type { OrderKey, OrderRecord } from "@ebb/core/orders";
import type { FileOrder } from "@ebb/ports";
import { TransientError } from "@ebb/ports";
import { awsPorts } from "@ebb/ports/aws";
import { Clients } from "@ebb/ports/aws/clients";
import {
  newReceipt,
  sampleCustomerKey,
  sampleEvent,
  samplePart,
  sampleQuarantined,
} from "@ebb/ports/contracts/samples";
import { createAccount } from "./account.ts";
import { startEmulator } from "./emulators.ts";
import { disturb, seeded, throttleRecords } from "./faults.ts";
import { readEventTexts } from "./poller.ts";
import { zipped } from "./zip.ts";

const ministack = await startEmulator("ministack");
after(() => ministack.stop());
const { env } = await createAccount({ dynamodb: ministack, s3: ministack, kinesis: ministack });
const stream = env["EBB_STREAM"]!;

const open = (disturbing: (clients: Clients) => void = () => undefined, more: NodeJS.ProcessEnv = {}) => {
  const clients = new Clients({ ...env, ...more });
  disturbing(clients);
  after(() => clients.destroy());
  return { clients, ports: awsPorts({ ...env, ...more }, clients) };
};

const order = (number: number, totalMinor = 1_000): OrderRecord => ({
  key: `shop\u001f${number}` as OrderKey,
  snapshot: { rank: 2, version: 1, eventId: `evt_${number}`, totalMinor, occurredAtMs: number, cancelled: false },
  refunds: {},
});

describe("the event log under faults", () => {
  it("puts refused records again, and only those: every event is on the stream once", async () => {
    const { ports, clients } = open(({ kinesis }) => throttleRecords(kinesis, 0.5, seeded(1)));
    const receipt = newReceipt();
    const events = Array.from({ length: 400 }, (_, n) => ({
      ...sampleEvent(`${receipt} ${n}`),
      partitionKey: sampleCustomerKey(n),
    }));
    const { appended } = await ports.log.append(samplePart(receipt, 400), events, []);
    assert.equal(appended, 400);
    const texts = new Set(events.map(({ json }) => json));
    const stored = (await readEventTexts(clients.kinesis, stream)).filter((text) => texts.has(text));
    assert.deepEqual(stored.sort(), [...texts].sort());
  });

  it("does not acknowledge what the stream keeps refusing, and takes it when it is sent again", async () => {
    const stuck = open(({ kinesis }) => throttleRecords(kinesis, 1, seeded(2)));
    const receipt = newReceipt("upl");
    const [events, items] = [[sampleEvent(`${receipt} 1`)], [sampleQuarantined(receipt, 2, "invalid_field")]];
    const part = samplePart(receipt, 2, 1);
    await assert.rejects(stuck.ports.log.append(part, events, items), TransientError);
    const { ports, clients } = open();
    assert.equal(await ports.ledger.read(receipt), undefined);
    assert.equal((await ports.log.append(part, events, items)).appended, 1);
    assert.equal((await ports.log.append(part, events, items)).appended, 1);
    const stored = (await readEventTexts(clients.kinesis, stream)).filter((text) => text === events[0]!.json);
    assert.equal(stored.length, 1, "a committed part is not put again");
    assert.equal((await ports.quarantine.list({ receiptId: receipt, limit: 5 })).items.length, 1);
  });

  it("tells a service that cannot be reached as transient", async () => {
    const { ports } = open(undefined, { AWS_ENDPOINT_URL_KINESIS: "http://127.0.0.1:9" });
    const receipt = newReceipt();
    await assert.rejects(ports.log.append(samplePart(receipt, 1), [sampleEvent(receipt)], []), TransientError);
  });
});

describe("the customer store under faults", () => {
  it("says `failed` for a transaction that met another, and nothing of it is stored", async () => {
    const { ports } = open(({ dynamo }) => disturb(dynamo, { conflicts: 1 }, seeded(3)));
    const customer = { ...emptyCustomer(sampleCustomerKey("in flight")), version: 1 };
    const outcomes = await ports.customers.write([{ customer, orders: [order(1)] }]);
    assert.equal(outcomes.get(customer.customerKey), "failed");
    assert.deepEqual(await ports.customers.orders(customer.customerKey), []);
  });

  it("finds a write whose answer was lost as a conflict when it is tried again: it counts once", async () => {
    const deaf = open(({ dynamo }) => disturb(dynamo, { lostAnswers: 1 }, seeded(4))).ports.customers;
    const customer = { ...emptyCustomer(sampleCustomerKey("deaf")), version: 1, orders: 1, grossMinor: 1_000 };
    const write = { customer, orders: [order(1)] };
    assert.equal((await deaf.write([write])).get(customer.customerKey), "failed");
    const { customers } = open().ports;
    assert.equal((await customers.write([write])).get(customer.customerKey), "conflict");
    const state = (await customers.read([{ customerKey: customer.customerKey, orderKeys: [order(1).key] }])).get(
      customer.customerKey,
    );
    assert.deepEqual(state?.customer, customer);
    assert.deepEqual(state?.orders.get(order(1).key), order(1));
  });

  it("asks again for keys that a batch left unread", async () => {
    const keys = Array.from({ length: 150 }, (_, n) => sampleCustomerKey(`unread ${n}`));
    const { customers } = open().ports;
    await customers.write(keys.map((key) => ({ customer: { ...emptyCustomer(key), version: 1 }, orders: [] })));
    const patchy = open(({ dynamo }) => disturb(dynamo, { unprocessed: 0.5 }, seeded(5))).ports.customers;
    const states = await patchy.read(keys.map((customerKey) => ({ customerKey, orderKeys: [] })));
    assert.deepEqual(
      keys.filter((key) => states.get(key)?.customer?.version !== 1),
      [],
    );
  });

  it("refuses 100 orders in one write before anything is written", async () => {
    const { customers } = open().ports;
    const customer = { ...emptyCustomer(sampleCustomerKey("too many")), version: 1 };
    const orders = Array.from({ length: 100 }, (_, n) => order(n));
    await assert.rejects(customers.write([{ customer, orders }]), RangeError);
    assert.deepEqual(await customers.orders(customer.customerKey), []);
  });

  it("keeps orders whose names are longer than a sort key", async () => {
    const { customers } = open().ports;
    const customer = { ...emptyCustomer(sampleCustomerKey("long names")), version: 1 };
    const long = { ...order(1), key: `shop\u001f${"𝄞".repeat(256)}` as OrderKey };
    await customers.write([{ customer, orders: [long] }]);
    assert.deepEqual(await customers.orders(customer.customerKey), [long]);
    const state = await customers.read([{ customerKey: customer.customerKey, orderKeys: [long.key] }]);
    assert.deepEqual(state.get(customer.customerKey)?.orders.get(long.key), long);
  });
});

describe("the order book beyond an item's size", () => {
  const large = (version: number): FileOrder => ({
    key: "shop\u001fcustomer\u001flarge",
    version,
    // What is random does not compress: about 1 MB.
    content: randomBytes(1_000_000).toString("hex"),
  });

  it("keeps a large order whole in S3, and removes the one it replaces", async () => {
    const { ports, clients } = open();
    const objects = async () =>
      ((await clients.s3.send(new ListObjectsV2Command({ Bucket: env["EBB_ORDER_BOOK_BUCKET"] }))).Contents ?? [])
        .length;
    for (const version of [1, 2]) {
      const each = large(version);
      assert.equal((await ports.orderBook.write([each])).get(each.key), "written");
      assert.deepEqual((await ports.orderBook.read([each.key])).get(each.key), each);
      assert.equal(await objects(), 1);
    }
    const small: FileOrder = { ...large(3), content: "small" };
    await ports.orderBook.write([small]);
    assert.deepEqual((await ports.orderBook.read([small.key])).get(small.key), small);
    assert.equal(await objects(), 0);
  });
});

describe("an upload address", () => {
  it("takes the content by a plain PUT, and only until it expires", async () => {
    const { objects } = open().ports;
    const put = async (key: string, expiresAtMs: number) => {
      const { url, headers } = await objects.uploadUrl(key, expiresAtMs);
      return { url, status: async () => (await fetch(url, { method: "PUT", headers, body: "a,b\n1,2\n" })).status };
    };
    assert.equal(await (await put("uploads/now", Date.now() + 60_000)).status(), 200);
    assert.equal(await objects.size("uploads/now"), 8);
    const { url } = await put("uploads/late", Date.now() + 3_600_000);
    assert.match(url, /X-Amz-Expires=3(599|600)\b/);
    assert.doesNotMatch(url, /checksum/i, "a checksum of no content would refuse every content");
  });
});

describe("the job queue", () => {
  it("has the function run outside the request, with the upload's id", async () => {
    let heard: (body: string) => void;
    const told = new Promise<string>((resolve) => (heard = resolve));
    const listener = createServer((incoming, answer) => {
      void text(incoming).then(heard);
      answer.end();
    });
    await new Promise<void>((resolve) => listener.listen(0, "127.0.0.1", resolve));
    after(() => listener.close());
    const { port } = listener.address() as AddressInfo;
    const { ports, clients } = open(undefined, { AWS_ENDPOINT_URL_LAMBDA: ministack.endpoint });
    await clients.lambda.send(
      new CreateFunctionCommand({
        FunctionName: env["EBB_PROCESS_UPLOAD_FUNCTION"],
        Runtime: "nodejs22.x",
        Role: "arn:aws:iam::000000000000:role/process-upload",
        Handler: "index.handler",
        Code: {
          ZipFile: zipped(
            "index.mjs",
            `export const handler = (event) => fetch("http://127.0.0.1:${port}", { method: "POST", body: JSON.stringify(event) }).then(() => "done");`,
          ),
        },
      }),
    );
    const uploadId = newReceipt("upl");
    await ports.jobs.processUpload(uploadId);
    assert.deepEqual(JSON.parse(await told), { uploadId });
  });
});

describe("queries on Athena", () => {
  it("come back with their columns and values of their types", async () => {
    const { ports, clients } = open(undefined, {
      EBB_ATHENA_WORKGROUP: "ebb",
      EBB_GLUE_DATABASE: "ebb",
      AWS_ENDPOINT_URL_ATHENA: ministack.endpoint,
    });
    const Configuration = { ResultConfiguration: { OutputLocation: `s3://${env["EBB_UPLOAD_BUCKET"]}/results/` } };
    await clients.athena.send(new CreateWorkGroupCommand({ Name: "ebb", Configuration }));
    const { columns, rows } = await ports.queries.query(
      "SELECT 1 AS small, CAST(9007199254740993 AS bigint) AS large, 'x' AS word, CAST(NULL AS varchar) AS nothing",
    );
    assert.deepEqual(
      columns.map(({ name }) => name),
      ["small", "large", "word", "nothing"],
    );
    assert.deepEqual(rows, [[1, 9007199254740993n, "x", null]]);
    await assert.rejects(ports.queries.query("SELECT nonsense FROM nowhere"), { name: "QueryFailed" });
  });
});
