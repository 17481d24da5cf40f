/**
 * The aggregate of a customer: sums over the effects of its orders. It is kept by delta, so that a batch reads only
 * the orders it touches; first and last order are not invertible and are taken from all orders when an extreme goes.
 */
import type { CustomerKey } from "./ids.ts";
import { type OrderEffect, type OrderEvent, type OrderKey, type OrderRecord } from "./orders.ts";
import { applyOrderEvent, effectOf, emptyOrder, orderKeyOf } from "./orders.ts";

export interface MonthBucket {
  readonly orders: number;
  readonly grossMinor: number;
  readonly refundMinor: number;
}

export interface CustomerTotals {
  readonly customerKey: CustomerKey;
  /** Raised by one with every write; guards the write (optimistic locking). 0 = not stored yet. */
  readonly version: number;
  /** Orders whose net is above zero. */
  readonly orders: number;
  readonly grossMinor: number;
  readonly refundMinor: number;
  /** Epoch milliseconds of the first and last counted order; absent when none counts. */
  readonly firstOrderAtMs?: number;
  readonly lastOrderAtMs?: number;
}

export interface CustomerAggregate extends CustomerTotals {
  /** By UTC month `YYYY-MM` of the order; a refund counts in the month of its order, an orphan refund in its own. */
  readonly months: Readonly<Record<string, MonthBucket>>;
}

/** Net money of a customer: gross − refunds, reporting minor units. */
export const netMinor = (customer: Pick<CustomerAggregate, "grossMinor" | "refundMinor">): number =>
  customer.grossMinor - customer.refundMinor;

export const emptyCustomer = (customerKey: CustomerKey): CustomerAggregate => ({
  customerKey,
  version: 0,
  orders: 0,
  grossMinor: 0,
  refundMinor: 0,
  months: {},
});

const monthOf = (atMs: number): string => new Date(atMs).toISOString().slice(0, 7);

/** The sums of an aggregate while a fold is at work on them: copied once, not with every order. */
interface Sums {
  orders: number;
  grossMinor: number;
  refundMinor: number;
  readonly months: Record<string, MonthBucket>;
}

const sumsOf = ({ orders, grossMinor, refundMinor, months }: CustomerAggregate): Sums => ({
  orders,
  grossMinor,
  refundMinor,
  months: { ...months },
});

/** Adds (sign 1) or takes away (sign −1) an effect; first and last order are not touched. */
const addEffect = (sums: Sums, effect: OrderEffect, sign: 1 | -1): void => {
  const counted = effect.counts ? sign : 0;
  if (Number.isFinite(effect.occurredAtMs)) {
    const month = monthOf(effect.occurredAtMs);
    const old = sums.months[month];
    const bucket: MonthBucket = {
      orders: (old?.orders ?? 0) + counted,
      grossMinor: (old?.grossMinor ?? 0) + sign * effect.grossMinor,
      refundMinor: (old?.refundMinor ?? 0) + sign * effect.refundMinor,
    };
    if (bucket.orders === 0 && bucket.grossMinor === 0 && bucket.refundMinor === 0) delete sums.months[month];
    else sums.months[month] = bucket;
  }
  sums.orders += counted;
  sums.grossMinor += sign * effect.grossMinor;
  sums.refundMinor += sign * effect.refundMinor;
};

const withExtremes = (customer: CustomerAggregate, effects: readonly OrderEffect[]): CustomerAggregate => {
  const { firstOrderAtMs: _first, lastOrderAtMs: _last, ...rest } = customer;
  let first = Infinity;
  let last = -Infinity;
  for (const effect of effects) {
    if (!effect.counts) continue;
    first = Math.min(first, effect.occurredAtMs);
    last = Math.max(last, effect.occurredAtMs);
  }
  return first === Infinity ? rest : { ...rest, firstOrderAtMs: first, lastOrderAtMs: last };
};

/** The aggregate straight from all orders: what replay and the tests compare the kept one with. */
export const aggregateOf = (
  customerKey: CustomerKey,
  records: Iterable<OrderRecord>,
  version = 0,
): CustomerAggregate => {
  const effects = [...records].map(effectOf);
  const sums = sumsOf(emptyCustomer(customerKey));
  for (const effect of effects) addEffect(sums, effect, 1);
  return withExtremes({ customerKey, version, ...sums }, effects);
};

export type Fold =
  | { readonly outcome: "unchanged" }
  /** An order that was first or last stopped counting: the caller must read all orders and fold again with them. */
  | { readonly outcome: "needsAllOrders" }
  | { readonly outcome: "changed"; readonly customer: CustomerAggregate; readonly orders: readonly OrderRecord[] };

/**
 * Folds a batch of one customer's order events into its aggregate. `stored` holds the stored records of the orders
 * that the events name (a missing key = not stored). With `allOrders` the extremes are taken from every order.
 * The version of the result is one above the given one; the caller writes it only if the stored one has not moved.
 */
export const foldCustomer = (
  customer: CustomerAggregate,
  stored: ReadonlyMap<OrderKey, OrderRecord>,
  events: Iterable<OrderEvent>,
  allOrders?: Iterable<OrderRecord>,
): Fold => {
  const changed = new Map<OrderKey, OrderRecord>();
  for (const event of events) {
    const key = orderKeyOf(event);
    const before = changed.get(key) ?? stored.get(key) ?? emptyOrder(key);
    const after = applyOrderEvent(before, event);
    if (after !== before) changed.set(key, after);
  }
  if (changed.size === 0) return { outcome: "unchanged" };

  const sums = sumsOf(customer);
  const oldFirst = customer.firstOrderAtMs ?? Infinity;
  const oldLast = customer.lastOrderAtMs ?? -Infinity;
  let first = Infinity;
  let last = -Infinity;
  let firstTaken = false;
  let lastTaken = false;
  for (const [key, record] of changed) {
    const old = stored.get(key);
    if (old !== undefined) {
      const effect = effectOf(old);
      addEffect(sums, effect, -1);
      firstTaken ||= effect.counts && effect.occurredAtMs <= oldFirst;
      lastTaken ||= effect.counts && effect.occurredAtMs >= oldLast;
    }
    const effect = effectOf(record);
    addEffect(sums, effect, 1);
    if (!effect.counts) continue;
    first = Math.min(first, effect.occurredAtMs);
    last = Math.max(last, effect.occurredAtMs);
  }
  // An extreme that was taken away is known again only when a changed order reaches at least as far.
  const extremeLost = (firstTaken && first > oldFirst) || (lastTaken && last < oldLast);
  first = Math.min(first, oldFirst);
  last = Math.max(last, oldLast);

  let next: CustomerAggregate = { ...customer, ...sums, version: customer.version + 1 };
  const orders = [...changed.values()];
  if (!extremeLost) {
    const { firstOrderAtMs: _first, lastOrderAtMs: _last, ...rest } = next;
    next = first === Infinity ? rest : { ...rest, firstOrderAtMs: first, lastOrderAtMs: last };
    return { outcome: "changed", customer: next, orders };
  }
  if (allOrders === undefined) return { outcome: "needsAllOrders" };
  const all = new Map<OrderKey, OrderRecord>();
  for (const record of allOrders) all.set(record.key, record);
  for (const record of orders) all.set(record.key, record);
  return { outcome: "changed", customer: withExtremes(next, [...all.values()].map(effectOf)), orders };
};
