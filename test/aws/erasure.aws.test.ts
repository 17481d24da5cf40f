/** An erasure in AWS: the workflow with its stores and erasers over DynamoDB and S3, whatever lies in them; and its start. */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import { after, before, describe, it } from "node:test";
import { ScanCommand } from "@aws-sdk/client-dynamodb";
import { CreateFunctionCommand } from "@aws-sdk/client-lambda";
import {
  GetObjectCommand,
  ListObjectVersionsCommand,
  PutBucketVersioningCommand,
  PutObjectCommand,
} from "@aws-sdk/client-s3";
import { emptyCustomer } from "@ebb/core/customers";
import type { AnonymousKey, CustomerKey } from "@ebb/core/ids";
import type { OrderKey, OrderRecord } from "@ebb/core/orders";
import { make } from "@ebb/functions/serve/erase-customers";
import { make as makeErasures } from "@ebb/functions/serve/erasures";
import type { Subject, WorkflowContext } from "@ebb/ports";
import type { JobRunner } from "@ebb/ports/batch-ports";
import { awsPorts } from "@ebb/ports/aws";
import { Clients } from "@ebb/ports/aws/clients";
import { awsErasers } from "@ebb/ports/aws/erasers";
import { LambdaErasing } from "@ebb/ports/aws/job-queue";
import { trino } from "@ebb/lake/dialect";
import { newReceipt, sampleCustomerKey, sampleQuarantined } from "@ebb/ports/contracts/samples";
import { isSigned } from "@ebb/ports/receipt-signer";
import { send } from "../support/http-event.ts";
import { createAccount } from "./account.ts";
import { startEmulator } from "./emulators.ts";
import { zipped } from "./zip.ts";

const ministack = await startEmulator("ministack");
after(() => ministack.stop());
const { env } = await createAccount({ dynamodb: ministack, s3: ministack, kinesis: ministack });
const clients = new Clients(env);
after(() => clients.destroy());
const ports = awsPorts(env, clients);

const [ADA, BOB] = [sampleCustomerKey("ada"), sampleCustomerKey("bob")];
const BROWSER = "ano_".padEnd(36, "b") as AnonymousKey;
const [ADA_ID, BOB_ID] = ["ada@shop.example", "bob@shop.example"];
const NOW_MS = Date.UTC(2026, 10, 22);

const bought = (id: string): OrderRecord => ({
  key: `shop\u001f${id}` as OrderKey,
  snapshot: { rank: 1, version: 1, eventId: `evt_${id}`, totalMinor: 1_000, occurredAtMs: NOW_MS, cancelled: false },
  refunds: {},
});

/** Everything of every table and of every version of every object, as text. */
const everything = async (): Promise<string> => {
  const found: string[] = [];
  for (const [name, table] of Object.entries(env)) {
    if (!/_TABLE$/.test(name) || name === "EBB_SUPPRESSION_TABLE") continue;
    const { Items = [] } = await clients.dynamo.send(new ScanCommand({ TableName: table }));
    found.push(JSON.stringify(Items));
  }
  for (const Bucket of ["EBB_QUARANTINE_BUCKET", "EBB_ORDER_BOOK_BUCKET", "EBB_UPLOAD_BUCKET"].map(
    (each) => env[each],
  )) {
    const { Versions = [] } = await clients.s3.send(new ListObjectVersionsCommand({ Bucket }));
    for (const { Key, VersionId } of Versions) {
      const { Body } = await clients.s3.send(
        new GetObjectCommand({ Bucket, Key, ...(VersionId === "null" ? {} : { VersionId }) }),
      );
      const content = (await Body?.transformToString("latin1")) ?? "";
      const originals = [...content.matchAll(/"originalBase64":"([^"]*)"/g)].map((match) =>
        Buffer.from(match[1]!, "base64").toString("latin1"),
      );
      found.push(Key!, content, ...originals);
    }
  }
  return found.join("\n");
};

const plain: WorkflowContext = {
  step: (_name, work) => work(),
  waitFor: async (_name, _seconds, look) => {
    const found = await look();
    assert.ok(found !== undefined, "there is nothing to wait for");
    return found;
  },
};

