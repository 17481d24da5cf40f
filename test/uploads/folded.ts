/** RFM of the events on a log, folded as the score stage folds them, as text that can be compared. */
import type { CustomerTotals } from "@ebb/core/customers";
import { aggregateOf } from "@ebb/core/customers";
import type { CustomerKey, Pseudonymizer } from "@ebb/core/ids";
import type { OrderKey, OrderRecord } from "@ebb/core/orders";
import { applyOrderEvent, emptyOrder, orderKeyOf } from "@ebb/core/orders";
import { orderKinds } from "@ebb/core/kinds";
import type { StreamEvent } from "@ebb/core/stream-event";
import type { PlainCustomer } from "./online-retail-file.ts";

export const plainOf = (customer: CustomerTotals): PlainCustomer => {
  const iso = (ms: number | undefined) => (ms === undefined ? undefined : new Date(ms).toISOString());
  const { orders, grossMinor, refundMinor, firstOrderAtMs, lastOrderAtMs } = customer;
  return { orders, grossMinor, refundMinor, first: iso(firstOrderAtMs), last: iso(lastOrderAtMs) };
};

export const folded = (events: readonly StreamEvent[]): Map<string, PlainCustomer> => {
  const customers = new Map<string, Map<OrderKey, OrderRecord>>();
  for (const event of events) {
    if (event.customer_key === undefined || !orderKinds.has(event.kind)) continue;
    const orders = customers.get(event.customer_key) ?? new Map<OrderKey, OrderRecord>();
    customers.set(event.customer_key, orders);
    const key = orderKeyOf(event);
    orders.set(key, applyOrderEvent(orders.get(key) ?? emptyOrder(key), event));
  }
  return new Map(
    [...customers].map(([key, orders]) => [key, plainOf(aggregateOf(key as CustomerKey, orders.values()))]),
  );
};

/** The oracle's customers under the keys that the program gives them. */
export const keyed = (
  customers: ReadonlyMap<string, PlainCustomer>,
  pseudonyms: Pseudonymizer,
): Map<string, PlainCustomer> => new Map([...customers].map(([id, customer]) => [pseudonyms.customer(id), customer]));

export const sorted = <Value>(map: ReadonlyMap<string, Value>): [string, Value][] =>
  [...map].sort(([a], [b]) => (a < b ? -1 : 1));
