import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";
import type { KinesisStreamEvent, KinesisStreamRecord } from "aws-lambda";
import { aggregate } from "@ebb/core/kpl";
import { StreamEvent } from "@ebb/core/stream-event";
import { type CustomerStore, type QuarantinedItem, TransientError } from "@ebb/ports";
import { sampleCustomerKey } from "@ebb/ports/contracts/samples";
import { EmbeddedCustomerStore } from "@ebb/ports/embedded/customer-store";
import { MemorySuppressions } from "@ebb/ports/suppression-list";
import { logger } from "../runtime/logger.ts";
import { make } from "./fold-orders.ts";
import { withoutLines } from "./read-events.ts";

logger.setLogLevel("SILENT");

let folder: string;
let store: EmbeddedCustomerStore;
let items: QuarantinedItem[];
beforeEach(async () => {
  folder = await mkdtemp(path.join(os.tmpdir(), "ebb-score-"));
  store = new EmbeddedCustomerStore(folder);
  items = [];
});
afterEach(async () => {
  store.close();
  await rm(folder, { recursive: true });
});

const [ada, bob] = [sampleCustomerKey("ada"), sampleCustomerKey("bob")];
const order = (id: number, customer: string | undefined = ada, more: object = {}) => ({
  event_id: `evt_${id}`,
  kind: "order_completed",
  source: "shop",
  occurred_at: "2026-01-01T00:00:00.000Z",
  ...(customer === "" ? {} : { customer_key: customer }),
  order_id: String(id),
  order_rank: 2,
  order_version: 1,
  reporting_minor: 100,
  ...more,
});
const record = (number: number, data: string | Uint8Array): KinesisStreamRecord =>
  ({ kinesis: { data: Buffer.from(data).toString("base64"), sequenceNumber: `s${number}` } }) as KinesisStreamRecord;
const lines = (...events: unknown[]) => events.map((event) => JSON.stringify(event)).join("\n");

const quarantine = {
  put: async (some: readonly QuarantinedItem[]) => void items.push(...some),
  list: () => Promise.reject(new Error("not used")),
  counts: () => Promise.reject(new Error("not used")),
  markReplayed: () => Promise.reject(new Error("not used")),
};
const suppressions = new MemorySuppressions("a second secret of thirty-two and more characters");
const counted = new Map<string, number>();
const metrics = { count: (name: string, value: number) => void counted.set(name, (counted.get(name) ?? 0) + value) };
const fold = async (records: KinesisStreamRecord[], customers: CustomerStore = store, more: object = {}) => {
  const handle = make(
    { now: () => 5, metrics, quarantine, customers, suppressions, ...more },
    { attempts: 3, backoff: async () => undefined },
  );
  const event: KinesisStreamEvent = { Records: records };
  return (await handle(event)).batchItemFailures.map((failure) => failure.itemIdentifier);
};
const ordersOf = async (key: typeof ada) =>
  (await store.read([{ customerKey: key, orderKeys: [] }])).get(key)?.customer?.orders;

/** The store with some calls of it replaced. */
const storeWith = (replaced: Partial<CustomerStore>): CustomerStore => ({
  read: (requests) => store.read(requests),
  write: (writes) => store.write(writes),
  orders: (key) => store.orders(key),
  scan: () => store.scan(),
  cutPoints: () => store.cutPoints(),
  publishCutPoints: (cuts) => store.publishCutPoints(cuts),
  ...replaced,
});