/** The workflow's ports, but for Spark and Athena. */
const workPorts = () => {
  const erasers = awsErasers({
    dynamo: clients.dynamo,
    s3: clients.s3,
    tables: {
      customers: env["EBB_CUSTOMER_TABLE"]!,
      profiles: env["EBB_PROFILE_TABLE"]!,
      orderBook: env["EBB_ORDER_BOOK_TABLE"]!,
    },
    buckets: { quarantine: env["EBB_QUARANTINE_BUCKET"]!, orderBook: env["EBB_ORDER_BOOK_BUCKET"]! },
    profiles: ports.profiles,
    documents: ports.objects,
    // What Spark does is proven on Spark (test/engines): here no run has made a table yet.
    // No source is loaded here: nothing may be asked.
    queries: { dialect: trino, query: () => Promise.reject(new Error("a table of a source was asked for")) },
    runner: { unwritten: async (tables: readonly string[]) => [...tables] } as JobRunner,
    now: () => NOW_MS,
  });
  return {
    now: () => NOW_MS,
    runs: ports.runs,
    erasures: ports.erasures,
    suppressions: ports.suppressions,
    erasing: { start: () => Promise.reject(new Error("an erasure starts no other")) },
    arrivals: { missing: async () => 0 },
    visitors: {
      of: async (keys: readonly CustomerKey[]) =>
        keys.map((customerKey) => ({ customerKey, anonymousKeys: [BROWSER] })),
    },
    erasers: erasers.filter(({ name }) => name !== "raw events" && name !== "tables of batch runs"),
    receipts: ports.receipts,
  };
};

