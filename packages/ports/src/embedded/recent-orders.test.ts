import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { OrderKey, OrderRecord } from "@ebb/core/orders";
import { decodeOrder, encodeOrder } from "../customer-codec.ts";
import { NO_ORDERS, findRecent, recentOrders, withOrders } from "./recent-orders.ts";

const order = (key: string, totalMinor: number, refundId?: string): OrderRecord => ({
  key: key as OrderKey,
  snapshot: { rank: 2, version: 1, eventId: `evt_${key}`, totalMinor, occurredAtMs: 1, cancelled: false },
  refunds:
    refundId === undefined
      ? {}
      : { [refundId]: { rank: 2, version: 2, eventId: "evt_r", amountMinor: 1, full: false, occurredAtMs: 2 } },
});

// Keys made of what could be taken for the text around them.
const hostile = fc
  .array(fc.constantFrom("a", '"', "\\", "\n", ",", "[", "]", '",[', "\u001f", "ü"), { minLength: 1, maxLength: 5 })
  .map((parts) => parts.join(""));

test("a text of orders answers like a map of them, whatever the keys hold", () => {
  const steps = fc.array(fc.record({ key: hostile, totalMinor: fc.nat(), refundId: fc.option(hostile) }), {
    maxLength: 30,
  });
  fc.assert(
    fc.property(steps, fc.array(hostile), (writes, others) => {
      const expected = new Map<string, OrderRecord>();
      let text = NO_ORDERS;
      for (const { key, totalMinor, refundId } of writes) {
        const written = order(key, totalMinor, refundId ?? undefined);
        expected.set(key, written);
        text = withOrders(text, [written]);
      }
      for (const key of [...expected.keys(), ...others])
        assert.deepEqual(findRecent(text, key as OrderKey), expected.get(key));
      const all = Array.from(recentOrders(text), ([key, encoded]) => [key, decodeOrder(key, encoded)] as const);
      assert.equal(all.length, expected.size);
      assert.deepEqual(new Map(all), expected);
    }),
    { seed: 7, numRuns: 500 },
  );
});

test("what is written back is what was encoded, so that orders can be filed as they stand", () => {
  const orders = [order("shop\u001f1", 100), order('shop\u001f"2",[', 200, "\n")];
  const filed = [...recentOrders(withOrders(NO_ORDERS, orders))];
  assert.deepEqual(
    filed,
    orders.map((each) => [each.key, encodeOrder(each)]),
  );
});
