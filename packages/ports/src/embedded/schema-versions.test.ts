/** Every SQLite file of a home carries its schema version, comes forward from any older one, and is left alone when newer. */
import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { DatabaseSync } from "node:sqlite";
import { after, describe, test } from "node:test";
import { aggregateOf } from "@ebb/core/customers";
import type { CustomerKey, ReceiptId } from "@ebb/core/ids";
import type { OrderKey, OrderRecord } from "@ebb/core/orders";
import { encodeMonths, encodeOrder } from "../customer-codec.ts";
import { customerMigrations } from "./customer-reader.ts";
import { EmbeddedCustomerStore } from "./customer-store.ts";
import { EmbeddedEventLog } from "./event-log.ts";
import { openFront } from "./index.ts";
import { LAKE_MANIFEST_FILE, LakeManifest } from "./lake-manifest.ts";
import { LogReader } from "./log-reader.ts";
import { logMigrations } from "./log-schema.ts";
import { EmbeddedOrderBook } from "./order-book.ts";
import { DamagedFile, NewerSchemaError, openDatabase } from "./sqlite.ts";

const root = mkdtempSync(path.join(tmpdir(), "ebb-schema-"));
after(() => rmSync(root, { recursive: true, force: true }));
let folders = 0;
const newFolder = (): string => {
  const folder = path.join(root, String(folders++));
  mkdirSync(folder);
  return folder;
};
/** A file as the release of that version left it. */
const older = (file: string, migrations: readonly string[], version: number): DatabaseSync => {
  const db = new DatabaseSync(file);
  for (const sql of migrations.slice(0, version)) db.exec(sql);
  db.exec(`PRAGMA user_version = ${version}`);
  return db;
};
const versionOf = (file: string): number => {
  const db = new DatabaseSync(file, { readOnly: true });
  try {
    return (db.prepare("PRAGMA user_version").get() as { user_version: number }).user_version;
  } finally {
    db.close();
  }
};

