import path from "node:path";
import type { DatabaseSync, StatementSync } from "node:sqlite";
import type { CustomerAggregate } from "@ebb/core/customers";
import type { CustomerKey } from "@ebb/core/ids";
import type { OrderKey, OrderRecord } from "@ebb/core/orders";
import type { CutPoints } from "@ebb/core/rfm";
import type { CustomerRead, CustomerState, CustomerStore } from "../ports.ts";
import { decodeMonths, decodeOrder } from "../customer-codec.ts";
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
];

const SCAN_PAGE = 500;

/** Columns of `customers` in the order of every statement that reads it. */
const CUSTOMER_COLUMNS = "key, version, orders, gross_minor, refund_minor, first_order_at_ms, last_order_at_ms, months";
type CustomerRow = [
  key: CustomerKey,
  version: number,
  orders: number,
  grossMinor: number,
  refundMinor: number,
  firstOrderAtMs: number | null,
  lastOrderAtMs: number | null,
  months: string,
];

const decodeCustomer = (row: CustomerRow): CustomerAggregate => {
  const [customerKey, version, orders, grossMinor, refundMinor, firstOrderAtMs, lastOrderAtMs, months] = row;
  return {
    customerKey,
    version,
    orders,
    grossMinor,
    refundMinor,
    ...(firstOrderAtMs === null ? {} : { firstOrderAtMs }),
    ...(lastOrderAtMs === null ? {} : { lastOrderAtMs }),
    months: decodeMonths(months),
  };
};

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
    this.#customer = db.prepare(`SELECT ${CUSTOMER_COLUMNS}, id FROM customers WHERE key = ?`);
    this.#customer.setReturnArrays(true);
    this.#order = db.prepare("SELECT record FROM orders WHERE customer_id = ? AND order_key = ?");
    this.#order.setReturnArrays(true);
    this.#orders = db.prepare(
      "SELECT order_key, record FROM orders WHERE customer_id = (SELECT id FROM customers WHERE key = ?)",
    );
    this.#orders.setReturnArrays(true);
    this.#page = db.prepare(
      `SELECT ${CUSTOMER_COLUMNS}, id FROM customers WHERE id > ? ORDER BY id LIMIT ${SCAN_PAGE}`,
    );
    this.#page.setReturnArrays(true);
    this.#published = db.prepare("SELECT value FROM published WHERE name = ?");
    this.#offset = db.prepare("SELECT seq FROM offsets WHERE consumer = ?");
  }

  read(requests: readonly CustomerRead[]): Map<CustomerKey, CustomerState> {
    return this.#consistently(
      () => new Map(requests.map((request) => [request.customerKey, this.#state(request)] as const)),
    );
  }

  #state({ customerKey, orderKeys }: CustomerRead): CustomerState {
    const row = this.#customer.get(customerKey) as unknown as [...CustomerRow, id: number] | undefined;
    const orders = new Map<OrderKey, OrderRecord>();
    if (row === undefined) return { orders };
    for (const key of orderKeys) {
      const found = this.#order.get(row[8], key) as unknown as [string] | undefined;
      if (found !== undefined) orders.set(key, decodeOrder(key, found[0]));
    }
    return { customer: decodeCustomer(row.slice(0, 8) as CustomerRow), orders };
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
    return (this.#orders.all(customerKey) as unknown as [string, string][]).map(([key, text]) =>
      decodeOrder(key, text),
    );
  }

  /** Customers after the row `afterId`, with the row to go on from; an empty page is the end. */
  page(afterId: number): { customers: CustomerAggregate[]; lastId: number } {
    const rows = this.#page.all(afterId) as unknown as [...CustomerRow, id: number][];
    return {
      customers: rows.map((row) => decodeCustomer(row.slice(0, 8) as CustomerRow)),
      lastId: rows.at(-1)?.[8] ?? afterId,
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
