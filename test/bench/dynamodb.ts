import type { KinesisStreamEvent } from "aws-lambda";
import { randomUUID } from "node:crypto";
import { canonicalEvent } from "@ebb/core/canonical";
import { type CustomerAggregate } from "@ebb/core/customers";
import { Pseudonymizer, type ReceiptId } from "@ebb/core/ids";
import { orderKinds } from "@ebb/core/kinds";
import { encodeMonths, encodeOrder } from "@ebb/ports/customer-codec";
import type { CustomerStore, CustomerWrite, Ports, ReceiptPart } from "@ebb/ports";
import { DynamoCustomerStore } from "@ebb/ports/aws/customer-store";
import { DynamoLedger } from "@ebb/ports/aws/ledger";
import { scoreConsumer } from "@ebb/functions/declarations";
import { make } from "@ebb/functions/score/fold-orders";
import { makeShop } from "../../packages/home/src/shop/shop.ts";
import { createAccount } from "../aws/account.ts";
import { startEmulator } from "../aws/emulators.ts";
import { type Item, itemBytes, metered, writeUnits } from "./dynamodb-units.ts";
import { type Bench } from "./result.ts";

/**
 * What a thousand orders cost in DynamoDB: orders, changes and refunds of a made shop in time order through the score
 * handler, a record an event, in the batches of the event source mapping.
 */
export const dynamodb: Bench = async ({ quick }) => {
  const emulator = await startEmulator("ministack");
  try {
    const { clients, env } = await createAccount({ dynamodb: emulator, s3: emulator });
    const usage = metered(clients.dynamo);
    const ledger = new DynamoLedger(clients.dynamo, env["EBB_LEDGER_TABLE"]!);
    const store = new DynamoCustomerStore(clients.dynamo, env["EBB_CUSTOMER_TABLE"]!);
    const one = new OneItem();
    const watched: CustomerStore = watchedBy(store, (writes) => one.write(writes));
    const handle = make({ customers: watched, metrics: { count: () => undefined }, now: Date.now } as unknown as Ports);

    const { records, orders } = orderRecords(quick ? 50 : 2_000);
    let customerBatches = 0;
    for (let first = 0; first < records.length; first += scoreConsumer.batchSize) {
      const batch = records.slice(first, first + scoreConsumer.batchSize);
      customerBatches += new Set(batch.map(({ customerKey }) => customerKey)).size;
      await ledger.commit(receiptOf(first, batch.length), batch.length);
      const answer = await handle(eventOf(batch.map(({ json }) => json)));
      if (JSON.stringify(answer).includes("itemIdentifier")) throw new Error("the handler failed records");
    }
    clients.destroy();
    const perThousand = (count: number): string => Math.round((count / orders) * 1_000).toLocaleString("en");
    return {
      name: "dynamodb",
      title: "DynamoDB: requests and units per thousand orders",
      method:
        `${orders.toLocaleString("en")} orders of a made shop with their changes and refunds, in time order, through the score ` +
        `handler in batches of ${scoreConsumer.batchSize} records, each batch one POST with its line in the ledger, onto MiniStack ${emulator.version}. Units by DynamoDB's documented rules from the ` +
        "items that were sent. Then the same writes as if a customer were a single item, the orders a map in it, put under a " +
        "condition and without a transaction.",
      figures: [
        { what: "write requests", value: perThousand(usage.writeRequests) },
        { what: "of them transactions", value: perThousand(usage.transactions) },
        { what: "customers in batches (a transaction each is the target)", value: perThousand(customerBatches) },
        { what: "items written", value: perThousand(usage.itemsWritten) },
        { what: "write units", value: perThousand(usage.writeUnits) },
        { what: "index units (the ledger's)", value: perThousand(usage.indexUnits) },
        { what: "read requests; units", value: `${perThousand(usage.readRequests)}; ${perThousand(usage.readUnits)}` },
        { what: "one item a customer: write requests", value: perThousand(one.requests) },
        { what: "one item a customer: write units", value: perThousand(one.units) },
        {
          what: "one item a customer: largest item",
          value: `${(one.largestBytes / 1_024).toFixed(1)} KB with ${one.largestOrders} orders (DynamoDB ends at 400 KB)`,
        },
        { what: "as built ÷ one item a customer, write units", value: (usage.writeUnits / one.units).toFixed(2) },
      ],
      target: {
        what: "one transaction a customer a batch",
        met: usage.transactions <= customerBatches,
      },
    };
  } finally {
    await emulator.stop();
  }
};

