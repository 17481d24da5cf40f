import path from "node:path";
import type { DatabaseSync, StatementSync } from "node:sqlite";
import type { CustomerAggregate, CustomerTotals } from "@ebb/core/customers";
import type { CustomerKey } from "@ebb/core/ids";
import type { OrderKey, OrderRecord } from "@ebb/core/orders";
import type { CutPoints } from "@ebb/core/rfm";
import type { CustomerRead, CustomerState, CustomerStore } from "../ports.ts";
import { decodeMonths, decodeOrder } from "../customer-codec.ts";
import { findRecent, recentOrders } from "./recent-orders.ts";
import { openDatabase, portCall } from "./sqlite.ts";

export const CUSTOMERS_FILE = "customers.db";

/** customers.db by schema version. */
export const customerMigrations: readonly string[] = [
  `
  -- one row a customer; its id is small, so that its orders lie together
  CREATE TABLE customers (
    id INTEGER PRIMARY KEY,
    key TEXT NOT NULL UNIQUE,
    version INTEGER NOT NULL,
    orders INTEGER NOT NULL,
    gross_minor INTEGER NOT NULL,
    refund_minor INTEGER NOT NULL,
    first_order_at_ms INTEGER,
    last_order_at_ms INTEGER,
    months TEXT NOT NULL
  );
  -- one row an order of a customer
  CREATE TABLE orders (
    customer_id INTEGER NOT NULL,
    order_key TEXT NOT NULL,
    record TEXT NOT NULL,
    PRIMARY KEY (customer_id, order_key)
  ) WITHOUT ROWID;
  -- how far each consumer of the log has come, committed with the effect of what it read
  CREATE TABLE offsets (consumer TEXT PRIMARY KEY, seq INTEGER NOT NULL) WITHOUT ROWID;
  CREATE TABLE published (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
  `,
  `
  -- the orders written last (recent-orders.ts); one that is here and in \`orders\` is as it is here
  ALTER TABLE customers ADD COLUMN recent TEXT NOT NULL DEFAULT '';
  -- whether \`orders\` holds any of this customer
  ALTER TABLE customers ADD COLUMN filed INTEGER NOT NULL DEFAULT 0;
  UPDATE customers SET filed = 1;
  `,
];

const SCAN_PAGE = 500;

/** Columns of `customers` in the order of every statement that reads it. */
const TOTALS_COLUMNS = "key, version, orders, gross_minor, refund_minor, first_order_at_ms, last_order_at_ms";
const CUSTOMER_COLUMNS = `${TOTALS_COLUMNS}, months`;
type TotalsRow = [
  key: CustomerKey,
  version: number,
  orders: number,
  grossMinor: number,
  refundMinor: number,
  firstOrderAtMs: number | null,
  lastOrderAtMs: number | null,
];
type CustomerRow = [...TotalsRow, months: string];

/** Columns after those. */
type Extra = [id: number, recent: string, filed: 0 | 1];

/** What a row holds besides the aggregate. */
export interface CustomerRecordRow {
  readonly id: number;
  readonly version: number;
  readonly recent: string;
  readonly filed: 0 | 1;
}

type OnRow = (customerKey: CustomerKey, row: CustomerRecordRow | undefined) => void;

const recordRowOf = (row: [...CustomerRow, ...Extra]): CustomerRecordRow => ({
  id: row[8],
  version: row[1],
  recent: row[9],
  filed: row[10],
});

const decodeTotals = (row: readonly [...TotalsRow, ...unknown[]]): CustomerTotals => {
  const [customerKey, version, orders, grossMinor, refundMinor, firstOrderAtMs, lastOrderAtMs] = row;
  return {
    customerKey,
    version,
    orders,
    grossMinor,
    refundMinor,
    ...(firstOrderAtMs === null ? {} : { firstOrderAtMs }),
    ...(lastOrderAtMs === null ? {} : { lastOrderAtMs }),
  };
};

const decodeCustomer = (row: readonly [...CustomerRow, ...unknown[]]): CustomerAggregate => ({
  ...decodeTotals(row),
  months: decodeMonths(row[7]),
});

/** The reading half of the customer store, over any connection to customers.db. */
export class CustomerQueries {
  readonly #db: DatabaseSync;
  readonly #customer: StatementSync;
  readonly #order: StatementSync;
  readonly #orders: StatementSync;
  readonly #page: StatementSync;
  readonly #published: StatementSync;
  readonly #offset: StatementSync;

