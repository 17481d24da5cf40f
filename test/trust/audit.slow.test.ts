/** An audit balances over what the program did, and finds exactly the one entry that somebody else changed. */
import assert from "node:assert/strict";
import { cp, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { DatabaseSync, type SQLInputValue } from "node:sqlite";
import { after, before, describe, test } from "node:test";
import { DuckDBInstance } from "@duckdb/node-api";
import { startHome } from "@ebb/home/home";
import { auditHome } from "@ebb/ports/embedded/audit";
import type { Account, Finding } from "@ebb/ports/embedded/audit-account";
import { orderEvent, postBatch } from "./load.ts";

const root = await mkdtemp(path.join(tmpdir(), "ebb-audit-"));
after(() => rm(root, { recursive: true, force: true }));
const sound = path.join(root, "sound");

const CUSTOMERS = 12;
const refund = (id: string, customer: string, orderId: string, minor: number): unknown => ({
  type: "track",
  event: "Order Refunded",
  messageId: id,
  userId: customer,
  timestamp: "2026-03-05T00:00:00.000Z",
  properties: { order_id: orderId, total: minor / 100, currency: "EUR", refund_id: id },
});

/** Orders, refunds, refusals, repetitions, a file, a run over them; then events that no run has seen. */
before(async () => {
  const home = await startHome({ folder: sound, port: 0 });
  try {
    const send = async (events: unknown[]): Promise<void> => assert.equal((await postBatch(home, events)).status, 200);
    for (let batch = 0; batch < 8; batch++)
      await send(
        Array.from({ length: 15 }, (_, n) => orderEvent(`o-${batch}-${n}`, `c${(batch + n) % CUSTOMERS}`, 500 + n)),
      );
    await send([
      orderEvent("o-0-0", "c0", 500),
      { type: "track", event: "Order Completed", messageId: "bad", userId: "c1" },
    ]);
    await send([refund("r-1", "c1", "o-0-1", 100), refund("r-2", "c2", "none", 50)]);
    const rows = Array.from({ length: 60 }, (_, n) => `f-${n % 20},f${n % 5},2026-02-03T04:05:06Z,p${n},1,2.50,EUR`);
    const uploaded = await fetch(`${home.url}/v1/uploads`, {
      method: "POST",
      headers: { "content-type": "text/csv", "x-write-key": home.writeKey },
      body: [
        "order_id,customer_id,ordered_at,product_id,quantity,unit_price,currency",
        ...rows,
        "f-x,f1,never,p,1,1,EUR",
      ].join("\n"),
    });
    assert.equal(uploaded.status, 202);
    await home.settled();
    const runId = await home.beginRun({ asOf: "2026-04-01", startedBy: "command" });
    const run = await home.runEnded(runId);
    assert.equal(run?.state, "succeeded", run?.reason);
    await send([orderEvent("later-1", "c3", 700), orderEvent("later-2", "newcomer", 800)]);
    await home.settled();
  } finally {
    await home.close();
  }
  assert.deepEqual(await findingsOf(sound), []);
});

const findingsOf = async (home: string): Promise<readonly Finding[]> => {
  const account = await auditHome(home, Date.now());
  if (account.balanced) assert.deepEqual(account.findings, []);
  else assert.ok(account.findings.length > 0 || !evenOf(account), "an account that does not balance says why");
  return account.findings;
};
const evenOf = ({ lines }: Account): boolean =>
  lines.every(({ left, right, note }) => note !== undefined || left[1] === right[1]);

let copies = 0;
const changed = async (change: (home: string) => Promise<void> | void): Promise<readonly Finding[]> => {
  const copy = path.join(root, `copy-${copies++}`);
  await cp(sound, copy, { recursive: true });
  await change(copy);
  const findings = await findingsOf(copy);
  await rm(copy, { recursive: true });
  return findings;
};

const sqlite = <T>(home: string, file: string, work: (db: DatabaseSync) => T): T => {
  const db = new DatabaseSync(path.join(home, file));
  try {
    return work(db);
  } finally {
    db.close();
  }
};
const changedRow = (home: string, file: string, sql: string, ...values: SQLInputValue[]): void =>
  sqlite(home, file, (db) => assert.equal(db.prepare(sql).run(...values).changes, 1, sql));

/** Writes one Parquet file anew; the manifest follows, as if the program had written it so. */
const rewritten = async (
  home: string,
  name: string,
  select: (table: string) => string,
  manifest: string,
): Promise<void> => {
  const instance = await DuckDBInstance.create(":memory:");
  const connection = await instance.connect();
  const file = path.join(home, "lake", name);
  const table = `read_parquet('${file}', hive_partitioning = false)`;
  await connection.run(`COPY (${select(table)}) TO '${file}.new' (FORMAT parquet)`);
  const [count] = (
    await connection.runAndReadAll(`SELECT count(*) FROM read_parquet('${file}.new', hive_partitioning = false)`)
  ).getRows();
  connection.closeSync();
  instance.closeSync();
  await writeFile(file, await readFile(`${file}.new`));
  sqlite(home, `lake/${manifest}`, (db) =>
    db.prepare("UPDATE files SET rows = ? WHERE path = ?").run(Number(count![0]), name),
  );
};
const fileOf = (manifest: string, where = "true"): string =>
  sqlite(sound, `lake/${manifest}`, (db) => {
    const row = db
      .prepare(`SELECT path FROM files WHERE replaced_at_ms IS NULL AND ${where} ORDER BY rows DESC LIMIT 1`)
      .get();
    return (row as { path: string }).path;
  });
const oneEvent = async (name: string): Promise<{ eventId: string; receiptId: string }> => {
  const instance = await DuckDBInstance.create(":memory:");
  const connection = await instance.connect();
  const reader = await connection.runAndReadAll(
    `SELECT event_id, receipt_id FROM read_parquet('${path.join(sound, "lake", name)}', hive_partitioning = false)
     WHERE kind = 'order_completed' ORDER BY event_id LIMIT 1 OFFSET 5`,
  );
  connection.closeSync();
  instance.closeSync();
  const [eventId, receiptId] = reader.getRows()[0] as [string, string];
  return { eventId, receiptId };
};
const receipt = (): string =>
  sqlite(
    sound,
    "log.db",
    (db) =>
      (
        db.prepare("SELECT receipt FROM receipts WHERE channel = 'http' ORDER BY id LIMIT 1 OFFSET 2").get() as {
          receipt: string;
        }
      ).receipt,
  );

describe("an audit names the one entry that was changed", () => {
  test("in the ledger: a receipt that counts one event more", async () => {
    const id = receipt();
    const findings = await changed((home) =>
      changedRow(home, "log.db", "UPDATE receipts SET received = received + 1 WHERE receipt = ?", id),
    );
    assert.deepEqual(
      findings.map(({ store, fault, receiptId }) => ({ store, fault, receiptId })),
      [{ store: "ledger", fault: "differs", receiptId: id }],
    );
  });

  test("in the ledger: accepted instead of duplicate", async () => {
    const id = receipt();
    const findings = await changed((home) =>
      changedRow(
        home,
        "log.db",
        "UPDATE receipts SET accepted = accepted - 1, duplicate = duplicate + 1 WHERE receipt = ?",
        id,
      ),
    );
    assert.deepEqual(
      findings.map(({ store, fault, receiptId }) => ({ store, fault, receiptId })),
      [{ store: "ledger", fault: "differs", receiptId: id }],
    );
  });

  test("in the ledger: a receipt that is gone", async () => {
    const id = receipt();
    const findings = await changed((home) => changedRow(home, "log.db", "DELETE FROM receipts WHERE receipt = ?", id));
    assert.deepEqual(
      findings.map(({ store, fault, receiptId }) => ({ store, fault, receiptId })),
      [{ store: "ledger", fault: "missing", receiptId: id }],
    );
  });

  test("in the quarantine: an item that is gone", async () => {
    const findings = await changed((home) =>
      changedRow(home, "log.db", "DELETE FROM quarantine WHERE receipt LIKE 'rcp%'"),
    );
    assert.equal(findings.length, 1);
    assert.equal(findings[0]!.store, "quarantine");
    assert.match(findings[0]!.receiptId!, /^rcp_/);
  });

  test("among the uploads: a sum that was changed, and an upload that is gone", async () => {
    const sum = await changed((home) =>
      changedRow(home, "uploads.db", "UPDATE uploads SET document = json_set(document, '$.ledger.accepted', 1)"),
    );
    assert.deepEqual(
      sum.map(({ store, fault }) => ({ store, fault })),
      [{ store: "uploads", fault: "differs" }],
    );
    const gone = await changed((home) => changedRow(home, "uploads.db", "DELETE FROM uploads"));
    assert.deepEqual(
      gone.map(({ store, fault }) => ({ store, fault })),
      [{ store: "uploads", fault: "missing" }],
    );
  });

  test("on the log: an id that was never appended is in the lake", async () => {
    const name = fileOf("lake.db");
    const { eventId } = await oneEvent(name);
    const findings = await changed((home) =>
      sqlite(home, "log.db", (db) => {
        const rows = db.prepare("SELECT seq, ids FROM fresh_ids").all() as { seq: number; ids: Uint8Array }[];
        for (const { seq, ids } of rows) {
          const hex = Buffer.from(ids).toString("hex").match(/.{32}/g)!;
          const left = hex.filter((id) => `evt_${id}` !== eventId);
          if (left.length < hex.length)
            db.prepare("UPDATE fresh_ids SET ids = ? WHERE seq = ?").run(Buffer.from(left.join(""), "hex"), seq);
        }
      }),
    );
    assert.deepEqual(
      findings.map(({ store, fault, eventId: id }) => ({ store, fault, id })),
      [{ store: "lake", fault: "unknown", id: eventId }],
    );
  });

  test("in the lake: an event that is missing, with its receipt; the store that has its order is told of too", async () => {
    const name = fileOf("lake.db");
    const { eventId, receiptId } = await oneEvent(name);
    const findings = await changed((home) =>
      rewritten(home, name, (table) => `SELECT * FROM ${table} WHERE event_id <> '${eventId}'`, "lake.db"),
    );
    assert.deepEqual(
      findings
        .filter(({ store }) => store === "lake")
        .map(({ fault, eventId: id, receiptId: of }) => ({ fault, id, of })),
      [{ fault: "missing", id: eventId, of: receiptId }],
    );
    assert.deepEqual(new Set(findings.map((finding) => finding.eventId)), new Set([eventId]), "nothing else is named");
  });

  test("in the lake: an event that is there twice", async () => {
    const name = fileOf("lake.db");
    const { eventId, receiptId } = await oneEvent(name);
    const findings = await changed((home) =>
      rewritten(
        home,
        name,
        (table) => `SELECT * FROM ${table} UNION ALL SELECT * FROM ${table} WHERE event_id = '${eventId}'`,
        "lake.db",
      ),
    );
    assert.deepEqual(
      findings.map(({ store, fault, eventId: id, receiptId: of }) => ({ store, fault, id, of })),
      [{ store: "lake", fault: "doubled", id: eventId, of: receiptId }],
    );
  });

  test("in the lake: a file that is gone or damaged", async () => {
    const name = fileOf("lake.db");
    for (const [fault, spoil] of [
      ["missing", (file: string) => rm(file)],
      ["damaged", async (file: string) => writeFile(file, (await readFile(file)).subarray(0, 1000))],
    ] as const) {
      const findings = await changed((home) => spoil(path.join(home, "lake", name)));
      assert.deepEqual(
        findings.map((finding) => finding.fault),
        [fault],
      );
      assert.ok(findings[0]!.detail.includes(name));
    }
  });

  test("in the customer store: a sum, an order's amount, an order that is gone", async () => {
    const sum = await changed((home) =>
      changedRow(home, "customers.db", "UPDATE customers SET gross_minor = gross_minor + 1 WHERE id = 3"),
    );
    assert.deepEqual(
      sum.map(({ store, fault }) => ({ store, fault })),
      [{ store: "customer store", fault: "differs" }],
    );
    assert.match(sum[0]!.customerKey!, /^cus_/);

    const withRecent = (change: (lines: string[]) => string[]) =>
      changed((home) =>
        sqlite(home, "customers.db", (db) => {
          const { recent } = db.prepare("SELECT recent FROM customers WHERE id = 3").get() as { recent: string };
          db.prepare("UPDATE customers SET recent = ? WHERE id = 3").run(change(recent.split("\n")).join("\n"));
        }),
      );
    const amount = await withRecent((lines) =>
      lines.map((line, at) => (at === 1 ? line.replace(/,(\d+),(\d{13}),/, ",999999,$2,") : line)),
    );
    assert.deepEqual(
      amount.map(({ store, fault }) => ({ store, fault })),
      [{ store: "customer store", fault: "differs" }],
    );
    assert.match(amount[0]!.order!, /^shop\/o-/);
    assert.match(amount[0]!.eventId!, /^evt_/);
    const gone = await withRecent((lines) => lines.filter((_, at) => at !== 1));
    assert.deepEqual(
      gone.map(({ store, fault, order }) => ({ store, fault, order })),
      [{ store: "customer store", fault: "missing", order: amount[0]!.order }],
    );
  });

  test("in the curated tables: an event that is missing, and one that is there twice", async () => {
    const name = fileOf("batch.db", "table_name = 'curated_order_events'");
    const { eventId } = await oneEvent(name);
    const missing = await changed((home) =>
      rewritten(home, name, (table) => `SELECT * FROM ${table} WHERE event_id <> '${eventId}'`, "batch.db"),
    );
    assert.deepEqual(
      missing.filter(({ store }) => store === "curated").map(({ fault, eventId: id }) => ({ fault, id })),
      [{ fault: "missing", id: eventId }],
    );
    assert.ok(
      missing.every(({ store }) => store === "curated" || store === "marts"),
      "the marts lack it as well",
    );
    const doubled = await changed((home) =>
      rewritten(
        home,
        name,
        (table) => `SELECT * FROM ${table} UNION ALL SELECT * FROM ${table} WHERE event_id = '${eventId}'`,
        "batch.db",
      ),
    );
    assert.deepEqual(
      doubled.map(({ store, fault, eventId: id }) => ({ store, fault, id })),
      [{ store: "curated", fault: "doubled", id: eventId }],
    );
  });

  test("in the marts: a day with one minor unit more", async () => {
    const name = fileOf("batch.db", "table_name = 'sales_daily'");
    const findings = await changed((home) =>
      rewritten(
        home,
        name,
        (table) =>
          `SELECT * REPLACE (net_minor + CASE WHEN row_number() OVER (ORDER BY day) = 1 THEN 1 ELSE 0 END AS net_minor) FROM ${table}`,
        "batch.db",
      ),
    );
    assert.deepEqual(
      findings.map(({ store, fault }) => ({ store, fault })),
      [{ store: "marts", fault: "differs" }],
    );
    assert.match(findings[0]!.detail, /^sales_daily of 2026-0\d-\d\d, source shop/);
  });
});
