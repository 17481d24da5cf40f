/** order-book.db: what the files that named an order left of it. Uploads of several threads may meet here. */
import path from "node:path";
import type { DatabaseSync, StatementSync } from "node:sqlite";
import type { FileOrder, OrderBook } from "../ports.ts";
import { inTransaction, openDatabase, portCall } from "./sqlite.ts";
import { WalSync } from "./wal-sync.ts";

export const orderBookMigrations: readonly string[] = [
  `
  -- one row an order that a file named
  CREATE TABLE file_orders (key TEXT PRIMARY KEY, version INTEGER NOT NULL, content TEXT NOT NULL);
  `,
];

export class EmbeddedOrderBook implements OrderBook {
  readonly #db: DatabaseSync;
  readonly #select: StatementSync;
  readonly #insert: StatementSync;
  readonly #update: StatementSync;
  readonly #disk: WalSync;
  #isUnsynced = true; // what a process before this one has left

  constructor(folder: string) {
    const file = path.join(folder, "order-book.db");
    this.#disk = new WalSync(file);
    this.#db = openDatabase(file, {
      migrations: orderBookMigrations,
      commitsUnsynced: true, // the next part of a file is read while this one comes to disk
      cacheKib: 8_192,
      pageSize: 16_384, // an order of twenty lines has 4 KB: pages of 4 KiB take a third more CPU, and more I/O
      checkpointBytes: 32_000_000,
    });
    this.#select = this.#db.prepare("SELECT version, content FROM file_orders WHERE key = ?");
    this.#insert = this.#db.prepare(
      "INSERT INTO file_orders (key, version, content) VALUES (?, ?, ?) ON CONFLICT (key) DO NOTHING",
    );
    this.#update = this.#db.prepare("UPDATE file_orders SET version = ?, content = ? WHERE key = ? AND version = ?");
  }

  async read(keys: readonly string[]): Promise<Map<string, FileOrder>> {
    const found = new Map<string, FileOrder>();
    for (const key of keys) {
      const row = portCall(() => this.#select.get(key)) as { version: number; content: string } | undefined;
      if (row !== undefined) found.set(key, { key, version: row.version, content: row.content });
    }
    return found;
  }

  async write(orders: readonly FileOrder[]): Promise<Map<string, "written" | "conflict">> {
    this.#isUnsynced = true;
    return portCall(() =>
      inTransaction(this.#db, () => new Map(orders.map((order) => [order.key, this.#writeOne(order)] as const))),
    );
  }

  #writeOne(order: FileOrder): "written" | "conflict" {
    const { changes } =
      order.version === 1
        ? this.#insert.run(order.key, 1, order.content)
        : this.#update.run(order.version, order.content, order.key, order.version - 1);
    return changes === 1 ? "written" : "conflict";
  }

  async settled(): Promise<void> {
    if (!this.#isUnsynced) return;
    this.#isUnsynced = false;
    try {
      await this.#disk.sync();
    } catch (error) {
      this.#isUnsynced = true;
      throw error;
    }
  }

  close(): void {
    this.#db.close();
    this.#disk.close();
  }
}