describe("folding orders", () => {
  it("reads JSON lines and aggregated records, and leaves other kinds and unknown customers alone", async () => {
    const packed = aggregate([{ partitionKey: "k", data: Buffer.from(lines(order(2))) }]);
    const others = lines(order(3, ""), { ...order(4), kind: "page" });
    assert.deepEqual(await fold([record(1, lines(order(1), order(5, bob))), record(2, packed), record(3, others)]), []);
    assert.deepEqual([await ordersOf(ada), await ordersOf(bob)], [2, 1]);
    assert.deepEqual(items, []);
  });

  it("writes a customer once a batch, however many events it has", async () => {
    let writes = 0;
    const counting = storeWith({
      write: (some) => {
        writes += some.length;
        return store.write(some);
      },
    });
    await fold([record(1, lines(order(1), order(2))), record(2, lines(order(3), order(3), order(4)))], counting);
    assert.equal(writes, 1);
    assert.equal(await ordersOf(ada), 4);
  });

  it("waits for an order that the aggregate counts and the reading of all orders lacks", async () => {
    const [early, middle, late] = ["2026-01-01", "2026-02-01", "2026-03-01"].map((day, index) =>
      order(index + 1, ada, { occurred_at: `${day}T00:00:00.000Z` }),
    );
    await fold([record(1, lines(early, middle, late))]);
    let readings = 0;
    const lagging = storeWith({
      orders: async (key) => (await store.orders(key)).filter(({ key: own }) => ++readings > 3 || !own.endsWith("2")),
    });
    const cancelled = { ...late, event_id: "evt_4", kind: "order_cancelled", order_version: 2 };
    assert.deepEqual(await fold([record(2, lines(cancelled))], lagging), []);
    const { customer } = (await store.read([{ customerKey: ada, orderKeys: [] }])).get(ada)!;
    assert.equal(customer?.lastOrderAtMs, Date.UTC(2026, 1, 1));
    assert.ok(readings > 3, "the orders were read again");
  });

  it("puts what cannot be read in quarantine, once, and folds its neighbours", async () => {
    const bad = [
      '{"event_id":',
      lines({ ...order(2), occurred_at: "yesterday", coupon: "ada@example.com" }),
      lines({ ...order(3), order_id: undefined }),
      lines({ ...order(4), kind: "order_of_tomorrow" }),
    ];
    const broken = Buffer.from(aggregate([{ partitionKey: "k", data: Buffer.from(lines(order(7))) }]));
    broken[10]! ^= 0xff;
    const batch = [record(1, [lines(order(1)), ...bad, lines(order(5))].join("\n")), record(2, broken)];
    assert.deepEqual(await fold(batch), []);
    assert.equal(await ordersOf(ada), 2);
    const names = items.map((item) => `${item.receiptId} ${item.rowNumber}`);
    assert.equal(items.length, 5);
    assert.ok(items.every((item) => item.code === "unreadable_record" && item.source === "stream"));
    assert.deepEqual(
      items.slice(0, 4).map((item) => Buffer.from(item.original).toString()),
      bad,
    );
    assert.ok(items.every((item) => !item.message.includes("ada@example.com")));
    await fold(batch); // a redelivery names the same items
    assert.deepEqual(
      items.slice(5).map((item) => `${item.receiptId} ${item.rowNumber}`),
      names,
    );
  });

  it("reports the records of the customers that failed, by their sequence numbers, and folds the others", async () => {
    const partial = storeWith({
      write: async (writes) => {
        const outcomes = await store.write(writes.filter((write) => write.customer.customerKey !== ada));
        return outcomes.set(ada, "failed");
      },
    });
    const batch = [
      record(1, lines(order(1, bob))),
      record(2, lines(order(2, bob), order(3))),
      record(3, lines(order(4, bob))),
      record(4, lines(order(5))),
    ];
    assert.deepEqual(await fold(batch, partial), ["s2", "s4"]);
    assert.deepEqual([await ordersOf(ada), await ordersOf(bob)], [undefined, 3]);
    assert.deepEqual(await fold(batch), []);
    assert.deepEqual([await ordersOf(ada), await ordersOf(bob)], [2, 3]);
  });

  it("reports everything when the store cannot be read, and a record whose quarantine failed", async () => {
    const down = storeWith({ read: () => Promise.reject(new TransientError("throttled")) });
    assert.deepEqual(await fold([record(1, lines(order(1))), record(2, lines(order(2)))], down), ["s1", "s2"]);
    const full = { quarantine: { ...quarantine, put: () => Promise.reject(new TransientError("throttled")) } };
    assert.deepEqual(await fold([record(1, lines(order(1))), record(2, "{")], store, full), ["s2"]);
  });

  it("reads again and recomputes when another writer was faster", async () => {
    let rival = true;
    const raced = storeWith({
      write: async (writes) => {
        if (rival) {
          rival = false;
          await fold([record(9, lines(order(9)))]);
        }
        return store.write(writes);
      },
    });
    counted.clear();
    assert.deepEqual(await fold([record(1, lines(order(1)))], raced), []);
    assert.equal(await ordersOf(ada), 2);
    assert.equal(counted.get("CustomerWriteConflicts"), 1);
  });

  it("lets a fault of the program up, so that the batch is bisected", async () => {
    const faulty = storeWith({ read: () => Promise.reject(new TypeError("a bug")) });
    await assert.rejects(fold([record(1, lines(order(1)))], faulty), TypeError);
  });

  it("writes at most 99 orders of a customer at a time", async () => {
    const sizes: number[] = [];
    const counting = storeWith({
      write: (some) => {
        sizes.push(...some.map((write) => write.orders.length));
        return store.write(some);
      },
    });
    await fold([record(1, lines(...Array.from({ length: 230 }, (_, n) => order(n))))], counting);
    assert.deepEqual(sizes, [99, 99, 32]);
    assert.equal(await ordersOf(ada), 230);
  });
});

describe("leaving out the lines of an order", () => {
  it("keeps every other field, whatever texts the event holds", () => {
    const tricky = ['","lines":[', ',"lines":[{', "]}", '\\","lines":[', "a"];
    for (const name of tricky)
      for (const lineName of tricky) {
        const { lines: _lines, ...head } = { ...order(1), name, lines: [] };
        const full = JSON.stringify({ ...head, lines: [{ name: lineName }, { name }] });
        assert.deepEqual(JSON.parse(withoutLines(Buffer.from(full))), head);
        const elsewhere = JSON.stringify({ lines: [{ name: lineName }], ...head });
        assert.deepEqual(JSON.parse(withoutLines(Buffer.from(elsewhere))), JSON.parse(elsewhere));
        const none = JSON.stringify(head);
        assert.equal(withoutLines(Buffer.from(none)), none);
      }
  });

  it("is right only as long as lines are the one list of an event", () => {
    const text = JSON.stringify(StreamEvent.toJSONSchema());
    const { properties } = JSON.parse(text) as { properties: Record<string, { type?: string }> };
    const nested = Object.entries(properties).filter(
      ([, schema]) => schema.type === "array" || schema.type === "object",
    );
    assert.deepEqual(
      nested.map(([name]) => name),
      ["lines"],
    );
  });
});
