/**
 * customers.db: the aggregate of every customer and the record of every order. Written by one thread; the offset of
 * the consumer that feeds it lies in the same file and commits in the same transaction.
 */
import { AsyncLocalStorage } from "node:async_hooks";
import { existsSync } from "node:fs";
import path from "node:path";
import type { DatabaseSync, StatementSync } from "node:sqlite";
import type { CustomerTotals } from "@ebb/core/customers";
import type { CustomerKey } from "@ebb/core/ids";
import type { OrderRecord } from "@ebb/core/orders";
import type { CutPoints } from "@ebb/core/rfm";
import {
  type CustomerRead,
  type CustomerState,
  type CustomerStore,
  type CustomerWrite,
  TransientError,
} from "../ports.ts";
import { encodeMonths } from "../customer-codec.ts";
import { CUSTOMERS_FILE, CustomerQueries, type CustomerRecordRow, customerMigrations } from "./customer-reader.ts";
import { NO_ORDERS, recentOrders, withOrders } from "./recent-orders.ts";
import { inTransaction, openDatabase, portCall } from "./sqlite.ts";
import { WalSync } from "./wal-sync.ts";

/** A transaction that spans the awaits of a consumer's batch. */
interface Ambient {
  readonly ended: Promise<void>;
  /** A write failed in it, or SQLite has rolled it back by itself (full disk): nothing more may be done in it. */
  lost: boolean;
  /** Rows read in it and not written since: nobody else writes until it ends, so that a write need not read them again. */
  readonly rows: Map<CustomerKey, CustomerRecordRow | undefined>;
}

/**
 * Characters of a customer's newest orders that are kept in its row, some 25 orders; then they are filed in a table of
 * their own. With the aggregate they fit a page, so that a customer and its new orders cost one dirty page.
 */
const RECENT_CHARACTERS = 3_000;

/**
 * Resolves when all that was written to a folder's customers.db before the call is on disk. Without a WAL it is already:
 * the last connection to close brings it all into the file, and syncs that.
 */
export const customersOnDisk = async (folder: string): Promise<void> => {
  const file = path.join(folder, CUSTOMERS_FILE);
  if (!existsSync(`${file}-wal`)) return;
  const disk = new WalSync(file);
  try {
    await disk.sync();
  } finally {
    disk.close();
  }
};

export class EmbeddedCustomerStore implements CustomerStore {
  readonly #db: DatabaseSync;
  readonly #queries: CustomerQueries;
  readonly #insert: StatementSync;
  readonly #update: StatementSync;
  readonly #fileOrder: StatementSync;
  readonly #putOffset: StatementSync;
  readonly #publish: StatementSync;
  readonly #inside = new AsyncLocalStorage<Ambient>();
  #open: Ambient | undefined;

