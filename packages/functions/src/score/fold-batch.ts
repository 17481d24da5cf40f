/** Folds order events into the customer store, exactly once whatever is delivered twice, late or in another order. */
import { type CustomerAggregate, emptyCustomer, foldCustomer } from "@ebb/core/customers";
import type { CustomerKey } from "@ebb/core/ids";
import { limits } from "@ebb/core/limits";
import { type OrderEvent, type OrderKey, type OrderRecord, effectOf, orderKeyOf } from "@ebb/core/orders";
import { type CustomerState, type CustomerStore, type CustomerWrite, type Metrics, TransientError } from "@ebb/ports";
import type { ReceivedEvent } from "./read-events.ts";

export interface Patience {
  /** Tries of one write before its events are given back to the stream. */
  readonly attempts: number;
  /** Waits before try number `attempt` (from 2 on). */
  readonly backoff: (attempt: number) => Promise<void>;
}

/** Events of one customer that fit one write. */
interface Portion {
  readonly customerKey: CustomerKey;
  readonly events: readonly ReceivedEvent[];
  readonly orderKeys: readonly OrderKey[];
}

/** What is read of so many fits the young generation: a backlog brings thousands in one batch. */
const CUSTOMERS_AT_ONCE = 250;

/**
 * Folds all events, the events of a customer in one write a batch in the usual case.
 * @returns the events that may succeed later: the store could not answer, or others kept writing the same customer
 */
export const foldBatch = async (
  store: CustomerStore,
  events: readonly ReceivedEvent[],
  patience: Patience,
  metrics: Metrics,
): Promise<ReceivedEvent[]> => {
  const failed: ReceivedEvent[] = [];
  let turn = [...groupByCustomer(events)].map(([customerKey, own]) => portionsOf(customerKey, own));
  // A customer with more orders than one write holds takes several turns, each a whole and consistent write.
  while (turn.length > 0) {
    const lost = new Set<Portion>();
    for (let at = 0; at < turn.length; at += CUSTOMERS_AT_ONCE) {
      const portions = turn.slice(at, at + CUSTOMERS_AT_ONCE).map(([portion]) => portion!);
      for (const portion of await foldPortions(store, portions, patience, metrics)) lost.add(portion);
    }
    for (const portions of turn)
      if (lost.has(portions[0]!)) failed.push(...portions.flatMap((portion) => portion.events));
    turn = turn.filter(([portion]) => !lost.has(portion!)).map((portions) => portions.slice(1));
    turn = turn.filter((portions) => portions.length > 0);
  }
  return failed;
};

const groupByCustomer = (events: readonly ReceivedEvent[]): Map<CustomerKey, ReceivedEvent[]> => {
  const groups = new Map<CustomerKey, ReceivedEvent[]>();
  for (const event of events) {
    const group = groups.get(event.customerKey);
    if (group === undefined) groups.set(event.customerKey, [event]);
    else group.push(event);
  }
  return groups;
};

/** All events of an order are in one portion; a portion names at most as many orders as a write may hold. */
const portionsOf = (customerKey: CustomerKey, events: readonly ReceivedEvent[]): Portion[] => {
  if (events.length <= limits.customerWriteOrders) {
    const orderKeys = events.map(({ event }) => orderKeyOf(event));
    return [{ customerKey, events, orderKeys: orderKeys.length === 1 ? orderKeys : [...new Set(orderKeys)] }];
  }
  const byOrder = new Map<OrderKey, ReceivedEvent[]>();
  for (const received of events) {
    const key = orderKeyOf(received.event);
    const own = byOrder.get(key);
    if (own === undefined) byOrder.set(key, [received]);
    else own.push(received);
  }
  const orders = [...byOrder];
  const portions: Portion[] = [];
  for (let at = 0; at < orders.length; at += limits.customerWriteOrders) {
    const some = orders.slice(at, at + limits.customerWriteOrders);
    portions.push({ customerKey, events: some.flatMap(([, own]) => own), orderKeys: some.map(([key]) => key) });
  }
  return portions;
};

/** Tries until all are written or patience ends; answers the portions that are not. At most one portion a customer. */
const foldPortions = async (
  store: CustomerStore,
  portions: readonly Portion[],
  patience: Patience,
  metrics: Metrics,
): Promise<readonly Portion[]> => {
  let pending = portions;
  for (let attempt = 1; pending.length > 0 && attempt <= patience.attempts; attempt++) {
    if (attempt > 1) await patience.backoff(attempt);
    pending = await foldOnce(store, pending, metrics);
  }
  return pending;
};

/** Reads, folds and writes once; answers the portions to try again, from the reading on. */
const foldOnce = async (
  store: CustomerStore,
  portions: readonly Portion[],
  metrics: Metrics,
): Promise<readonly Portion[]> => {
  const states = await unlessTransient(store.read(portions));
  if (states === undefined) return portions;
  const folded: Folded[] = [];
  // A promise only for those that have to wait: they are few.
  const waiting: Promise<void>[] = [];
  for (const [index, portion] of portions.entries()) {
    const fold = foldPortion(store, portion, states.get(portion.customerKey)!);
    if (fold instanceof Promise) waiting.push(fold.then((outcome) => void (folded[index] = outcome)));
    else folded[index] = fold;
  }
  await Promise.all(waiting);
  const writes = folded.filter((outcome) => typeof outcome === "object");
  // A write that failed on the way may have arrived: the next reading tells.
  const outcomes = writes.length === 0 ? new Map<CustomerKey, string>() : await unlessTransient(store.write(writes));
  const conflicts = [...(outcomes?.values() ?? [])].filter((outcome) => outcome === "conflict").length;
  if (conflicts > 0) metrics.count("CustomerWriteConflicts", conflicts);
  return portions.filter((portion, index) => {
    const outcome = folded[index]!;
    if (typeof outcome === "object") return outcomes?.get(portion.customerKey) !== "written";
    return outcome === "unanswered";
  });
};

type Folded = CustomerWrite | "unchanged" | "unanswered";

const foldPortion = (
  store: CustomerStore,
  { customerKey, events }: Portion,
  state: CustomerState,
): Folded | Promise<Folded> => {
  const customer: CustomerAggregate = state.customer ?? emptyCustomer(customerKey);
  const plain = events.map((received) => received.event);
  const fold = foldCustomer(customer, state.orders, plain);
  if (fold.outcome === "needsAllOrders") return foldOverAll(store, customer, state.orders, plain);
  return fold.outcome === "changed" ? { customer: fold.customer, orders: fold.orders } : "unchanged";
};

const foldOverAll = async (
  store: CustomerStore,
  customer: CustomerAggregate,
  stored: CustomerState["orders"],
  events: readonly OrderEvent[],
): Promise<Folded> => {
  // Read after the aggregate: should they belong to a newer one, the version guard refuses the write. An order that
  // the aggregate counts and the reading lacks is on its way; one that does not count moves neither first nor last.
  const all: OrderRecord[] | undefined = await unlessTransient(store.orders(customer.customerKey));
  if (all?.filter((record) => effectOf(record).counts).length !== customer.orders) return "unanswered";
  const fold = foldCustomer(customer, stored, events, all);
  return fold.outcome === "changed" ? { customer: fold.customer, orders: fold.orders } : "unchanged";
};

/** The answer, or `undefined` where the store could not answer now. Any other error is a fault and goes up. */
const unlessTransient = async <T>(answer: Promise<T>): Promise<T | undefined> => {
  try {
    return await answer;
  } catch (error) {
    if (error instanceof TransientError) return undefined;
    throw error;
  }
};