/** The ledger's line of one POST. */
const receiptOf = (first: number, received: number): ReceiptPart => ({
  receiptId: `rcp_${String(first).padStart(32, "0")}` as ReceiptId,
  part: 0,
  channel: "http",
  source: "shop",
  received,
  quarantined: 0,
  receivedAtMs: Date.UTC(2026, 0, 1) + first,
});

/** The smaller footprint that could be had: all of a customer in one item. It is counted, not stored. */
class OneItem {
  requests = 0;
  units = 0;
  largestBytes = 0;
  largestOrders = 0;
  readonly #orders = new Map<string, Map<string, string>>();

  write(writes: readonly CustomerWrite[]): void {
    for (const { customer, orders } of writes) {
      const own = this.#orders.get(customer.customerKey) ?? new Map<string, string>();
      this.#orders.set(customer.customerKey, own);
      for (const order of orders) own.set(order.key, encodeOrder(order));
      const bytes = itemBytes(oneItem(customer, own));
      this.requests++;
      this.units += writeUnits(bytes);
      if (bytes > this.largestBytes) {
        this.largestBytes = bytes;
        this.largestOrders = own.size;
      }
    }
  }
}

const oneItem = (customer: CustomerAggregate, orders: ReadonlyMap<string, string>): Item => ({
  pk: { S: customer.customerKey },
  version: { N: String(customer.version) },
  count: { N: String(customer.orders) },
  gross: { N: String(customer.grossMinor) },
  refund: { N: String(customer.refundMinor) },
  first: { N: String(customer.firstOrderAtMs ?? 0) },
  last: { N: String(customer.lastOrderAtMs ?? 0) },
  months: { S: encodeMonths(customer.months) },
  orders: { M: Object.fromEntries(Array.from(orders, ([key, text]) => [key, { S: text }])) },
});

const watchedBy = (store: CustomerStore, onWrite: (writes: readonly CustomerWrite[]) => void): CustomerStore => ({
  read: (requests) => store.read(requests),
  write: (writes) => {
    onWrite(writes);
    return store.write(writes);
  },
  orders: (customerKey) => store.orders(customerKey),
  scan: () => store.scan(),
  cutPoints: () => store.cutPoints(),
  publishCutPoints: (cuts) => store.publishCutPoints(cuts),
});

interface OrderRecordLine {
  readonly customerKey: string;
  readonly json: string;
}

/** Events of the stream that change what a customer is worth, as the collect stage would have appended them. */
const orderRecords = (customers: number): { records: OrderRecordLine[]; orders: number } => {
  const endMs = Date.UTC(2026, 0, 1);
  const context = {
    source: "shop",
    receivedAtMs: endMs,
    receivedAt: new Date(endMs).toISOString(),
    sentAt: undefined,
    receiptId: "rcp_bench",
    type: undefined,
    pseudonyms: new Pseudonymizer("a secret of this benchmark and of nothing else"),
    rates: { reportingCurrency: "USD", rates: {} },
    allowedProperties: new Set<string>(),
    allowedTraits: new Set<string>(),
    newEventId: randomUUID,
  };
  const records: OrderRecordLine[] = [];
  let orders = 0;
  for (const { calls } of makeShop({ seed: 1, customers, endMs }))
    for (const [index, call] of calls.entries()) {
      const { event } = canonicalEvent(call, context, index);
      if (event?.customer_key === undefined || !orderKinds.has(event.kind)) continue;
      if (event.kind === "order_completed") orders++;
      records.push({ customerKey: event.customer_key, json: JSON.stringify(event) });
    }
  return { records, orders };
};

const eventOf = (records: readonly string[]): KinesisStreamEvent => ({
  Records: records.map((record, index) => ({
    eventID: `shardId-000000000000:${index}`,
    eventName: "aws:kinesis:record",
    eventSource: "aws:kinesis",
    eventSourceARN: "arn:aws:kinesis:us-east-1:000000000000:stream/events",
    eventVersion: "1.0",
    awsRegion: "us-east-1",
    invokeIdentityArn: "arn:aws:iam::000000000000:role/score",
    kinesis: {
      kinesisSchemaVersion: "1.0",
      partitionKey: String(index),
      sequenceNumber: String(index).padStart(56, "0"),
      approximateArrivalTimestamp: 0,
      data: Buffer.from(record).toString("base64"),
    },
  })),
});
