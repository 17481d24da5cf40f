/**
 * The way of an order in AWS: the front door's handler → Kinesis → event source mapping → the score handler → DynamoDB →
 * the customer's answer, on an emulator, under throttling, conflicts, lost answers, producer retries and redelivery.
 */
import assert from "node:assert/strict";
import { after, describe, it } from "node:test";
import type { APIGatewayProxyEventV2, Context } from "aws-lambda";
import { readScopes } from "@ebb/core/scopes";
import { make as collectEvents } from "@ebb/functions/collect/events";
import { scoreConsumer } from "@ebb/functions/declarations";
import { make as foldOrders } from "@ebb/functions/score/fold-orders";
import { make as serveCustomer } from "@ebb/functions/serve/customer";
import { awsPorts } from "@ebb/ports/aws";
import { DynamoKeyStore } from "@ebb/ports/aws/key-ring";
import { createKey } from "@ebb/ports/stored-keys";
import { Clients } from "@ebb/ports/aws/clients";
import { createAccount } from "./account.ts";
import { startEmulator } from "./emulators.ts";
import { disturb, seeded, throttleRecords } from "./faults.ts";
import { deliver, deliverStream, readStream } from "./poller.ts";

const ministack = await startEmulator("ministack");
after(() => ministack.stop());
const account = await createAccount({ dynamodb: ministack, s3: ministack, kinesis: ministack });
const stream = account.env["EBB_STREAM"]!;
const env: NodeJS.ProcessEnv = account.env;
const keyStore = new DynamoKeyStore(account.clients.dynamo, env["EBB_KEY_TABLE"]!);
const { key: KEY } = await createKey(keyStore, { scopes: ["write"], source: "web" }, Date.now());
const { key: READ_KEY } = await createKey(keyStore, { scopes: readScopes, source: "web" }, Date.now());

const open = (disturbing: (clients: Clients) => void = () => undefined) => {
  const clients = new Clients(env);
  disturbing(clients);
  after(() => clients.destroy());
  return { clients, ports: awsPorts(env, clients) };
};

const request = (method: string, rawPath: string, more: Partial<APIGatewayProxyEventV2>): APIGatewayProxyEventV2 => ({
  version: "2.0",
  routeKey: `${method} ${rawPath}`,
  rawPath,
  rawQueryString: "",
  headers: { "content-type": "application/json", authorization: `Basic ${btoa(`${KEY}:`)}` },
  requestContext: {
    accountId: "000000000000",
    apiId: "api",
    domainName: "localhost",
    domainPrefix: "localhost",
    http: { method, path: rawPath, protocol: "HTTP/1.1", sourceIp: "127.0.0.1", userAgent: "test" },
    requestId: "request",
    routeKey: `${method} ${rawPath}`,
    stage: "$default",
    time: "01/Jan/2026:00:00:00 +0000",
    timeEpoch: 0,
  },
  isBase64Encoded: false,
  ...more,
});
const context = {} as Context;

interface WireEvent {
  readonly type: "track";
  readonly event: string;
  readonly messageId: string;
  readonly userId: string;
  readonly timestamp: string;
  readonly properties: Readonly<Record<string, unknown>>;
}

/** Three years of 40 customers: orders, part refunds, cancellations, views, and one customer of 130 orders. */
const wireEvents = (): WireEvent[] => {
  const chance = seeded(7);
  const events: WireEvent[] = [];
  for (let number = 0; number < 400; number++) {
    const userId = number < 130 ? "wholesale@example.com" : `customer ${Math.floor(chance() * 40)}`;
    const atMs = 1_672_531_200_000 + Math.floor(chance() * 94_608_000) * 1_000;
    const send = (event: string, days: number, properties: Record<string, unknown>) =>
      events.push({
        type: "track",
        event,
        messageId: `m-${events.length}`,
        userId,
        timestamp: new Date(atMs + days * 86_400_000).toISOString(),
        properties: { order_id: `O-${number}`, currency: "GBP", ...properties },
      });
    const cents = 100 + Math.floor(chance() * 20_000);
    send("Order Completed", 0, { revenue: cents / 100 });
    const fate = chance();
    if (fate < 0.1) send("Order Refunded", 3, { revenue: Math.floor(cents / 2) / 100, refund_id: `R-${number}` });
    else if (fate < 0.2) send("Order Cancelled", 1, {});
    else if (fate < 0.4) send("Product Viewed", 0, { product_id: `p-${number}` });
  }
  return events;
};

/** The slow and obvious way: every order by its number, then a sum a customer. Knows nothing of the code under test. */
const byHand = (events: readonly WireEvent[]) => {
  const customers = new Map<string, { orders: number; gross: number; refunds: number; first: string; last: string }>();
  for (const done of events.filter(({ event }) => event === "Order Completed")) {
    const own = events.filter((other) => other.properties["order_id"] === done.properties["order_id"]);
    if (own.some(({ event }) => event === "Order Cancelled")) continue;
    const centsOf = ({ properties }: WireEvent) => Math.round(Number(properties["revenue"]) * 100);
    const sum = customers.get(done.userId) ?? { orders: 0, gross: 0, refunds: 0, first: "9999", last: "0000" };
    customers.set(done.userId, {
      orders: sum.orders + 1,
      gross: sum.gross + centsOf(done),
      refunds: own
        .filter(({ event }) => event === "Order Refunded")
        .reduce((cents, one) => cents + centsOf(one), sum.refunds),
      first: done.timestamp < sum.first ? done.timestamp : sum.first,
      last: done.timestamp > sum.last ? done.timestamp : sum.last,
    });
  }
  return customers;
};

