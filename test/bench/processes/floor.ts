/**
 * The floor under throughput: the least that any durable order service must do, in one process and without HTTP. Parse
 * the JSON of each request; insert the bodies into a WAL SQLite file with `synchronous=FULL`, a transaction for every 25,
 * as a group commit under load would; upsert one row a customer.
 */
import path from "node:path";
import { DatabaseSync } from "node:sqlite";
import { orderBodies } from "../bodies.ts";
import { answer, task } from "./task.ts";

/** Requests a transaction. */
const GROUP = 25;

interface FloorTask {
  readonly folder: string;
  /** Taken first, before the clock starts. */
  readonly warmUp: number;
  readonly orders: number;
  readonly customers: number;
}

interface OrderCall {
  readonly userId: string;
  readonly timestamp: string;
  readonly properties: { readonly subtotal: number };
}

const { folder, warmUp, orders, customers } = task<FloorTask>();
const warmUpBodies = orderBodies({ orders: warmUp, customers, run: "floor-warm-up" });
const bodies = orderBodies({ orders, customers, run: "floor" });

const db = new DatabaseSync(path.join(folder, "floor.db"));
db.exec(`PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 16000;
  CREATE TABLE bodies (id INTEGER PRIMARY KEY, body BLOB NOT NULL);
  CREATE TABLE customers (id TEXT PRIMARY KEY, orders INTEGER, cents INTEGER, last TEXT) WITHOUT ROWID`);
const insert = db.prepare("INSERT INTO bodies (body) VALUES (?)");
const upsert = db.prepare(`INSERT INTO customers VALUES (?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET
  orders = orders + excluded.orders, cents = cents + excluded.cents, last = max(last, excluded.last)`);

const take = (bodies: readonly Buffer[]): void => {
  for (let first = 0; first < bodies.length; first += GROUP) {
    const rows = new Map<string, { orders: number; cents: number; last: string }>();
    db.exec("BEGIN IMMEDIATE");
    for (const body of bodies.slice(first, first + GROUP)) {
      const { batch } = JSON.parse(body.toString("utf8")) as { batch: OrderCall[] };
      for (const { userId, timestamp, properties } of batch) {
        const row = rows.get(userId) ?? { orders: 0, cents: 0, last: "" };
        row.orders++;
        row.cents += Math.round(properties.subtotal * 100);
        if (timestamp > row.last) row.last = timestamp;
        rows.set(userId, row);
      }
      insert.run(body);
    }
    for (const [id, row] of rows) upsert.run(id, row.orders, row.cents, row.last);
    db.exec("COMMIT");
  }
};

take(warmUpBodies);
const cpuBefore = process.cpuUsage();
const startedMs = performance.now();
take(bodies);
const wallMs = performance.now() - startedMs;
const cpu = process.cpuUsage(cpuBefore);
const stored = db.prepare("SELECT sum(orders) AS orders FROM customers").get() as { orders: number };
if (stored.orders !== warmUp + orders)
  throw new Error(`the floor stored ${stored.orders} of ${warmUp + orders} orders`);
db.close();
answer({ wallMs, cpuMs: (cpu.user + cpu.system) / 1_000, bytes: bodies.reduce((sum, body) => sum + body.length, 0) });
