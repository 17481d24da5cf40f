/**
 * What a thousand orders cost on DynamoDB, in the usual case: orders of a shop over three years, in batches of 100, most
 * of customers that have bought before. Printed, and held against DynamoDB's own rules for the size of an item.
 */
import assert from "node:assert/strict";
import { after, it } from "node:test";
import { zstdCompressSync } from "node:zlib";
import type { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { emptyCustomer, foldCustomer } from "@ebb/core/customers";
import type { CustomerKey } from "@ebb/core/ids";
import { digest } from "@ebb/core/ids";
import type { OrderEvent } from "@ebb/core/orders";
import { orderKeyOf } from "@ebb/core/orders";
import { awsPorts } from "@ebb/ports/aws";
import { Clients } from "@ebb/ports/aws/clients";
import { createAccount } from "./account.ts";
import { startEmulator } from "./emulators.ts";
import { seeded } from "./faults.ts";
import { itemBytes, meterOf, writeUnits } from "./meter.ts";

const ministack = await startEmulator("ministack");
after(() => ministack.stop());
const { env } = await createAccount({ dynamodb: ministack, s3: ministack, kinesis: ministack });

const CUSTOMERS = 500;
const ORDERS = 2_000;
const BATCH = 100;
const THREE_YEARS_MS = 3 * 365 * 86_400_000;

/** Two thousand orders in order of time; a customer's share falls with its rank, so that some buy often and most seldom. */
const shopOrders = (): OrderEvent[] => {
  const chance = seeded(1_000);
  return Array.from({ length: ORDERS }, (_, index): OrderEvent => {
    const customer = Math.floor(CUSTOMERS * chance() ** 2);
    const occurredAt = new Date(1_640_995_200_000 + Math.floor((index / ORDERS) * THREE_YEARS_MS)).toISOString();
    return {
      event_id: `evt_${digest("order", index)}`,
      kind: "order_completed",
      source: "web-shop",
      occurred_at: occurredAt,
      customer_key: `cus_${digest("customer", customer)}`,
      order_id: `SO-${100_000 + index}`,
      order_rank: 2,
      order_version: Date.parse(occurredAt),
      reporting_minor: Math.floor(500 + chance() * 20_000),
    };
  });
};

/** Every item that was put, as it was put. */
const putItems = (client: DynamoDBClient) => {
  const items: { bytes: number; aggregate: boolean; customer: string; order?: string }[] = [];
  client.middlewareStack.add(
    (next) => async (args) => {
      const { TransactItems = [] } = args.input as {
        TransactItems?: { Put?: { Item: Record<string, { S?: string }> } }[];
      };
      for (const { Put } of TransactItems) {
        if (Put === undefined) continue;
        const order = Put.Item["order"]?.S;
        items.push({
          bytes: itemBytes(Put.Item),
          aggregate: Put.Item["sk"]?.S === "A",
          customer: Put.Item["pk"]!.S!,
          ...(order === undefined ? {} : { order: `${Put.Item["sk"]!.S!.slice(2)}${order}` }),
        });
      }
      return next(args);
    },
    { step: "initialize" },
  );
  return items;
};

it("a thousand orders take one transaction each, of two items", async () => {
  const clients = new Clients(env);
  after(() => clients.destroy());
  const items = putItems(clients.dynamo);
  const meter = meterOf(clients.dynamo);
  const { customers } = awsPorts(env, clients);

  const orders = shopOrders();
  let customerBatches = 0;
  for (let start = 0; start < ORDERS; start += BATCH) {
    const byCustomer = Map.groupBy(orders.slice(start, start + BATCH), (order) => order.customer_key as CustomerKey);
    customerBatches += byCustomer.size;
    const states = await customers.read(
      [...byCustomer].map(([customerKey, own]) => ({ customerKey, orderKeys: own.map(orderKeyOf) })),
    );
    const writes = [...byCustomer].map(([customerKey, own]) => {
      const state = states.get(customerKey)!;
      const fold = foldCustomer(state.customer ?? emptyCustomer(customerKey), state.orders, own);
      assert.equal(fold.outcome, "changed");
      return { customer: fold.customer, orders: fold.orders };
    });
    for (const outcome of (await customers.write(writes)).values()) assert.equal(outcome, "written");
  }

  // What one item a customer, orders inside, would take: each of the same writes put alone, guarded by its version.
  const embedded = new Map<string, string[]>();
  let [plain, packed, reads, current] = [0, 0, 0, { bytes: 0, customer: "" }];
  const settle = () => {
    if (current.customer === "") return;
    const inside = JSON.stringify(embedded.get(current.customer));
    plain += writeUnits(current.bytes + Buffer.byteLength(inside));
    reads += Math.ceil((current.bytes + Buffer.byteLength(inside)) / 4_096); // a consistent read: one unit for 4 KB
    packed += writeUnits(current.bytes + zstdCompressSync(inside).length);
  };
  for (const { aggregate, bytes, customer, order } of items) {
    if (aggregate) {
      settle();
      current = { bytes, customer };
    } else embedded.set(customer, [...(embedded.get(customer) ?? []), order!]);
  }
  settle();

  const perThousand = (value: number): string => Math.round((value * 1_000) / ORDERS).toLocaleString("en");
  const average = (list: typeof items) => Math.round(list.reduce((sum, one) => sum + one.bytes, 0) / list.length);
  const largest = Math.max(...[...embedded.values()].map((own) => own.length));
  process.stderr.write(
    [
      `DynamoDB, per 1,000 orders (${CUSTOMERS} customers, ${ORDERS / CUSTOMERS} orders each on average, ${largest} at most, batches of ${BATCH}):`,
      `  write requests ${perThousand(meter.writeRequests)}, write units ${perThousand(meter.writeUnits)}, index units ${perThousand(meter.indexWriteUnits)}`,
      `  read requests ${perThousand(meter.readRequests)}, read units ${perThousand(meter.readUnits)}`,
      `  an order item has ${average(items.filter((one) => !one.aggregate))} bytes, an aggregate ${average(items.filter((one) => one.aggregate))} on average`,
      `  orders inside the aggregate, one guarded put a customer and batch: write units ${perThousand(plain)}, compressed ${perThousand(packed)}; read units ${perThousand(reads)}`,
      "",
    ].join("\n"),
  );

  assert.equal(meter.writeRequests, customerBatches, "one transaction a customer a batch");
  const byTheRules = items.reduce((sum, { bytes }) => sum + 2 * writeUnits(bytes), 0);
  assert.equal(meter.writeUnits, byTheRules, "the emulator counts as DynamoDB's rules do");
  assert.equal(meter.indexWriteUnits, 0);
  assert.ok(meter.writeUnits <= 4.2 * ORDERS, "two items of one KB, twice for the transaction");
});

it("a request of a hundred orders adds one line to the ledger and one to its index", async () => {
  const clients = new Clients(env);
  after(() => clients.destroy());
  const meter = meterOf(clients.dynamo);
  const { log, newId } = awsPorts(env, clients);
  const REQUESTS = 10;
  for (let index = 0; index < REQUESTS; index++) {
    const receiptId = newId("rcp") as Parameters<typeof log.append>[0]["receiptId"];
    const part = {
      receiptId,
      part: 0,
      channel: "http",
      source: "web-shop",
      received: 100,
      quarantined: 0,
      receivedAtMs: 1,
    } as const;
    await log.append(part, [], []);
  }
  // MiniStack tells no units of indexes: by the rules it is one for an item under a KB.
  process.stderr.write(
    `The ledger, per 1,000 orders in requests of 100: write requests ${meter.writeRequests}, write units ${meter.writeUnits}, index units ${REQUESTS} by the rules\n`,
  );
  assert.equal(meter.writeUnits, REQUESTS);
  assert.equal(meter.writeRequests, REQUESTS);
  assert.equal(meter.readRequests, 0);
});