/** What the customer's answer says, through the serving handler. */
const answers = async (userIds: Iterable<string>) => {
  const { ports } = open();
  const serve = serveCustomer(ports);
  const found = new Map<string, unknown>();
  const versions: number[] = [];
  for (const userId of userIds) {
    const headers = { authorization: `Bearer ${READ_KEY}` };
    const { statusCode, body } = await serve(
      request("GET", "/v1/customers/{id}", { headers, pathParameters: { id: userId } }),
      context,
    );
    assert.equal(statusCode, 200);
    const answer = JSON.parse(String(body)) as Record<string, number | string>;
    versions.push(Number(answer["version"]));
    found.set(userId, {
      orders: answer["orders"],
      gross: answer["gross_minor"],
      refunds: answer["refunds_minor"],
      first: answer["first_order_at"],
      last: answer["last_order_at"],
    });
  }
  return { found, versions };
};

describe("an order on its way through AWS", () => {
  const events = wireEvents();
  const expected = byHand(events);

  it("is acknowledged when it is on the stream, throttled or not, and a refused neighbour harms none", async () => {
    const { ports } = open(({ kinesis }) => throttleRecords(kinesis, 0.3, seeded(8)));
    const collect = collectEvents(ports);
    const chance = seeded(9);
    let [sent, start] = [0, 0];
    // Out of order and in batches of any size; every third batch is sent again, as a producer does that saw no answer.
    const shuffled = events.map((event) => ({ event, at: chance() })).sort((a, b) => a.at - b.at);
    for (let number = 0; start < shuffled.length; number++) {
      const size = 1 + Math.floor(chance() * 60);
      const batch = [
        ...shuffled.slice(start, start + size).map(({ event }) => event),
        { type: "track", event: "Order Completed", userId: "x", properties: {} },
      ];
      start += size;
      for (let turn = 0; turn < (number % 3 === 0 ? 2 : 1); turn++) {
        const { statusCode, body } = await collect(
          request("POST", "/v1/batch", { body: JSON.stringify({ batch }) }),
          context,
        );
        assert.equal(statusCode, 200, body);
        const answer = JSON.parse(String(body)) as {
          received: number;
          appended: number;
          quarantined: number;
          receipt_id: string;
        };
        assert.deepEqual([answer.received, answer.appended, answer.quarantined], [batch.length, batch.length - 1, 1]);
        sent += batch.length;
      }
    }
    const lines = [];
    for (let cursor: string | undefined; ;) {
      const page = await ports.ledger.list({ limit: 7, cursor });
      lines.push(...page.lines);
      if ((cursor = page.cursor) === undefined) break;
    }
    assert.equal(
      lines.reduce((sum, line) => sum + line.received, 0),
      sent,
    );
    for (const line of lines) assert.equal(line.received, line.appended + line.quarantined);
    const { missing_field: refused } = await ports.quarantine.counts({});
    assert.equal(refused, lines.length, "one refused event a request");
  });

  it("counts once for its customer, whatever is lost, doubled or delivered by three consumers at once", async () => {
    const { clients, ports } = open(({ dynamo }) => disturb(dynamo, { conflicts: 0.1, lostAnswers: 0.1 }, seeded(10)));
    const score = foldOrders(ports);
    // Small batches make many versions of a customer; batches of different sizes make the consumers' writes differ.
    const deliveries = await Promise.all(
      [3, 4, 5].map((batchSize) => deliverStream(clients.kinesis, stream, score, { ...scoreConsumer, batchSize })),
    );
    assert.deepEqual(
      deliveries.flatMap(({ deadLetters }) => deadLetters),
      [],
    );
    const { found } = await answers(expected.keys());
    assert.deepEqual(found, expected);
  });

  it("changes nothing when the whole stream is delivered once more", async () => {
    const before = await answers(expected.keys());
    const { clients, ports } = open();
    await deliverStream(clients.kinesis, stream, foldOrders(ports), { ...scoreConsumer, batchSize: 7 });
    assert.deepEqual(await answers(expected.keys()), before);
  });

  it("loses no neighbour to a handler that fails: bisection leaves the one record that it fails on", async () => {
    const { clients, ports } = open();
    const score = foldOrders(ports);
    const records = [...(await readStream(clients.kinesis, stream)).values()].flat().slice(0, 30);
    const poison = records[11]!.kinesis.sequenceNumber;
    const shard = records.filter((record) => record.eventID.split(":")[0] === records[11]!.eventID.split(":")[0]);
    const seen = new Set<string>();
    const { deadLetters } = await deliver(
      shard,
      async (event) => {
        if (event.Records.some((record) => record.kinesis.sequenceNumber === poison)) throw new Error("poison");
        for (const record of event.Records) seen.add(record.kinesis.sequenceNumber);
        return score(event);
      },
      { ...scoreConsumer, maximumRetryAttempts: 2 },
    );
    assert.deepEqual(
      deadLetters.map((record) => record.kinesis.sequenceNumber),
      [poison],
    );
    assert.equal(seen.size, shard.length - 1);
  });
});