describe("an erasure in AWS", () => {
  const receipt = newReceipt();
  const content = (id: string): string => JSON.stringify({ id, lines: randomBytes(500_000).toString("hex") });
  let objectOfAda: string;

  before(async () => {
    await clients.s3.send(
      new PutBucketVersioningCommand({
        Bucket: env["EBB_ORDER_BOOK_BUCKET"],
        VersioningConfiguration: { Status: "Enabled" },
      }),
    );
    for (const [customer, customerId, name] of [
      [ADA, ADA_ID, "A"],
      [BOB, BOB_ID, "B"],
    ] as const) {
      const written = await ports.customers.write([
        { customer: { ...emptyCustomer(customer), version: 1 }, orders: [bought(`${name}-1`), bought(`${name}-2`)] },
      ]);
      assert.equal(written.get(customer), "written");
      await ports.profiles.put([
        { customerKey: customer, customerId, traits: { email: customerId }, updatedAtMs: NOW_MS },
      ]);
      await ports.orderBook.write([
        { key: ["shop", customer, `${name}-1`].join("\u001f"), version: 1, content: `{"small":"${customer}"}` },
        { key: ["shop", customer, `${name}-2`].join("\u001f"), version: 1, content: content(customer) },
      ]);
    }
    const { Versions = [] } = await clients.s3.send(
      new ListObjectVersionsCommand({ Bucket: env["EBB_ORDER_BOOK_BUCKET"] }),
    );
    assert.equal(Versions.length, 2, "the large orders lie in objects");
    // An older version of Ada's, as a retry leaves one.
    const { Items = [] } = await clients.dynamo.send(new ScanCommand({ TableName: env["EBB_ORDER_BOOK_TABLE"] }));
    objectOfAda = Items.find(({ pk, object }) => object !== undefined && pk!.S!.includes(ADA))!["object"]!.S!;
    await clients.s3.send(
      new PutObjectCommand({ Bucket: env["EBB_ORDER_BOOK_BUCKET"], Key: objectOfAda, Body: `older ${ADA}` }),
    );
    await ports.quarantine.put([
      { ...sampleQuarantined(receipt, 0, "invalid_field"), original: Buffer.from(`{"userId":"${ADA_ID}"}`) },
      { ...sampleQuarantined(receipt, 1, "invalid_field"), original: Buffer.from(`{"userId":"${BOB_ID}"}`) },
      { ...sampleQuarantined(receipt, 2, "invalid_field"), original: Buffer.from(`{"anonymousId":"${BROWSER}"}`) },
    ]);
    await ports.quarantine.markReplayed([
      { receiptId: receipt, rowNumber: 1, replayed: { receiptId: newReceipt(), outcome: "refused", atMs: NOW_MS } },
    ]);
    const drift = {
      customers: [
        { customer: ADA, drift: 1 },
        { customer: BOB, drift: 2 },
      ],
    };
    await ports.objects.put("reports/run_1/drift.json", Buffer.from(JSON.stringify(drift, undefined, 1)));
    await ports.objects.put("models/run_1/model.onnx", Buffer.from([1, 2, 3]));
    const found = await everything();
    for (const trace of [ADA, ADA_ID, BROWSER]) assert.ok(found.includes(trace), `the search finds ${trace}`);
  });

  it("leaves no trace in any table, object or older version; others stay; the receipt is signed and says what was where", async () => {
    const erasureId = `era_${"0".repeat(32)}`;
    const subject: Subject = { customerKey: ADA, customerId: ADA_ID, anonymousKeys: [BROWSER] };
    await ports.erasures.request({ erasureId, state: "requested", requestedAtMs: NOW_MS, customers: 1 }, [subject]);
    const work = workPorts();
    await make(work)({ erasureId }, plain);

    const found = await everything();
    for (const trace of [ADA, ADA_ID, BROWSER]) assert.ok(!found.includes(trace), `${trace} is still there`);
    assert.ok(found.includes(BOB) && found.includes(BOB_ID));
    const kept = await ports.quarantine.list({ limit: 10 });
    assert.deepEqual(
      kept.items.map(({ code, original, replayed }) => [code, original.length > 0, replayed?.outcome]),
      [
        ["invalid_field", false, undefined],
        ["invalid_field", true, "refused"],
        ["invalid_field", false, undefined],
      ],
    );
    const drift = JSON.parse(await text(await ports.objects.get("reports/run_1/drift.json"))) as object;
    assert.deepEqual(drift, { customers: [{ customer: BOB, drift: 2 }] });
    assert.equal((await ports.customers.orders(BOB)).length, 2);
    assert.equal((await ports.orderBook.read([["shop", BOB, "B-2"].join("\u001f")])).size, 1);

    const erasure = await ports.erasures.get(erasureId);
    assert.equal(erasure?.state, "done");
    assert.equal(isSigned(erasure.receipt!), true);
    assert.deepEqual(
      erasure.receipt!.removed.map(({ store, count }) => [store, count]),
      [
        ["quarantine", 2],
        ["customers, orders and scores", 3],
        ["models and reports", 1],
        ["profiles and ids", 1],
      ],
    );
    const list = await ports.suppressions.latest();
    assert.deepEqual([list.has(ADA), list.has(BROWSER), list.has(BOB)], [true, true, false]);
    // Again is no harm, and finds nothing.
    for (const eraser of work.erasers) {
      await eraser.erase([subject]);
      assert.deepEqual(await eraser.survey([subject]), [], eraser.name);
    }
  });

  it("a table that was recovered from before the erasure is emptied again, by everybody's keys", async () => {
    const [before, order] = [emptyCustomer(ADA), bought("A-1")];
    assert.equal((await ports.customers.write([{ customer: { ...before, version: 1 }, orders: [order] }])).size, 1);
    await ports.profiles.put([{ customerKey: ADA, customerId: ADA_ID, traits: { a: 1 }, updatedAtMs: NOW_MS }]);
    const started: string[] = [];
    const handler = makeErasures({
      now: () => NOW_MS,
      newId: ports.newId,
      pseudonyms: ports.pseudonyms,
      profiles: ports.profiles,
      suppressions: ports.suppressions,
      erasures: ports.erasures,
      erasing: { start: async (erasureId) => void started.push(erasureId) },
      keys: { find: async () => ({ id: "k", scopes: ["erase"], source: "shop" }) },
    });
    const body = { customer_ids: [ADA, BOB], again: true };
    const answer = await send(handler, "/v1/erasures", body, { method: "POST" });
    assert.deepEqual([answer.status, answer.body["customers"]], [202, 1]);
    await make(workPorts())({ erasureId: started[0] }, plain);
    const found = await everything();
    for (const trace of [ADA, ADA_ID]) assert.ok(!found.includes(trace), `${trace} is still there`);
    assert.equal((await ports.customers.orders(BOB)).length, 2);
    const { receipt: signed } = (await ports.erasures.get(started[0]!))!;
    assert.deepEqual(
      signed!.removed.map(({ store, count }) => [store, count]),
      [
        ["customers, orders and scores", 2],
        ["profiles and ids", 1],
      ],
    );
  });

  it("is started as an execution of the durable function, outside the request, with its id", async () => {
    let heard: (body: string) => void;
    const told = new Promise<string>((resolve) => (heard = resolve));
    const listener = createServer((incoming, answer) => {
      void text(incoming).then(heard);
      answer.end();
    });
    await new Promise<void>((resolve) => listener.listen(0, "127.0.0.1", resolve));
    after(() => listener.close());
    const { port } = listener.address() as AddressInfo;
    const own = new Clients({ ...env, AWS_ENDPOINT_URL_LAMBDA: ministack.endpoint });
    after(() => own.destroy());
    const names: unknown[] = [];
    own.lambda.middlewareStack.add(
      (next) => (args) => {
        names.push((args.request as { headers: Record<string, string> }).headers["x-amz-durable-execution-name"]);
        return next(args);
      },
      { step: "build", priority: "low" },
    );
    const code = `export const handler = (event) => fetch("http://127.0.0.1:${port}", { method: "POST", body: JSON.stringify(event) }).then(() => "done");`;
    await own.lambda.send(
      new CreateFunctionCommand({
        FunctionName: "erase-customers",
        Runtime: "nodejs22.x",
        Role: "arn:aws:iam::000000000000:role/erase-customers",
        Handler: "index.handler",
        Code: { ZipFile: zipped("index.mjs", code) },
      }),
    );
    const erasureId = `era_${"1".repeat(32)}`;
    await new LambdaErasing(own.lambda, "erase-customers").start(erasureId);
    assert.deepEqual(JSON.parse(await told), { erasureId });
    assert.equal(names.at(-1), erasureId, "the execution's name makes a second start nothing");
  });
});
