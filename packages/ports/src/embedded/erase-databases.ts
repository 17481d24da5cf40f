/** How the database files of a home forget: each by a connection of its own, in short transactions. */
import { existsSync } from "node:fs";
import path from "node:path";
import type { DatabaseSync } from "node:sqlite";
import type { Removal } from "@ebb/core/erasure";
import type { Eraser, Subject } from "../erasure-ports.ts";
import { compactDatabase } from "./compact-database.ts";
import { CUSTOMERS_FILE, customerMigrations } from "./customer-reader.ts";
import { PersonFinder } from "../person-finder.ts";
import { orderBookMigrations } from "./order-book.ts";
import { profileMigrations } from "./profile-store.ts";
import { recentOrders } from "./recent-orders.ts";
import { runMigrations } from "./run-store.ts";
import { scoreMigrations } from "./score-store.ts";
import { inTransaction, openDatabase, portCall } from "./sqlite.ts";

/** Rows changed in one transaction: whoever else writes the file waits for no longer. */
const ROWS_AT_ONCE = 500;

/** Opens a database file for one piece of work; nothing where there is no such file. */
export const withDatabase = <T>(
  file: string,
  migrations: readonly string[],
  work: (db: DatabaseSync) => T,
): T | undefined => {
  if (!existsSync(file)) return undefined;
  const db = openDatabase(file, { migrations, cacheKib: 8_192 });
  try {
    return portCall(() => work(db));
  } finally {
    db.close();
  }
};

/** Runs `change` over the rows, some in a transaction. */
export const changeRows = <Row>(db: DatabaseSync, rows: readonly Row[], change: (row: Row) => void): void => {
  for (let at = 0; at < rows.length; at += ROWS_AT_ONCE)
    inTransaction(db, () => rows.slice(at, at + ROWS_AT_ONCE).forEach(change));
};

const removalOf = (store: string, count: number): Removal[] => (count === 0 ? [] : [{ store, count }]);
const listOf = (subjects: readonly Subject[]): string => JSON.stringify(subjects.map(({ customerKey }) => customerKey));

const IN_LIST = "IN (SELECT value FROM json_each(?))";

interface CustomerRow {
  readonly id: number;
  readonly recent: string;
}

export const customersEraser = (folder: string): Eraser => {
  const file = path.join(folder, CUSTOMERS_FILE);
  const rowsOf = (db: DatabaseSync, subjects: readonly Subject[]): CustomerRow[] =>
    db
      .prepare(`SELECT id, recent FROM customers WHERE key ${IN_LIST}`)
      .all(listOf(subjects)) as unknown as CustomerRow[];
  return {
    name: "customer store",
    survey: async (subjects) =>
      withDatabase(file, customerMigrations, (db) => {
        const rows = rowsOf(db, subjects);
        const filed = db.prepare("SELECT order_key FROM orders WHERE customer_id = ?");
        const orders = rows.map(({ id, recent }) => {
          const keys = new Set((filed.all(id) as unknown as { order_key: string }[]).map((row) => row.order_key));
          for (const [key] of recentOrders(recent)) keys.add(key);
          return keys.size;
        });
        return [
          ...removalOf("customers", rows.length),
          ...removalOf(
            "customers' orders",
            orders.reduce((sum, count) => sum + count, 0),
          ),
        ];
      }) ?? [],
    erase: async (subjects) =>
      void withDatabase(file, customerMigrations, (db) => {
        const removeOrders = db.prepare("DELETE FROM orders WHERE customer_id = ?");
        const removeCustomer = db.prepare("DELETE FROM customers WHERE id = ?");
        changeRows(db, rowsOf(db, subjects), ({ id }) => {
          removeOrders.run(id);
          removeCustomer.run(id);
        });
      }),
  };
};

/** A table with one row a customer. */
const tableEraser = (name: string, file: string, migrations: readonly string[], table: string): Eraser => ({
  name,
  survey: async (subjects) =>
    withDatabase(file, migrations, (db) => {
      const row = db
        .prepare(`SELECT count(*) AS rows FROM ${table} WHERE customer_key ${IN_LIST}`)
        .get(listOf(subjects));
      return removalOf(name, (row as { rows: number }).rows);
    }) ?? [],
  erase: async (subjects) =>
    void withDatabase(file, migrations, (db) => {
      const remove = db.prepare(`DELETE FROM ${table} WHERE customer_key = ?`);
      changeRows(db, subjects, ({ customerKey }) => void remove.run(customerKey));
    }),
});

