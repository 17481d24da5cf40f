import assert from "node:assert/strict";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";
import { type CustomerAggregate, emptyCustomer } from "@ebb/core/customers";
import type { CustomerKey } from "@ebb/core/ids";
import type { OrderKey, OrderRecord } from "@ebb/core/orders";
import { sampleCustomerKey } from "../contracts/samples.ts";
import { TransientError } from "../ports.ts";
import { encodeOrder } from "../customer-codec.ts";
import { CUSTOMERS_FILE, type CustomerReader, customerMigrations, openCustomerReader } from "./customer-reader.ts";
import { EmbeddedCustomerStore, customersOnDisk } from "./customer-store.ts";
import { openDatabase } from "./sqlite.ts";

let folder: string;
let store: EmbeddedCustomerStore;
let reader: CustomerReader;

beforeEach(async () => {
  folder = await mkdtemp(path.join(os.tmpdir(), "ebb-customers-"));
  store = new EmbeddedCustomerStore(folder);
  reader = openCustomerReader(folder);
});
afterEach(async () => {
  reader.close();
  store.close();
  await rm(folder, { recursive: true });
});

const [ada, bob] = [sampleCustomerKey("ada"), sampleCustomerKey("bob")];
const version = (customerKey: CustomerKey, number: number): { customer: CustomerAggregate; orders: [] } => ({
  customer: { ...emptyCustomer(customerKey), version: number },
  orders: [],
});
const stored = async (from: Pick<CustomerReader, "read">, customerKey: CustomerKey) =>
  (await from.read([{ customerKey, orderKeys: [] }])).get(customerKey)?.customer?.version;

describe("a transaction of the embedded customer store", () => {
  it("commits writes and offset together, and shows nothing of them before", async () => {
    await store.transaction(async () => {
      await store.write([version(ada, 1)]);
      await store.saveOffset("score", 7);
      assert.equal(await stored(store, ada), 1);
      assert.equal(await stored(reader, ada), undefined);
      assert.equal(await reader.offset("score"), 0);
    });
    assert.equal(await stored(reader, ada), 1);
    assert.equal(await reader.offset("score"), 7);
  });

  it("undoes both when the work throws", async () => {
    const work = store.transaction(async () => {
      await store.write([version(ada, 1)]);
      await store.saveOffset("score", 7);
      throw new Error("the handler died");
    });
    await assert.rejects(work, /the handler died/);
    assert.equal(await stored(store, ada), undefined);
    assert.equal(await store.offset("score"), 0);
  });

  it("keeps calls from elsewhere out until it has ended", async () => {
    const steps: string[] = [];
    const inside = store.transaction(async () => {
      await store.write([version(ada, 1)]);
      await new Promise((resolve) => setTimeout(resolve, 20));
      steps.push("inside");
      throw new Error("undone");
    });
    const outside = store.write([version(bob, 1)]).then(() => steps.push("outside"));
    await assert.rejects(inside, /undone/);
    await outside;
    assert.deepEqual(steps, ["inside", "outside"]);
    assert.deepEqual([await stored(store, ada), await stored(store, bob)], [undefined, 1]);
  });

  it("takes its turn after another one", async () => {
    const next = (customer: CustomerKey) => async () => {
      const before = (await stored(store, customer)) ?? 0;
      await new Promise((resolve) => setTimeout(resolve, 1));
      const outcomes = await store.write([version(customer, before + 1)]);
      assert.equal(outcomes.get(customer), "written");
    };
    await Promise.all(Array.from({ length: 10 }, () => store.transaction(next(ada))));
    assert.equal(await stored(store, ada), 10);
  });

  it("is not opened twice by the same work", async () => {
    await assert.rejects(
      store.transaction(() => store.transaction(() => Promise.resolve())),
      /already open/,
    );
  });

  it("rejects with TransientError when the disk is full, and the store goes on once there is room", async () => {
    store.close();
    store = new EmbeddedCustomerStore(folder, { maxBytes: 100_000 });
    await store.write([version(ada, 1)]);
    const months = Object.fromEntries(
      Array.from({ length: 8_000 }, (_, n) => [`${1000 + n}-01`, { orders: 1, grossMinor: n, refundMinor: 0 }]),
    );
    const huge = { customer: { ...emptyCustomer(bob), version: 1, months }, orders: [] };
    await assert.rejects(store.write([huge]), TransientError);
    const outcome = await store
      .transaction(async () => {
        await store.saveOffset("score", 9);
        await assert.rejects(store.write([version(ada, 2), huge]), TransientError);
        // What follows is part of the transaction or fails with it: it never commits on its own.
        await store.write([version(ada, 2)]).catch(() => undefined);
      })
      .then(
        () => [9, 2],
        (error: unknown) => {
          assert.ok(error instanceof TransientError);
          return [0, 1];
        },
      );
    assert.deepEqual([await store.offset("score"), await stored(store, ada)], outcome);
    assert.equal((await store.write([version(bob, 1)])).get(bob), "written");
  });
});