describe("schema versions", () => {
  test("log.db of version 1 opens with its events, its ledger and its quarantine, and goes on", async () => {
    const folder = newFolder();
    const id = "ab".repeat(16);
    const db = older(path.join(folder, "log.db"), logMigrations, 1);
    db.prepare("INSERT INTO records VALUES (1, 1700000000000, 0, 1, ?)").run(Buffer.from(`{"event_id":"evt_${id}"}`));
    db.prepare("INSERT INTO fresh_ids VALUES (1, ?)").run(Buffer.from(id, "hex"));
    db.exec(`INSERT INTO receipts VALUES (1, 'rcp_old', 'http', 'shop', 2, 1, 1, 0, 1700000000000)`);
    db.exec(`INSERT INTO parts VALUES (1, 0, 1, x'')`);
    db.exec(
      `INSERT INTO quarantine VALUES (1, 'rcp_old', 1, 'invalid_time', NULL, 'm', 'shop', 1, 1700000000000, x'7b7d')`,
    );
    db.close();
    const log = new EmbeddedEventLog(folder);
    const reader = new LogReader(folder);
    try {
      assert.deepEqual(log.head(), { seq: 1, events: 1 });
      assert.equal((await reader.ledger().read("rcp_old" as ReceiptId))?.received, 2);
      const quarantine = reader.quarantine(log as never);
      const { items } = await quarantine.list({ limit: 5, open: true });
      assert.deepEqual(
        items.map(({ rowNumber, replayed }) => [rowNumber, replayed]),
        [[1, undefined]],
      );
      const again = await log.append(
        {
          receiptId: "rcp_new" as ReceiptId,
          part: 0,
          channel: "http",
          source: "shop",
          received: 1,
          quarantined: 0,
          receivedAtMs: 0,
        },
        [{ eventId: `evt_${id}`, partitionKey: "", json: "{}" }],
        [],
      );
      assert.deepEqual(again.duplicates, [`evt_${id}`], "what was seen then is known now");
    } finally {
      reader.close();
      log.close();
    }
    assert.equal(versionOf(path.join(folder, "log.db")), logMigrations.length);
  });

  test("customers.db of version 1, with every order a row of its own, opens with its customers", async () => {
    const folder = newFolder();
    const key = `cus_${"1".repeat(32)}` as CustomerKey;
    const record: OrderRecord = {
      key: "shop\u001fo-1" as OrderKey,
      snapshot: {
        rank: 2,
        version: 1,
        eventId: "evt_1",
        totalMinor: 500,
        occurredAtMs: 1_700_000_000_000,
        cancelled: false,
      },
      refunds: {},
    };
    const customer = aggregateOf(key, [record], 1);
    const db = older(path.join(folder, "customers.db"), customerMigrations, 1);
    db.prepare("INSERT INTO customers VALUES (1, ?, 1, 1, 500, 0, ?, ?, ?)").run(
      key,
      customer.firstOrderAtMs!,
      customer.lastOrderAtMs!,
      encodeMonths(customer.months),
    );
    db.prepare("INSERT INTO orders VALUES (1, ?, ?)").run(record.key, encodeOrder(record));
    db.exec("INSERT INTO offsets VALUES ('score', 7)");
    db.close();
    const store = new EmbeddedCustomerStore(folder);
    try {
      const state = (await store.read([{ customerKey: key, orderKeys: [record.key] }])).get(key);
      assert.deepEqual(state?.customer, customer);
      assert.deepEqual(state?.orders.get(record.key), record);
      assert.equal(await store.offset("score"), 7);
    } finally {
      store.close();
    }
  });

  test("any step fails whole: a migration that stops half way leaves the file as it was", () => {
    const file = path.join(newFolder(), "half.db");
    older(file, ["CREATE TABLE a (x)"], 1).close();
    assert.throws(() =>
      openDatabase(file, { migrations: ["CREATE TABLE a (x)", "CREATE TABLE b (x); CREATE TABLE a (x)"] }),
    );
    assert.equal(versionOf(file), 1);
    const db = new DatabaseSync(file);
    assert.equal(db.prepare("SELECT 1 FROM sqlite_schema WHERE name = 'b'").get(), undefined);
    db.close();
  });

  test("every file of a home has a version; one of a later release is refused by name, and not touched", async () => {
    const folder = newFolder();
    (await openFront(folder)).close();
    new EmbeddedOrderBook(folder).close();
    mkdirSync(path.join(folder, "lake"));
    new LakeManifest(path.join(folder, "lake"), { readOnly: false }).close();
    const files = [...readdirSync(folder).filter((name) => name.endsWith(".db")), "lake/lake.db"];
    assert.ok(files.length >= 7, files.join());
    for (const name of files) {
      const file = path.join(folder, name);
      const version = versionOf(file);
      assert.ok(version >= 1, `${name} has a version`);
      assert.throws(
        () => openDatabase(file, { migrations: ["-- an older release"].slice(0, version - 1) }),
        (error: Error) =>
          error instanceof NewerSchemaError &&
          error.message.includes(path.basename(name)) &&
          /newer release/.test(error.message),
      );
      assert.equal(versionOf(file), version);
    }
  });

  test("a file that is no database, or has lost pages, is named as damaged", () => {
    const folder = newFolder();
    writeFileSync(
      path.join(folder, "log.db"),
      "not a database at all, and longer than a header of a hundred bytes".repeat(9),
    );
    assert.throws(
      () => new EmbeddedEventLog(folder),
      (error: Error) => error instanceof DamagedFile && error.message.startsWith("log.db is damaged"),
    );
  });

  test("a log that ends before what its consumers have read goes on after it: nothing new is passed over", async () => {
    const folder = newFolder();
    const customers = new EmbeddedCustomerStore(folder);
    await customers.saveOffset("score", 41);
    customers.close();
    const stores = await openFront(folder);
    const { log, reader } = stores;
    try {
      assert.equal(log.lostRecords, 41);
      await log.append(
        {
          receiptId: "rcp_1" as ReceiptId,
          part: 0,
          channel: "http",
          source: "shop",
          received: 1,
          quarantined: 0,
          receivedAtMs: 0,
        },
        [{ eventId: `evt_${"c".repeat(32)}`, partitionKey: "", json: "{}" }],
        [],
      );
      assert.deepEqual(
        reader.read(41, 10, 1_000).map(({ seq }) => seq),
        [42],
      );
    } finally {
      stores.close();
    }
  });
});

test("a home that was killed while it made the manifest of its lake opens again", async () => {
  const folder = newFolder();
  (await openFront(folder)).close();
  mkdirSync(path.join(folder, "lake"), { recursive: true });
  writeFileSync(path.join(folder, "lake", LAKE_MANIFEST_FILE), ""); // made, and no table in it yet
  const stores = await openFront(folder);
  assert.equal(stores.log.lostRecords, 0);
  stores.close();
});
