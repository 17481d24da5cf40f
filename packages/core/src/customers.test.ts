import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { type CustomerAggregate, aggregateOf, emptyCustomer, foldCustomer } from "./customers.ts";
import type { CustomerKey } from "./ids.ts";
import { type OrderEvent, type OrderKey, type OrderRecord, applyOrderEvent, emptyOrder, orderKeyOf } from "./orders.ts";

const key = "cus_1" as CustomerKey;
const settings = { seed: 20261121, numRuns: 2_000 };

const draft = fc.record({
  kind: fc.constantFrom<OrderEvent["kind"][]>("order_completed", "order_updated", "order_cancelled", "order_refunded"),
  order: fc.nat(3),
  at: fc.constantFrom("2026-01-05T10:00:00.000Z", "2026-01-06T10:00:00.000Z", "2026-03-01T00:00:00.000Z"),
  version: fc.nat(3),
  refund: fc.nat(1),
  amount: fc.constantFrom(0, 100, 2_500),
});
const events = fc.array(draft, { minLength: 1, maxLength: 14 }).map((drafts) =>
  drafts.map((each, index): OrderEvent => ({
    event_id: `evt_${String(index).padStart(2, "0")}`,
    kind: each.kind,
    source: "shop",
    occurred_at: each.at,
    customer_key: key,
    order_id: String(each.order),
    order_rank: 2,
    order_version: each.version,
    reporting_minor: each.amount,
    ...(each.kind === "order_refunded" ? { refund_id: `r${each.refund}` } : {}),
  })),
);

/** All records from all distinct events: no deltas, no batches. */
const recordsOf = (all: readonly OrderEvent[]): Map<OrderKey, OrderRecord> => {
  const records = new Map<OrderKey, OrderRecord>();
  for (const event of new Map(all.map((each) => [each.event_id, each])).values()) {
    const orderKey = orderKeyOf(event);
    records.set(orderKey, applyOrderEvent(records.get(orderKey) ?? emptyOrder(orderKey), event));
  }
  return records;
};

/** A store of one customer, folded batch by batch as the score stage does. */
const foldAll = (batches: readonly (readonly OrderEvent[])[]) => {
  let customer: CustomerAggregate = emptyCustomer(key);
  const stored = new Map<OrderKey, OrderRecord>();
  let fullReads = 0;
  for (const batch of batches) {
    let fold = foldCustomer(customer, stored, batch);
    if (fold.outcome === "needsAllOrders") {
      fullReads++;
      fold = foldCustomer(customer, stored, batch, stored.values());
    }
    if (fold.outcome !== "changed") continue;
    assert.equal(fold.customer.version, customer.version + 1);
    customer = fold.customer;
    for (const record of fold.orders) stored.set(record.key, record);
  }
  return { customer, stored, fullReads };
};

const arrivals = events.chain((all) =>
  fc.tuple(
    fc.constant(all),
    fc.shuffledSubarray([...all, ...all], { minLength: all.length * 2 }),
    fc.integer({ min: 1, max: 6 }),
  ),
);

describe("a customer's aggregate", () => {
  it("kept by delta over any batches of any arrival is the one computed from the distinct events at once", () => {
    fc.assert(
      fc.property(arrivals, ([all, arrived, size]) => {
        const batches = Array.from({ length: Math.ceil(arrived.length / size) }, (_, n) =>
          arrived.slice(n * size, n * size + size),
        );
        const { customer, stored } = foldAll(batches);
        const records = recordsOf(all);
        assert.deepEqual(stored, records);
        assert.deepEqual(customer, aggregateOf(key, records.values(), customer.version));
      }),
      settings,
    );
  });

  it("is unchanged by a batch that was folded before", () => {
    fc.assert(
      fc.property(events, (all) => {
        const { customer, stored } = foldAll([all]);
        assert.deepEqual(foldCustomer(customer, stored, all), { outcome: "unchanged" });
      }),
      settings,
    );
  });

  const order = (id: string, day: string, fields: Partial<OrderEvent> = {}): OrderEvent => ({
    event_id: `evt_${id}_${day}_${fields.order_version ?? 1}_${fields.kind ?? ""}`,
    kind: "order_completed",
    source: "shop",
    occurred_at: `2026-01-${day}T00:00:00.000Z`,
    order_id: id,
    order_rank: 2,
    order_version: 1,
    reporting_minor: 1_000,
    ...fields,
  });

  it("asks for all orders only when the first or last is gone", () => {
    const three = [order("1", "01"), order("2", "02"), order("3", "03")];
    assert.equal(foldAll([three]).fullReads, 0);
    assert.equal(foldAll([three, [order("2", "02", { kind: "order_cancelled", order_version: 2 })]]).fullReads, 0);
    assert.equal(foldAll([three, [order("3", "04", { kind: "order_updated", order_version: 2 })]]).fullReads, 0);
    const lastGone = foldAll([three, [order("3", "03", { kind: "order_cancelled", order_version: 2 })]]);
    assert.equal(lastGone.fullReads, 1);
    assert.equal(lastGone.customer.lastOrderAtMs, Date.UTC(2026, 0, 2));
  });

  it("has no first and last order when none counts", () => {
    const { customer } = foldAll([
      [order("1", "01")],
      [order("1", "01", { kind: "order_cancelled", order_version: 2 })],
    ]);
    assert.deepEqual(customer, { ...emptyCustomer(key), version: 2 });
  });

  it("keeps money by the month of the order, also when the order moves", () => {
    const { customer } = foldAll([
      [
        order("1", "31"),
        {
          ...order("1", "31", { kind: "order_refunded", refund_id: "r" }),
          reporting_minor: 400,
          occurred_at: "2026-03-01T00:00:00.000Z",
        },
      ],
      // A late first event of the order: it was placed earlier than the update that came before it.
      [{ ...order("1", "31", { order_version: 0 }), occurred_at: "2025-12-01T00:00:00.000Z" }],
    ]);
    assert.deepEqual(customer.months, { "2025-12": { orders: 1, grossMinor: 1_000, refundMinor: 400 } });
  });
});