const order = (number: number, totalMinor = number): OrderRecord => ({
  key: `shop\u001forder ${number}` as OrderKey,
  snapshot: { rank: 2, version: 1, eventId: `evt_${number}`, totalMinor, occurredAtMs: 1, cancelled: false },
  refunds: {},
});
const byKey = (records: readonly OrderRecord[]) => new Map(records.map((record) => [record.key, record]));

describe("the orders of a customer", () => {
  it("are all there, as they were written last, however many they are and wherever they lie", async () => {
    const expected = new Map<OrderKey, OrderRecord>();
    for (let number = 1; number <= 60; number++) {
      // Every write adds an order and changes an older one: a recent one, or one filed long ago.
      const orders = [order(number), order(1 + ((number * 7) % number), number * 1000)];
      const write = { customer: { ...emptyCustomer(ada), version: number }, orders };
      const outcome =
        number % 2 === 0
          ? await store.write([write])
          : await store.transaction(async () => {
              await store.read([{ customerKey: ada, orderKeys: [] }]);
              return store.write([write]);
            });
      assert.equal(outcome.get(ada), "written");
      for (const record of orders) expected.set(record.key, record);
      if (number % 10 !== 0) continue;
      for (const from of [store, reader]) {
        assert.deepEqual(byKey(await from.orders(ada)), expected);
        assert.equal((await from.orders(ada)).length, expected.size);
        const keys = [...expected.keys(), "shop\u001fnone" as OrderKey];
        const states = await from.read([{ customerKey: ada, orderKeys: keys }]);
        assert.deepEqual(states.get(ada)?.orders, expected);
      }
    }
  });

  it("of a store that was written before orders lay in the customer's row are still there", async () => {
    const old = await mkdtemp(path.join(os.tmpdir(), "ebb-customers-"));
    const db = openDatabase(path.join(old, CUSTOMERS_FILE), { migrations: customerMigrations.slice(0, 1) });
    db.prepare("INSERT INTO customers VALUES (1, ?, 1, 2, 30, 0, 1, 1, '[]')").run(ada);
    for (const record of [order(10), order(20)])
      db.prepare("INSERT INTO orders VALUES (1, ?, ?)").run(record.key, encodeOrder(record));
    db.close();
    const moved = new EmbeddedCustomerStore(old);
    const state = (await moved.read([{ customerKey: ada, orderKeys: [order(10).key] }])).get(ada);
    assert.equal(state?.customer?.grossMinor, 30);
    assert.deepEqual(state?.orders.get(order(10).key), order(10));
    await moved.write([{ customer: { ...emptyCustomer(ada), version: 2 }, orders: [order(20, 21), order(30)] }]);
    assert.deepEqual(byKey(await moved.orders(ada)), byKey([order(10), order(20, 21), order(30)]));
    moved.close();
    await rm(old, { recursive: true });
  });
});

describe("a reader of the customer store", () => {
  it("does not write", async () => {
    await assert.rejects(reader.write([version(ada, 1)]), /only reads/);
    await assert.rejects(reader.publishCutPoints({} as never), /only reads/);
  });

  it("scans what the writer has written", async () => {
    await store.write([version(ada, 1), version(bob, 1)]);
    const keys: string[] = [];
    for await (const customer of reader.scan()) keys.push(customer.customerKey);
    assert.deepEqual(keys.sort(), [ada, bob].sort());
  });
});

it("a store whose last connection closed is on disk: there is no log left to wait for", async () => {
  const closed = await mkdtemp(path.join(os.tmpdir(), "ebb-customers-"));
  try {
    const before = new EmbeddedCustomerStore(closed);
    await before.write([version(ada, 1)]);
    await customersOnDisk(closed);
    before.close();
    assert.deepEqual(
      (await readdir(closed)).filter((name) => name.endsWith("-wal")),
      [],
    );
    await customersOnDisk(closed);
  } finally {
    await rm(closed, { recursive: true });
  }
});
