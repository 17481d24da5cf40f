import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import test from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { gzipSync } from "node:zlib";
import { type Home, startHome } from "@ebb/home/home";
import { openQueries } from "@ebb/home/queries";
import { takeBackup } from "@ebb/ports/embedded/backup";
import { searchHome } from "./search-home.ts";
import { call, erased, tracesOf, trustKey } from "./shop-to-forget.ts";
import { missing, read } from "../uploads/online-retail-file.ts";

const NAME = "online_retail.csv.gz";
const ERASED = 100;

/** Customer 17850 becomes one whose id is found by a search and by nothing else: bare digits stand everywhere. */
const named = (id: string): string => `customer.${id}@retail.example`;

const uploadTo = async (home: Home, content: Buffer): Promise<Record<string, unknown>> => {
  const asked = await call(home, home.writeKey, "POST", "/v1/uploads", {
    content: "upload_url",
    size: content.length,
    filename: "online_retail.csv.gz",
  });
  const { url, headers } = asked.body["upload"] as { url: string; headers: Record<string, string> };
  assert.equal((await fetch(url, { method: "PUT", headers, body: new Uint8Array(content) })).status, 202);
  for (;;) {
    const { body } = await call(home, home.writeKey, "GET", `/v1/uploads/${String(asked.body["upload_id"])}`);
    assert.notEqual(body["state"], "failed", JSON.stringify(body));
    if (body["state"] === "done") return body["ledger"] as Record<string, unknown>;
    await delay(200);
  }
};

test(
  "a hundred customers of Online Retail leave no trace, the others keep every penny, and the file again brings none back",
  {
    skip: missing(NAME),
  },
  async () => {
    const folder = await mkdtemp(path.join(tmpdir(), "ebb-erasure-retail-"));
    const backup = `${folder}-backup`;
    const home = await startHome({ folder, port: 0, currency: "GBP" });
    try {
      const ids = new Set<string>();
      const lines = read(NAME).toString("latin1").split("\n");
      const column = lines[0]!.trim().split(",").indexOf("CustomerID");
      assert.ok(column > 0, lines[0]);
      const content = gzipSync(
        lines
          .map((line) =>
            // The id is the last column but one, and never quoted.
            line.replace(/,(\d{5})(?:\.0)?,([^,]*)$/, (_all, id: string, country: string) => {
              ids.add(id);
              return `,${named(id)},${country}`;
            }),
          )
          .join("\n"),
        { level: 1 },
      );
      assert.ok(ids.size > 4_000, `${ids.size} customers`);
      await uploadTo(home, content);
      await home.settled();
      await home.flushLake();
      const runId = await home.beginRun({ asOf: "2011-12-10", startedBy: "command" });
      assert.equal((await home.runEnded(runId))?.state, "succeeded");

      const sql = async (text: string): Promise<unknown[][]> => {
        const queries = openQueries(path.join(folder, "lake"));
        try {
          return (await queries.query(text)).rows.map((row) => row.map(String));
        } finally {
          await queries.close();
        }
      };
      const gone = [...ids]
        .sort()
        .filter((_, index) => index % 40 === 7)
        .slice(0, ERASED)
        .map(named);
      assert.equal(gone.length, ERASED);
      const traces = tracesOf(folder, gone, []);
      const keys = traces.filter((_, index) => index % 2 === 1).map((key) => `'cus_${key}'`);
      const others = `SELECT customer_key, orders, gross_minor, refund_minor, net_minor FROM customer_rfm
      WHERE customer_key NOT IN (${keys.join(", ")}) ORDER BY 1`;
      const before = await sql(others);
      const [[ofOthers]] = (await sql(
        `SELECT sum(gross_minor - refund_minor)::BIGINT FROM order_facts WHERE customer_key IS NULL OR customer_key NOT IN (${keys.join(", ")})`,
      )) as [[string]];
      assert.ok((await searchHome(folder, traces.slice(0, 2))).length > 5);

      const key = await trustKey(folder);
      const asked = await call(home, key, "POST", "/v1/erasures", { customer_ids: gone });
      assert.equal(asked.status, 202);
      const removed = await erased(home, key, String(asked.body["erasure_id"]));
      await home.erasuresEnded();
      assert.equal(removed.get("customers")?.count, ERASED);
      assert.deepEqual(await searchHome(folder, traces), []);
      await takeBackup(folder, backup, Date.now());
      assert.deepEqual(await searchHome(backup, traces, folder), [], "nor does a backup made afterwards hold any");
      assert.deepEqual(await sql(others), before);
      assert.equal((await sql("SELECT count(*) FROM customer_rfm"))[0]![0], String(before.length));
      assert.deepEqual(await sql("SELECT sum(net_minor)::BIGINT FROM sales_daily"), [[ofOthers]]);

      const ledger = await uploadTo(home, content);
      assert.equal(ledger["accepted"], 0);
      assert.equal(ledger["received"], Number(ledger["duplicate"]) + Number(ledger["quarantined"]));
      await home.settled();
      await home.flushLake();
      // The next run, over everything, makes the same.
      const next = await home.beginRun({ asOf: "2011-12-10", whole: true, startedBy: "command" });
      assert.equal((await home.runEnded(next))?.state, "succeeded");
      assert.deepEqual(await sql(others), before);
      assert.deepEqual(await sql("SELECT sum(net_minor)::BIGINT FROM sales_daily"), [[ofOthers]]);
      // What was sent again stands in its original for seven days, and nowhere else.
      const found = (await searchHome(folder, traces)).filter((place) => !place.startsWith("objects/uploads/"));
      assert.deepEqual(found, []);
    } finally {
      await home.close();
      for (const each of [folder, backup]) await rm(each, { recursive: true, force: true });
    }
  },
);