  /**
   * @param options.maxBytes the file's largest size; writes beyond it reject like those on a full disk
   * @param options.derived every write comes from the log, with the offset in its transaction: the disk is not waited
   *   for. After a power failure the file may stand at an earlier offset, from which the log is read again; the log keeps
   *   what is not on disk here (`customersOnDisk`).
   */
  constructor(folder: string, options: { maxBytes?: number; derived?: boolean } = {}) {
    const db = openDatabase(path.join(folder, CUSTOMERS_FILE), {
      migrations: customerMigrations,
      maxBytes: options.maxBytes,
      commitsUnsynced: options.derived ?? false,
      pageSize: 4096, // a sixth less CPU an order than 2048, which holds a dozen orders beside the aggregate
      cacheKib: 16_384,
      checkpointBytes: 32_000_000,
    });
    this.#db = db;
    this.#queries = new CustomerQueries(db);
    this.#insert = db.prepare(
      `INSERT INTO customers (orders, gross_minor, refund_minor, first_order_at_ms, last_order_at_ms, months, recent, filed,
         key, version)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, 1) ON CONFLICT (key) DO NOTHING`,
    );
    this.#update = db.prepare(
      `UPDATE customers SET orders = ?, gross_minor = ?, refund_minor = ?, first_order_at_ms = ?, last_order_at_ms = ?,
         months = ?, recent = ?, filed = ?, version = version + 1
       WHERE id = ? AND version = ?`,
    );
    this.#fileOrder = db.prepare("INSERT OR REPLACE INTO orders (customer_id, order_key, record) VALUES (?, ?, ?)");
    this.#putOffset = db.prepare("INSERT OR REPLACE INTO offsets (consumer, seq) VALUES (?, ?)");
    this.#publish = db.prepare("INSERT OR REPLACE INTO published (name, value) VALUES (?, ?)");
  }

  async read(requests: readonly CustomerRead[]): Promise<Map<CustomerKey, CustomerState>> {
    return await this.#call(() => {
      const rows = this.#open?.rows;
      return this.#queries.read(requests, rows && ((key, row) => rows.set(key, row)));
    });
  }

  async orders(customerKey: CustomerKey): Promise<OrderRecord[]> {
    return await this.#call(() => this.#queries.orders(customerKey));
  }

  async *scan(): AsyncIterable<CustomerTotals> {
    for (let lastId = 0; ;) {
      const page = await this.#call(() => this.#queries.page(lastId));
      if (page.customers.length === 0) return;
      yield* page.customers;
      lastId = page.lastId;
    }
  }

  async cutPoints(): Promise<CutPoints | undefined> {
    return await this.#call(() => this.#queries.cutPoints());
  }

  async publishCutPoints(cuts: CutPoints): Promise<void> {
    await this.#call(() => this.#publish.run("cut-points", JSON.stringify(cuts)));
  }

  /** All writes of a call share one SQLite transaction; a conflict of one customer leaves the others alone. */
  async write(writes: readonly CustomerWrite[]): Promise<Map<CustomerKey, "written" | "conflict" | "failed">> {
    return await this.#call(() =>
      this.#atomically(
        () => new Map(writes.map((write) => [write.customer.customerKey, this.#writeOne(write)] as const)),
      ),
    );
  }

  #writeOne({ customer, orders }: CustomerWrite): "written" | "conflict" {
    const { customerKey } = customer;
    const rows = this.#open?.rows;
    const known = rows?.has(customerKey) === true ? rows.get(customerKey) : this.#queries.row(customerKey);
    if ((known?.version ?? 0) !== customer.version - 1) return "conflict";
    const recent = withOrders(known?.recent ?? NO_ORDERS, orders);
    const files = recent.length > RECENT_CHARACTERS;
    const kept = files ? NO_ORDERS : recent;
    const filed = files ? 1 : (known?.filed ?? 0);
    const values = [
      customer.orders,
      customer.grossMinor,
      customer.refundMinor,
      customer.firstOrderAtMs ?? null,
      customer.lastOrderAtMs ?? null,
      encodeMonths(customer.months),
      kept,
      filed,
    ] as const;
    const { changes, lastInsertRowid } =
      known === undefined
        ? this.#insert.run(...values, customerKey)
        : this.#update.run(...values, known.id, known.version);
    if (changes === 0) return "conflict";
    const id = known?.id ?? Number(lastInsertRowid);
    if (files) for (const [key, record] of recentOrders(recent)) this.#fileOrder.run(id, key, record);
    rows?.delete(customerKey); // seldom written twice, and a transaction of thousands of customers would hold them all
    return "written";
  }

  /**
   * Whole or not at all. As a part of the ambient transaction it has no savepoint of its own, under which SQLite copies
   * every page that is touched, at a price that grows with the transaction (2,600 orders: 85 µs an order instead of 24,
   * SQLite 3.53): an error undoes the ambient transaction as a whole.
   */
  #atomically<T>(work: () => T): T {
    const ambient = this.#open;
    if (ambient === undefined) return inTransaction(this.#db, work);
    try {
      return work();
    } catch (error) {
      ambient.lost = true;
      throw error;
    }
  }

  /**
   * Runs `work` in one transaction: what it reads, writes and saves as offset commits together when it resolves, and
   * is undone when it rejects. Calls from elsewhere wait until it has ended.
   * @throws TransientError when the transaction cannot be made durable
   */
  async transaction<T>(work: () => Promise<T>): Promise<T> {
    if (this.#open !== undefined && this.#inside.getStore() === this.#open)
      throw new Error("a transaction is already open here");
    while (this.#open !== undefined) await this.#open.ended;
    const { promise: ended, resolve: end } = Promise.withResolvers<void>();
    const ambient: Ambient = { ended, lost: false, rows: new Map() };
    this.#open = ambient;
    try {
      portCall(() => this.#db.exec("BEGIN IMMEDIATE"));
      const result = await this.#inside.run(ambient, work);
      if (ambient.lost) throw new TransientError("the transaction is lost: a write in it failed");
      portCall(() => this.#db.exec("COMMIT"));
      return result;
    } catch (error) {
      if (this.#db.isTransaction) this.#db.exec("ROLLBACK");
      throw error;
    } finally {
      this.#open = undefined;
      end();
    }
  }

  /** Takes its turn after an ambient transaction of someone else, then calls SQLite with errors as the ports know them. */
  async #call<T>(work: () => T): Promise<T> {
    while (this.#open !== undefined && this.#inside.getStore() !== this.#open) await this.#open.ended;
    const ambient = this.#open;
    if (ambient?.lost === true) throw new TransientError("the transaction is lost: a write in it failed");
    try {
      return portCall(work);
    } finally {
      if (ambient !== undefined && !this.#db.isTransaction) ambient.lost = true;
    }
  }

  /** Records how far a consumer has come. Inside `transaction` it commits with the consumer's effect. */
  async saveOffset(consumer: string, seq: number): Promise<void> {
    await this.#call(() => this.#putOffset.run(consumer, seq));
  }

  /** The last record that a consumer has taken; 0 before the first. */
  async offset(consumer: string): Promise<number> {
    return await this.#call(() => this.#queries.offset(consumer));
  }

  close(): void {
    this.#db.close();
  }
}
