import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { type OrderEvent, type OrderRecord, applyOrderEvent, effectOf, emptyOrder, orderKeyOf } from "./orders.ts";

const settings = { seed: 20261121, numRuns: 1_000 };

/** Events of one order, told apart by their ids; few versions and instants, so that they tie often. */
const orderEvents = (orderId: string) =>
  fc
    .array(
      fc.record({
        kind: fc.constantFrom<OrderEvent["kind"][]>(
          "order_completed",
          "order_updated",
          "order_cancelled",
          "order_refunded",
        ),
        at: fc.constantFrom("2026-01-05T10:00:00.000Z", "2026-01-31T23:59:59.999Z", "2026-03-01T00:00:00.000Z"),
        rank: fc.constantFrom(1, 2),
        version: fc.nat(3),
        refund: fc.constantFrom("r1", "r2", "__proto__", "7"),
        amount: fc.constantFrom(0, 100, 2_500),
        full: fc.boolean(),
      }),
      { maxLength: 8 },
    )
    .map((drafts) =>
      drafts.map((draft, index): OrderEvent => ({
        event_id: `evt_${orderId}_${index}`,
        kind: draft.kind,
        source: "shop",
        occurred_at: draft.at,
        customer_key: "cus_1",
        order_id: orderId,
        order_rank: draft.rank,
        order_version: draft.version,
        ...(draft.kind === "order_refunded"
          ? { refund_id: draft.refund, ...(draft.full ? { full_refund: true } : { reporting_minor: draft.amount }) }
          : { reporting_minor: draft.amount }),
      })),
    );

const fold = (events: readonly OrderEvent[]): OrderRecord =>
  events.reduce(applyOrderEvent, emptyOrder(orderKeyOf({ source: "shop", order_id: "1" })));

const event = (fields: Partial<OrderEvent>): OrderEvent => ({
  event_id: "evt_1",
  kind: "order_completed",
  source: "shop",
  occurred_at: "2026-01-01T00:00:00.000Z",
  order_id: "1",
  order_rank: 2,
  order_version: 1,
  reporting_minor: 1_000,
  ...fields,
});

describe("an order's record", () => {
  it("is the same whatever the order of arrival and however often each event arrives", () => {
    const arrival = orderEvents("1").chain((events) =>
      fc.tuple(
        fc.constant(events),
        fc.shuffledSubarray([...events, ...events, ...events], { minLength: events.length * 3 }),
      ),
    );
    fc.assert(
      fc.property(arrival, ([events, arrived]) => {
        assert.deepEqual(fold(arrived), fold(events));
        assert.deepEqual(effectOf(fold(arrived)), effectOf(fold(events)));
      }),
      settings,
    );
  });

  it("is the very same object when an event brings nothing new", () => {
    fc.assert(
      fc.property(orderEvents("1"), (events) => {
        const record = fold(events);
        for (const known of events) assert.equal(applyOrderEvent(record, known), record);
      }),
      settings,
    );
  });

  it("prefers HTTP to files, then the higher version", () => {
    const byFile = event({ event_id: "evt_f", order_rank: 1, order_version: 9, reporting_minor: 1 });
    const old = event({ event_id: "evt_o", order_version: 1, reporting_minor: 2 });
    const newer = event({ event_id: "evt_n", order_version: 2, reporting_minor: 3 });
    assert.equal(fold([newer, old, byFile]).snapshot?.totalMinor, 3);
    assert.equal(fold([old, byFile]).snapshot?.totalMinor, 2);
  });

  it("was placed when the first of its HTTP events happened; a file states the time anew", () => {
    const at = (time: string) => `2026-01-0${time}T00:00:00.000Z`;
    const placed = event({ event_id: "evt_p", order_version: 1, occurred_at: at("2") });
    const updated = event({ event_id: "evt_u", kind: "order_updated", order_version: 2, occurred_at: at("5") });
    for (const both of [
      [placed, updated],
      [updated, placed],
    ]) {
      assert.equal(fold(both).snapshot?.occurredAtMs, Date.parse(at("2")));
      assert.equal(fold(both).snapshot?.version, 2);
    }
    const filed = event({ event_id: "evt_f", order_rank: 1, order_version: 1, occurred_at: at("1") });
    const corrected = event({ event_id: "evt_c", order_rank: 1, order_version: 2, occurred_at: at("3") });
    assert.equal(fold([corrected, filed]).snapshot?.occurredAtMs, Date.parse(at("3")));
    assert.equal(fold([filed, placed, corrected]).snapshot?.occurredAtMs, Date.parse(at("2")));
  });

  it("versions an event without a version by its time", () => {
    const { order_version: _version, ...early } = event({ event_id: "evt_z", reporting_minor: 1 });
    const { order_version: _other, ...late } = event({
      event_id: "evt_a",
      occurred_at: "2026-01-02T00:00:00.000Z",
      reporting_minor: 2,
    });
    assert.equal(fold([late, early]).snapshot?.totalMinor, 2);
  });
});

describe("what an order adds to its customer", () => {
  const refund = (fields: Partial<OrderEvent>) => event({ kind: "order_refunded", refund_id: "r", ...fields });

  it("is its value less its refunds, and it counts while something is left", () => {
    const part = fold([event({}), refund({ event_id: "evt_2", reporting_minor: 999 })]);
    assert.deepEqual([effectOf(part).refundMinor, effectOf(part).counts], [999, true]);
    const all = fold([event({}), refund({ event_id: "evt_2", reporting_minor: 1_000 })]);
    assert.deepEqual([effectOf(all).refundMinor, effectOf(all).counts], [1_000, false]);
  });

  it("gives back in full what explicit refunds have left, no more", () => {
    const { reporting_minor: _amount, ...whole } = refund({ event_id: "evt_3", refund_id: "all", full_refund: true });
    const record = fold([whole, event({}), refund({ event_id: "evt_2", reporting_minor: 300 })]);
    assert.equal(effectOf(record).refundMinor, 1_000);
  });

  it("is nothing once it is cancelled, refunds or not", () => {
    const cancelled = event({ event_id: "evt_4", kind: "order_cancelled", order_version: 2 });
    const effect = effectOf(fold([event({}), refund({ event_id: "evt_2", reporting_minor: 1_000 }), cancelled]));
    assert.deepEqual([effect.grossMinor, effect.refundMinor, effect.counts], [0, 0, false]);
  });

  it("is a refund alone while its order has not arrived, at the refund's time", () => {
    const effect = effectOf(fold([refund({ reporting_minor: 300, occurred_at: "2026-02-01T00:00:00.000Z" })]));
    assert.deepEqual(effect, { grossMinor: 0, refundMinor: 300, counts: false, occurredAtMs: Date.UTC(2026, 1, 1) });
  });

  it("takes a refund's amount as given back whichever sign it was sent with", () => {
    assert.equal(effectOf(fold([event({}), refund({ event_id: "evt_2", reporting_minor: -300 })])).refundMinor, 300);
  });
});

describe("an order's key", () => {
  it("tells sources, orders and refunds without an order apart", () => {
    const keys = [
      orderKeyOf({ source: "a", order_id: "1" }),
      orderKeyOf({ source: "b", order_id: "1" }),
      orderKeyOf({ source: "a", order_id: "2" }),
      orderKeyOf({ source: "a", refund_id: "1" }),
    ];
    assert.equal(new Set(keys).size, keys.length);
  });
});
