/** Order events of a few customers, by seed: completed, updated, refunded, cancelled, by HTTP and by file. */
import { createHash } from "node:crypto";
import type { OrderEvent } from "@ebb/core/orders";
import type { Random } from "./random.ts";

const hex = (text: string): string => createHash("sha256").update(text).digest("hex").slice(0, 32);

const instant = (random: Random): string =>
  new Date(Date.UTC(2024, random.between(0, 5), random.between(1, 28), random.between(0, 23))).toISOString();

/** Distinct events of one customer. Few orders and few instants, so that they meet often. */
export const makeEvents = (random: Random, customer: string, orders: number): OrderEvent[] => {
  const instants = [instant(random), instant(random), instant(random), instant(random)];
  const events: OrderEvent[] = [];
  const add = (
    event: Omit<OrderEvent, "event_id" | "source" | "customer_key" | "occurred_at" | "order_rank" | "order_version">,
  ) =>
    events.push({
      event_id: `evt_${hex(`${customer} ${events.length}`)}`,
      source: "shop",
      customer_key: `cus_${hex(customer)}`,
      occurred_at: random.pick(instants),
      order_rank: random.pick([1, 2, 2]),
      order_version: random.between(1, 4),
      ...event,
    });
  for (let number = 0; number < orders; number++) {
    const order_id = `order ${number}`;
    const states = random.between(0, 3);
    for (let state = 0; state < states; state++)
      add({
        kind: random.pick(["order_completed", "order_updated", "order_updated", "order_cancelled"]),
        order_id,
        reporting_minor: random.pick([0, 100, 2_500, 9_999]),
      });
    for (let refund = random.between(0, 2); refund > 0; refund--) {
      const full = random.chance(0.3);
      add({
        kind: "order_refunded",
        ...(random.chance(0.8) ? { order_id } : {}), // else it names no order
        refund_id: `refund ${random.between(0, 2)} of ${number}`,
        ...(full ? { full_refund: true } : { reporting_minor: random.pick([50, 100, 2_500]) }),
      });
    }
  }
  return events;
};
