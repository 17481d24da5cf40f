import assert from "node:assert/strict";
import { after, describe, it } from "node:test";
import type { CustomerAggregate, CustomerTotals } from "@ebb/core/customers";
import type { CustomerKey } from "@ebb/core/ids";
import type { OrderKey, OrderRecord } from "@ebb/core/orders";
import { defaultCutPoints } from "@ebb/core/rfm";
import type { CustomerStore } from "../ports.ts";
import { sampleCustomerKey } from "./samples.ts";

export interface OpenCustomerStore {
  readonly store: CustomerStore;
  /** Closes the adapter and opens it again over the same data. */
  readonly reopen: () => Promise<OpenCustomerStore>;
  readonly close: () => Promise<void>;
}

const orderOf = (number: number, totalMinor = 1000): OrderRecord => ({
  key: `shop\u001forder ${number} ü` as OrderKey,
  snapshot: {
    rank: 2,
    version: number,
    eventId: `evt_${number}`,
    totalMinor,
    occurredAtMs: 1_600_000_000_000 + number,
    cancelled: false,
  },
  refunds: {},
});

const withRefunds: OrderRecord = {
  key: "shop\u001f\u001frefund 9" as OrderKey,
  refunds: {
    "refund 9": {
      rank: 1,
      version: 3,
      eventId: "evt_a",
      amountMinor: 250,
      full: false,
      occurredAtMs: 1_600_000_000_000,
    },
    __proto__x: { rank: 2, version: 4, eventId: "evt_b", amountMinor: 0, full: true, occurredAtMs: 1_600_000_000_001 },
    "7": { rank: 2, version: 5, eventId: "evt_c", amountMinor: 1, full: false, occurredAtMs: 1_600_000_000_002 },
  },
};

const aggregate = (customerKey: CustomerKey, version: number, orders = version): CustomerAggregate => ({
  customerKey,
  version,
  orders,
  grossMinor: 9_007_199_254_740_991,
  refundMinor: 250,
  firstOrderAtMs: 1_600_000_000_000,
  lastOrderAtMs: 1_700_000_000_000 + version,
  months: {
    "2020-09": { orders: 1, grossMinor: 1000, refundMinor: 0 },
    "2023-11": { orders: orders - 1, grossMinor: -5, refundMinor: 250 },
  },
});

/**
 * What every customer store promises: whole writes, guarded by the version, and reads that see them.
 * @param writers of one customer at once
 */