  constructor(db: DatabaseSync) {
    this.#db = db;
    this.#customer = db.prepare(`SELECT ${CUSTOMER_COLUMNS}, id, recent, filed FROM customers WHERE key = ?`);
    this.#customer.setReturnArrays(true);
    this.#order = db.prepare("SELECT record FROM orders WHERE customer_id = ? AND order_key = ?");
    this.#order.setReturnArrays(true);
    this.#orders = db.prepare("SELECT order_key, record FROM orders WHERE customer_id = ?");
    this.#orders.setReturnArrays(true);
    this.#page = db.prepare(`SELECT ${TOTALS_COLUMNS}, id FROM customers WHERE id > ? ORDER BY id LIMIT ${SCAN_PAGE}`);
    this.#page.setReturnArrays(true);
    this.#published = db.prepare("SELECT value FROM published WHERE name = ?");
    this.#offset = db.prepare("SELECT seq FROM offsets WHERE consumer = ?");
  }

  /** @param onRow is told of every row, `undefined` for one that is not there */
  read(requests: readonly CustomerRead[], onRow?: OnRow): Map<CustomerKey, CustomerState> {
    return this.#consistently(() => {
      const states = new Map<CustomerKey, CustomerState>();
      for (const request of requests) states.set(request.customerKey, this.#state(request, onRow));
      return states;
    });
  }

  #state({ customerKey, orderKeys }: CustomerRead, onRow?: OnRow): CustomerState {
    const found = this.#customer.get(customerKey) as unknown as [...CustomerRow, ...Extra] | undefined;
    const orders = new Map<OrderKey, OrderRecord>();
    const row = found === undefined ? undefined : recordRowOf(found);
    onRow?.(customerKey, row);
    if (found === undefined || row === undefined) return { orders };
    for (const key of orderKeys) {
      const order = findRecent(row.recent, key) ?? (row.filed === 1 ? this.#filedOrder(row.id, key) : undefined);
      if (order !== undefined) orders.set(key, order);
    }
    return { customer: decodeCustomer(found), orders };
  }

  #filedOrder(id: number, key: OrderKey): OrderRecord | undefined {
    const found = this.#order.get(id, key) as unknown as [string] | undefined;
    return found === undefined ? undefined : decodeOrder(key, found[0]);
  }

  /** The row of a customer without its aggregate. */
  row(customerKey: CustomerKey): CustomerRecordRow | undefined {
    const found = this.#customer.get(customerKey) as unknown as [...CustomerRow, ...Extra] | undefined;
    return found === undefined ? undefined : recordRowOf(found);
  }

  /** One snapshot for all statements of a call: between two of them another connection may have committed. */
  #consistently<T>(work: () => T): T {
    if (this.#db.isTransaction) return work();
    this.#db.exec("BEGIN");
    try {
      return work();
    } finally {
      this.#db.exec("COMMIT");
    }
  }

  orders(customerKey: CustomerKey): OrderRecord[] {
    return this.#consistently(() => {
      const row = this.row(customerKey);
      if (row === undefined) return [];
      const encoded = new Map<OrderKey, string>();
      if (row.filed === 1)
        for (const [key, text] of this.#orders.all(row.id) as unknown as [OrderKey, string][]) encoded.set(key, text);
      for (const [key, text] of recentOrders(row.recent)) encoded.set(key, text);
      return Array.from(encoded, ([key, text]) => decodeOrder(key, text));
    });
  }

  /** Customers after the row `afterId`, with the row to go on from; an empty page is the end. */
  page(afterId: number): { customers: CustomerTotals[]; lastId: number } {
    const rows = this.#page.all(afterId) as unknown as [...TotalsRow, id: number][];
    return {
      customers: rows.map(decodeTotals),
      lastId: rows.at(-1)?.[7] ?? afterId,
    };
  }

  cutPoints(): CutPoints | undefined {
    const row = this.#published.get("cut-points") as { value: string } | undefined;
    return row === undefined ? undefined : (JSON.parse(row.value) as CutPoints);
  }

  offset(consumer: string): number {
    return (this.#offset.get(consumer) as { seq: number } | undefined)?.seq ?? 0;
  }
}

export interface CustomerReader extends CustomerStore {
  /** The last record that a consumer has taken; 0 before the first. */
  offset(consumer: string): Promise<number>;
  close(): void;
}

/** Reads customers.db from a thread that does not own it. Writing rejects. The file must exist. */
export const openCustomerReader = (folder: string): CustomerReader => {
  const db = openDatabase(path.join(folder, CUSTOMERS_FILE), {
    migrations: customerMigrations,
    readOnly: true,
    cacheKib: 8_192,
  });
  const queries = new CustomerQueries(db);
  const refuse = async (): Promise<never> => {
    throw new Error("this thread only reads the customer store");
  };
  return {
    read: async (requests) => portCall(() => queries.read(requests)),
    orders: async (key) => portCall(() => queries.orders(key)),
    async *scan() {
      for (let lastId = 0; ;) {
        const page = portCall(() => queries.page(lastId));
        if (page.customers.length === 0) return;
        yield* page.customers;
        lastId = page.lastId;
      }
    },
    cutPoints: async () => portCall(() => queries.cutPoints()),
    write: refuse,
    publishCutPoints: refuse,
    offset: async (consumer) => portCall(() => queries.offset(consumer)),
    close: () => db.close(),
  };
};
