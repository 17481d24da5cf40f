/** The customer store's part of an audit: every order as the lake knows it, and every aggregate as its orders and SQL say. */
import type { DatabaseSync } from "node:sqlite";
import type { DuckDBConnection } from "@duckdb/node-api";
import { type CustomerAggregate, aggregateOf } from "@ebb/core/customers";
import type { CustomerKey } from "@ebb/core/ids";
import type { OrderKey, OrderRecord } from "@ebb/core/orders";
import { decodeMonths, decodeOrder } from "../customer-codec.ts";
import { type AccountBook, shownOrder } from "./audit-account.ts";
import { rowsOf } from "./audit-lake.ts";
import { recentOrders } from "./recent-orders.ts";

const stored = "customer store: every order is as the lake has it";
const rfm = "RFM: the stream's sums are the batch's";

interface Stored {
  readonly aggregate: CustomerAggregate;
  readonly orders: ReadonlyMap<string, OrderRecord>;
}

type Row = [
  id: number,
  key: string,
  version: number,
  orders: number,
  gross: number,
  refund: number,
  first: number | null,
  last: number | null,
  months: string,
  recent: string,
  filed: 0 | 1,
];

/** Every customer with its orders, by key. */
function* storedCustomers(db: DatabaseSync): Generator<Stored> {
  const customers = db.prepare(
    `SELECT id, key, version, orders, gross_minor, refund_minor, first_order_at_ms, last_order_at_ms, months, recent, filed
     FROM customers ORDER BY key`,
  );
  customers.setReturnArrays(true);
  const filed = db.prepare("SELECT order_key, record FROM orders WHERE customer_id = ?");
  filed.setReturnArrays(true);
  for (const row of customers.iterate() as unknown as Iterable<Row>) {
    const [id, key, version, count, grossMinor, refundMinor, first, last, months, recent, isFiled] = row;
    const orders = new Map<string, OrderRecord>();
    if (isFiled === 1)
      for (const [orderKey, text] of filed.all(id) as unknown as [string, string][])
        orders.set(orderKey, decodeOrder(orderKey, text));
    for (const [orderKey, text] of recentOrders(recent)) orders.set(orderKey, decodeOrder(orderKey, text));
    yield {
      aggregate: {
        customerKey: key as CustomerKey,
        version,
        orders: count,
        grossMinor,
        refundMinor,
        ...(first === null ? {} : { firstOrderAtMs: first }),
        ...(last === null ? {} : { lastOrderAtMs: last }),
        months: decodeMonths(months),
      },
      orders,
    };
  }
}

/** One order or refund as the lake has it, in the words of an `OrderRecord`. */
type Entry = readonly [
  customerKey: string,
  orderKey: string,
  entry: "order" | "refund",
  refundId: string | null,
  eventId: string,
  rank: number,
  version: bigint,
  occurredAtMs: bigint,
  minor: bigint,
  cancelled: boolean,
  full: boolean,
];

const ENTRIES = `
  SELECT customer_key, order_key, entry, refund_id, event_id, order_rank, order_version, epoch_ms(occurred_at),
    reporting_minor, cancelled, full_refund
  FROM order_entries WHERE customer_key IS NOT NULL ORDER BY customer_key`;

interface LakeCustomer {
  readonly customerKey: string;
  readonly orders: ReadonlyMap<string, OrderRecord>;
}

/** The customers of the lake with their orders, by key. */
async function* lakeCustomers(connection: DuckDBConnection): AsyncGenerator<LakeCustomer> {
  let customer: { customerKey: string; orders: Map<string, OrderRecord> } | undefined;
  for await (const row of rowsOf(connection, ENTRIES)) {
    const entry = row as unknown as Entry;
    if (customer?.customerKey !== entry[0]) {
      if (customer !== undefined) yield customer;
      customer = { customerKey: entry[0], orders: new Map() };
    }
    customer.orders.set(entry[1], withEntry(customer.orders.get(entry[1]), entry));
  }
  if (customer !== undefined) yield customer;
}

const withEntry = (record: OrderRecord | undefined, entry: Entry): OrderRecord => {
  const [, orderKey, kind, refundId, eventId, rank, version, occurredAtMs, minor, cancelled, full] = entry;
  const known: OrderRecord = record ?? { key: orderKey as OrderKey, refunds: {} };
  const state = { rank, version: Number(version), eventId, occurredAtMs: Number(occurredAtMs) };
  return kind === "order"
    ? { ...known, snapshot: { ...state, totalMinor: Number(minor), cancelled } }
    : {
        ...known,
        refunds: { ...known.refunds, [refundId ?? eventId]: { ...state, amountMinor: Number(minor), full } },
      };
};

type Rfm = readonly [
  customerKey: string,
  orders: bigint,
  gross: bigint,
  refund: bigint,
  first: bigint | null,
  last: bigint | null,
];

const RFM = `
  SELECT customer_key, orders, gross_minor, refund_minor, epoch_ms(first_order_at), epoch_ms(last_order_at)
  FROM customer_rfm ORDER BY customer_key`;