export const customerStoreContract = (name: string, open: () => Promise<OpenCustomerStore>, writers = 64): void => {
  describe(`customer store: ${name}`, async () => {
    let opened = await open();
    after(async () => opened.close());
    const stateOf = async (customerKey: CustomerKey, orderKeys: OrderKey[] = []) => {
      const state = (await opened.store.read([{ customerKey, orderKeys }])).get(customerKey);
      assert.ok(state);
      return state;
    };
    const outcomeOf = async (customer: CustomerAggregate, orders: OrderRecord[] = []) =>
      (await opened.store.write([{ customer, orders }])).get(customer.customerKey);

    it("answers for every customer asked for, known or not", async () => {
      const [known, unknown] = [sampleCustomerKey("known"), sampleCustomerKey("unknown")];
      assert.equal(await outcomeOf(aggregate(known, 1)), "written");
      const states = await opened.store.read([
        { customerKey: known, orderKeys: [] },
        { customerKey: unknown, orderKeys: ["shop\u001fnone" as OrderKey] },
      ]);
      assert.deepEqual(states.get(known)?.customer, aggregate(known, 1));
      assert.equal(states.get(unknown)?.customer, undefined);
      assert.equal(states.get(unknown)?.orders.size, 0);
    });

    it("gives back aggregates and orders as they were written", async () => {
      const key = sampleCustomerKey("round trip");
      const { firstOrderAtMs: _first, lastOrderAtMs: _last, ...nothing } = aggregate(key, 1, 0);
      const none = { ...nothing, months: {} };
      assert.equal(await outcomeOf(none, [orderOf(1), withRefunds]), "written");
      const state = await stateOf(key, [orderOf(1).key, withRefunds.key, orderOf(2).key]);
      assert.deepEqual(state.customer, none);
      assert.deepEqual([...state.orders.keys()].sort(), [orderOf(1).key, withRefunds.key].sort());
      assert.deepEqual(state.orders.get(orderOf(1).key), orderOf(1));
      assert.deepEqual(state.orders.get(withRefunds.key), withRefunds);
      assert.deepEqual(
        (await opened.store.orders(key)).toSorted((a, b) => (a.key < b.key ? -1 : 1)),
        [withRefunds, orderOf(1)].toSorted((a, b) => (a.key < b.key ? -1 : 1)),
      );
    });

    it("refuses a write whose version has moved, and leaves nothing of it behind", async () => {
      const key = sampleCustomerKey("moved");
      assert.equal(await outcomeOf(aggregate(key, 1), [orderOf(1)]), "written");
      assert.equal(await outcomeOf(aggregate(key, 1, 9), [orderOf(2)]), "conflict"); // made by someone else
      assert.equal(await outcomeOf(aggregate(key, 3, 9), [orderOf(2)]), "conflict"); // from the future
      assert.equal(await outcomeOf(aggregate(key, 2), [orderOf(1, 2000)]), "written");
      assert.equal(await outcomeOf(aggregate(key, 2, 9), [orderOf(1, 3000), orderOf(3)]), "conflict");
      assert.deepEqual((await stateOf(key)).customer, aggregate(key, 2));
      assert.deepEqual(await opened.store.orders(key), [orderOf(1, 2000)]);
    });

    it("does not make a customer by an update", async () => {
      const key = sampleCustomerKey("never made");
      assert.equal(await outcomeOf(aggregate(key, 2), [orderOf(1)]), "conflict");
      assert.equal((await stateOf(key)).customer, undefined);
      assert.deepEqual(await opened.store.orders(key), []);
    });

    it("keeps the writes of a call apart: one conflict, the others written", async () => {
      const keys = ["a", "b", "c"].map((letter) => sampleCustomerKey(`apart ${letter}`));
      assert.equal(await outcomeOf(aggregate(keys[1]!, 1)), "written");
      const outcomes = await opened.store.write(
        keys.map((key) => ({ customer: aggregate(key, 1), orders: [orderOf(1)] })),
      );
      assert.deepEqual(
        keys.map((key) => outcomes.get(key)),
        ["written", "conflict", "written"],
      );
      assert.equal((await opened.store.orders(keys[1]!)).length, 0);
      assert.equal((await opened.store.orders(keys[2]!)).length, 1);
    });

    it("takes 99 orders in one write and 120 customers in one call", async () => {
      const key = sampleCustomerKey("many orders");
      const orders = Array.from({ length: 99 }, (_, n) => orderOf(n));
      assert.equal(await outcomeOf(aggregate(key, 1), orders), "written");
      assert.equal((await opened.store.orders(key)).length, 99);
      const state = await stateOf(
        key,
        orders.map((order) => order.key),
      );
      assert.equal(state.orders.size, 99);
      const keys = Array.from({ length: 120 }, (_, n) => sampleCustomerKey(`crowd ${n}`));
      const outcomes = await opened.store.write(
        keys.map((each) => ({ customer: aggregate(each, 1), orders: [orderOf(1)] })),
      );
      assert.ok(keys.every((each) => outcomes.get(each) === "written"));
      const states = await opened.store.read(keys.map((customerKey) => ({ customerKey, orderKeys: [orderOf(1).key] })));
      assert.ok(keys.every((each) => states.get(each)?.orders.size === 1));
    });

    it(`counts exactly under ${writers} writers that read, add and try again`, async () => {
      const key = sampleCustomerKey("contended");
      const writer = async (number: number) => {
        for (;;) {
          const { customer } = await stateOf(key);
          const version = (customer?.version ?? 0) + 1;
          const outcome = await outcomeOf(aggregate(key, version, (customer?.orders ?? 0) + 1), [orderOf(number)]);
          if (outcome === "written") return;
        }
      };
      await Promise.all(Array.from({ length: writers }, (_, number) => writer(number)));
      const { customer } = await stateOf(key);
      assert.deepEqual([customer?.version, customer?.orders], [writers, writers]);
      assert.equal((await opened.store.orders(key)).length, writers);
    });

    it("scans every customer once", async () => {
      const keys = Array.from({ length: 30 }, (_, n) => sampleCustomerKey(`scan ${n}`));
      await opened.store.write(keys.map((key) => ({ customer: aggregate(key, 1), orders: [orderOf(1)] })));
      const scanned: CustomerTotals[] = [];
      for await (const customer of opened.store.scan()) scanned.push(customer);
      assert.equal(new Set(scanned.map(({ customerKey }) => customerKey)).size, scanned.length);
      for (const key of keys) {
        const { months: _, ...totals } = aggregate(key, 1);
        assert.deepEqual(
          scanned.find(({ customerKey }) => customerKey === key),
          totals,
        );
      }
    });

    it("has no cut points until some are published, then the newest", async () => {
      assert.equal(await opened.store.cutPoints(), undefined);
      await opened.store.publishCutPoints(defaultCutPoints(1_700_000_000_000));
      const newer = { ...defaultCutPoints(1_700_000_000_000), version: "run-2" };
      await opened.store.publishCutPoints(newer);
      assert.deepEqual(await opened.store.cutPoints(), newer);
    });

    it("keeps what was written over a reopening", async () => {
      const key = sampleCustomerKey("kept");
      assert.equal(await outcomeOf(aggregate(key, 1), [orderOf(1)]), "written");
      opened = await opened.reopen();
      assert.deepEqual((await stateOf(key)).customer, aggregate(key, 1));
      assert.deepEqual(await opened.store.orders(key), [orderOf(1)]);
    });
  });
};
