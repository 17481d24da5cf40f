/** Batches of tracking calls as a shop's producers send them: repeated, out of order, some not to be taken. */
import type { OrderEvent } from "@ebb/core/orders";
import { makeEvents } from "../score/order-events.ts";
import type { Random } from "../score/random.ts";

export interface Batch {
  /** The request's body. */
  readonly body: string;
  readonly received: number;
  /** Message ids of the calls that are right. The log keeps them as an order's coupon, a field that nothing looks at. */
  readonly messageIds: readonly string[];
  /** Places of the calls that are to be refused. */
  readonly refused: readonly number[];
}

const names = {
  order_completed: "Order Completed",
  order_updated: "Order Updated",
  order_cancelled: "Order Cancelled",
  order_refunded: "Order Refunded",
} as const;

const callOf = (event: OrderEvent, messageId: string, userId: string): unknown => ({
  type: "track",
  event: names[event.kind as keyof typeof names],
  messageId,
  userId,
  timestamp: event.occurred_at,
  properties: {
    order_id: event.order_id,
    refund_id: event.refund_id,
    ...(event.reporting_minor === undefined ? {} : { total: event.reporting_minor / 100, currency: "EUR" }),
    coupon: messageId,
  },
});

/** A currency that there is not: such a call is quarantined at the front door. */
const wrong = (messageId: string, userId: string): unknown => ({
  type: "track",
  event: "Order Completed",
  messageId,
  userId,
  properties: { order_id: "wrong", total: 1, currency: "ZZZ" },
});

/** @param name unique: ids of customers and messages begin with it */
export const makeBatches = (random: Random, name: string, mostOrders = 3): Batch[] => {
  const calls: { readonly messageId: string; readonly call: unknown; readonly refused: boolean }[] = [];
  const customers = random.between(1, 3);
  for (let customer = 0; customer < customers; customer++) {
    const userId = `${name} ${customer}`;
    for (const [index, event] of makeEvents(random, userId, random.between(1, mostOrders)).entries()) {
      if (event.order_id === undefined) continue; // over HTTP a refund names its order
      const messageId = `${userId} ${index}`;
      calls.push({ messageId, call: callOf(event, messageId, userId), refused: false });
    }
    if (random.chance(0.2)) calls.push({ messageId: `${userId} w`, call: wrong(`${userId} w`, userId), refused: true });
  }
  const sent = [...calls, ...calls.filter(() => random.chance(0.3))];
  const shuffled = random.chance(0.7) ? random.shuffled(sent) : sent;
  const batches: Batch[] = [];
  while (shuffled.length > 0) {
    const some = shuffled.splice(0, random.between(1, 6));
    batches.push({
      body: JSON.stringify({ batch: some.map(({ call }) => call) }),
      received: some.length,
      messageIds: some.filter(({ refused }) => !refused).map(({ messageId }) => messageId),
      refused: some.flatMap(({ refused }, index) => (refused ? [index] : [])),
    });
  }
  return batches;
};