/** @param lake two connections whose `raw_events` is what the store has folded */
export const auditCustomers = async (
  book: AccountBook,
  customers: DatabaseSync,
  lake: readonly [DuckDBConnection, DuckDBConnection],
): Promise<void> => {
  const counts = { lakeOrders: 0, storeOrders: 0, lakeNet: 0, storeNet: 0 };
  const batch = rowsOf(lake[1], RFM);
  const nextRfm = async (): Promise<Rfm | undefined> => {
    const next = await batch.next();
    return next.done === true ? undefined : (next.value as unknown as Rfm);
  };
  let figures = await nextRfm();
  const compare = async (inStore: Stored | undefined, inLake: LakeCustomer | undefined): Promise<void> => {
    const customerKey = inStore?.aggregate.customerKey ?? (inLake!.customerKey as CustomerKey);
    counts.lakeOrders += inLake?.orders.size ?? 0;
    counts.storeOrders += inStore?.orders.size ?? 0;
    counts.storeNet += inStore === undefined ? 0 : inStore.aggregate.grossMinor - inStore.aggregate.refundMinor;
    const faults = compareOrders(book, customerKey, inStore?.orders ?? NONE, inLake?.orders ?? NONE);
    let own: Rfm | undefined;
    if (figures !== undefined && figures[0] === customerKey) {
      own = figures;
      counts.lakeNet += Number(figures[2] - figures[3]);
      figures = await nextRfm();
    }
    // An order that differs has been named; its sums differ by it.
    if (faults === 0) compareSums(book, customerKey, inStore, own);
  };
  const fromLake = lakeCustomers(lake[0]);
  let other = await fromLake.next();
  for (const customer of storedCustomers(customers)) {
    const { customerKey } = customer.aggregate;
    for (; other.done !== true && other.value.customerKey < customerKey; other = await fromLake.next())
      await compare(undefined, other.value);
    const same = other.done !== true && other.value.customerKey === customerKey;
    await compare(customer, same ? (other.value as LakeCustomer) : undefined);
    if (same) other = await fromLake.next();
  }
  for (; other.done !== true; other = await fromLake.next()) await compare(undefined, other.value);
  book.line({
    name: stored,
    left: ["distinct orders in the lake", counts.lakeOrders],
    right: ["orders in the store", counts.storeOrders],
  });
  book.line({ name: rfm, left: ["net minor units, by SQL", counts.lakeNet], right: ["in the store", counts.storeNet] });
};

const NONE: ReadonlyMap<string, OrderRecord> = new Map();

/** Answers how many orders differ. */
const compareOrders = (
  book: AccountBook,
  customerKey: string,
  store: ReadonlyMap<string, OrderRecord>,
  lake: ReadonlyMap<string, OrderRecord>,
): number => {
  let faults = 0;
  for (const key of new Set([...store.keys(), ...lake.keys()])) {
    const [there, wanted] = [store.get(key), lake.get(key)];
    if (there !== undefined && wanted !== undefined && stateOf(there) === stateOf(wanted)) continue;
    faults++;
    const eventId = eventOf(wanted, there);
    const common = { line: stored, store: "customer store", customerKey, order: shownOrder(key) };
    book.find({
      ...common,
      ...(eventId === undefined ? {} : { eventId }),
      fault: there === undefined ? "missing" : wanted === undefined ? "unknown" : "differs",
      detail:
        there === undefined
          ? "The lake has the order; the store does not. If its record was given up, it is among the dead letters."
          : wanted === undefined
            ? "The store has an order that no event in the lake tells of."
            : "The order's state in the store is not the one that its events give.",
    });
  }
  return faults;
};

/** The same text for the same state. */
const stateOf = ({ snapshot: s, refunds }: OrderRecord): string =>
  JSON.stringify([
    s === undefined ? null : [s.rank, s.version, s.eventId, s.totalMinor, s.occurredAtMs, s.cancelled],
    Object.entries(refunds)
      .map(([id, r]) => [id, r.rank, r.version, r.eventId, r.amountMinor, r.full, r.occurredAtMs])
      .sort(([a], [b]) => (String(a) < String(b) ? -1 : 1)),
  ]);

/** The event that the store should hold: that of the snapshot where it differs, else that of a refund that does. */
const eventOf = (wanted: OrderRecord | undefined, there: OrderRecord | undefined): string | undefined => {
  const [a, b] = [wanted?.snapshot, there?.snapshot];
  if (JSON.stringify(a) !== JSON.stringify(b)) return a?.eventId ?? b?.eventId;
  const ids = new Set([...Object.keys(wanted?.refunds ?? {}), ...Object.keys(there?.refunds ?? {})]);
  for (const id of ids) {
    const [one, two] = [wanted?.refunds[id], there?.refunds[id]];
    if (JSON.stringify(one) !== JSON.stringify(two)) return one?.eventId ?? two?.eventId;
  }
  return a?.eventId ?? b?.eventId;
};

const compareSums = (
  book: AccountBook,
  customerKey: CustomerKey,
  store: Stored | undefined,
  batch: Rfm | undefined,
): void => {
  const kept = store?.aggregate;
  const fromOrders = aggregateOf(customerKey, store?.orders.values() ?? []);
  if (kept !== undefined && sumsOf(kept) !== sumsOf(fromOrders))
    book.find({
      ...{ line: rfm, store: "customer store", fault: "differs", customerKey },
      detail: "The customer's sums are not those of its orders.",
    });
  else if (
    (batch === undefined) !== (kept === undefined) ||
    (batch !== undefined && rfmOf(fromOrders) !== batchOf(batch))
  )
    book.find({
      ...{ line: rfm, store: "lake", fault: "differs", customerKey },
      detail: "Recency, frequency or money by SQL is not what the customer's orders add up to.",
    });
};

const rfmOf = (c: CustomerAggregate): string =>
  [c.orders, c.grossMinor, c.refundMinor, c.firstOrderAtMs ?? "", c.lastOrderAtMs ?? ""].join();
const batchOf = ([, orders, gross, refund, first, last]: Rfm): string =>
  [orders, gross, refund, first ?? "", last ?? ""].join();
const sumsOf = (c: CustomerAggregate): string =>
  `${rfmOf(c)} ${Object.entries(c.months)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([month, m]) => [month, m.orders, m.grossMinor, m.refundMinor].join())
    .join(" ")}`;
