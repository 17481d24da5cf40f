/**
 * The slow, obvious computation of what a customer is worth, straight from a list of events. It shares no code with the
 * program: it is what the program is compared with.
 */
import type { OrderEvent } from "@ebb/core/orders";

export interface PlainRfm {
  orders: number;
  grossMinor: number;
  refundMinor: number;
  firstOrderAtMs: number | undefined;
  lastOrderAtMs: number | undefined;
  months: Record<string, { orders: number; grossMinor: number; refundMinor: number }>;
}

/** Later states sort last. */
const byPrecedence = (a: OrderEvent, b: OrderEvent): number =>
  a.order_rank! - b.order_rank! || a.order_version! - b.order_version! || (a.event_id < b.event_id ? -1 : 1);

/** RFM of one customer from its events, repetitions allowed, in any order. Every event has a rank and a version. */
export const plainRfm = (events: readonly OrderEvent[]): PlainRfm => {
  const distinct = [...new Map(events.map((event) => [event.event_id, event])).values()].sort(byPrecedence);
  const thingOf = (event: OrderEvent) =>
    event.order_id === undefined
      ? `refund ${event.source} ${event.refund_id}`
      : `order ${event.source} ${event.order_id}`;

  const result: PlainRfm = {
    orders: 0,
    grossMinor: 0,
    refundMinor: 0,
    firstOrderAtMs: undefined,
    lastOrderAtMs: undefined,
    months: {},
  };
  for (const thing of new Set(distinct.map(thingOf))) {
    const own = distinct.filter((event) => thingOf(event) === thing);
    const snapshot = own.filter((event) => event.kind !== "order_refunded").at(-1);
    const refundIds = new Set(own.filter((event) => event.kind === "order_refunded").map((event) => event.refund_id));
    const refunds = [...refundIds].map((id) => own.filter((event) => event.refund_id === id).at(-1)!);

    const cancelled = snapshot?.kind === "order_cancelled";
    const gross = snapshot === undefined || cancelled ? 0 : snapshot.reporting_minor!;
    let refunded = 0;
    for (const refund of refunds) refunded += refund.reporting_minor ?? 0;
    if (refunds.some((refund) => refund.full_refund === true) && refunded < gross) refunded = gross;
    if (cancelled) refunded = 0;

    // Over HTTP an order was placed when the first of its events happened; a file states the time with each version.
    const sent = own.filter((event) => event.kind !== "order_refunded" && event.order_rank === 2);
    const times = snapshot === undefined ? refunds : snapshot.order_rank === 2 ? sent : [snapshot];
    const at = times.map((event) => event.occurred_at).sort()[0]!;
    const counts = snapshot !== undefined && gross - refunded > 0;
    result.grossMinor += gross;
    result.refundMinor += refunded;
    const bucket = (result.months[at.slice(0, 7)] ??= { orders: 0, grossMinor: 0, refundMinor: 0 });
    bucket.grossMinor += gross;
    bucket.refundMinor += refunded;
    if (!counts) continue;
    bucket.orders += 1;
    result.orders += 1;
    const atMs = new Date(at).getTime();
    if (result.firstOrderAtMs === undefined || atMs < result.firstOrderAtMs) result.firstOrderAtMs = atMs;
    if (result.lastOrderAtMs === undefined || atMs > result.lastOrderAtMs) result.lastOrderAtMs = atMs;
  }
  for (const [month, bucket] of Object.entries(result.months))
    if (bucket.orders === 0 && bucket.grossMinor === 0 && bucket.refundMinor === 0) delete result.months[month];
  return result;
};