export const scoresEraser = (folder: string): Eraser =>
  tableEraser("scores", path.join(folder, "scores.db"), scoreMigrations, "scores");

/** With the profile goes the only place that knows whose id a customer key stands for. */
export const profilesEraser = (folder: string): Eraser =>
  tableEraser("profiles and ids", path.join(folder, "profiles.db"), profileMigrations, "profiles");

export const orderBookEraser = (folder: string): Eraser => {
  const file = path.join(folder, "order-book.db");
  // One pass over the keys, however many people: `source␟customer␟order`.
  const keysOf = (db: DatabaseSync, subjects: readonly Subject[]): string[] => {
    const customers = new Set<string>(subjects.map(({ customerKey }) => customerKey));
    const keys: string[] = [];
    for (const row of db.prepare("SELECT key FROM file_orders").iterate()) {
      const { key } = row as { key: string };
      if (customers.has(key.split("\u001f")[1] ?? "")) keys.push(key);
    }
    return keys;
  };
  return {
    name: "order book",
    survey: async (subjects) =>
      withDatabase(file, orderBookMigrations, (db) => removalOf("order book", keysOf(db, subjects).length)) ?? [],
    erase: async (subjects) =>
      void withDatabase(file, orderBookMigrations, (db) => {
        const remove = db.prepare("DELETE FROM file_orders WHERE key = ?");
        changeRows(db, keysOf(db, subjects), (key) => void remove.run(key));
      }),
  };
};

interface TextRow {
  readonly rowid: string;
  readonly text: string;
}

/** Trails and remembered answers of batch runs name customers here and there: those whose figures drifted. */
export const runsEraser = (folder: string): Eraser => {
  const file = path.join(folder, "runs.db");
  const places = [
    { table: "runs", key: "run", column: "document" },
    { table: "answers", key: "run || char(31) || step", column: "answer" },
  ];
  const found = (db: DatabaseSync, finder: PersonFinder) =>
    places.flatMap(({ table, key, column }) =>
      (
        db
          .prepare(
            `SELECT ${key} AS rowid, ${column} AS text FROM ${table} WHERE ${column} LIKE '%cus\\_%' ESCAPE '\\'`,
          )
          .all() as unknown as TextRow[]
      )
        .filter(({ text }) => finder.names(text))
        .map((row) => ({ ...row, table, key, column })),
    );
  return {
    name: "trails of runs",
    survey: async (subjects) =>
      withDatabase(file, runMigrations, (db) =>
        removalOf("trails of runs", found(db, new PersonFinder(subjects)).length),
      ) ?? [],
    erase: async (subjects) =>
      void withDatabase(file, runMigrations, (db) => {
        const finder = new PersonFinder(subjects);
        changeRows(db, found(db, finder), ({ table, key, column, rowid, text }) => {
          db.prepare(`UPDATE ${table} SET ${column} = ? WHERE ${key} = ?`).run(finder.withoutNames(text), rowid);
        });
      }),
  };
};

/**
 * Files in which rows of people are deleted, or were; whether the front door's answers wait for what it writes there. The
 * writers of the others wait for the file itself, and try again.
 */
const COMPACTED: Readonly<Record<string, boolean>> = {
  "customers.db": false,
  "scores.db": false,
  "profiles.db": true,
  "order-book.db": false,
  "log.db": true,
  "runs.db": false,
  "uploads.db": false,
};

/**
 * What deleted rows leave in the files goes by rewriting them. Last of all, since nothing of it can be counted.
 * @param exclusively runs the work while nobody writes the files of the front door: nothing is acknowledged meanwhile
 */
export const freeSpaceEraser = (folder: string, exclusively: (work: () => void) => Promise<void>): Eraser => ({
  name: "free space of the databases",
  survey: async () => [],
  erase: async () => {
    for (const [name, ofFront] of Object.entries(COMPACTED)) {
      const file = path.join(folder, name);
      if (!existsSync(file)) continue;
      const compact = (): void => {
        const db = openDatabase(file, { anySchema: true, migrations: [] });
        try {
          compactDatabase(db);
        } finally {
          db.close();
        }
      };
      if (ofFront) await exclusively(compact);
      else compact();
    }
  },
});
