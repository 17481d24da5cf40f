/** The published figures of UCI's Online Retail, from the file over HTTP to the customer store and the lake. */
import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, before, describe, test } from "node:test";
import { setTimeout as wait } from "node:timers/promises";
import type { Home } from "@ebb/home/home";
import { startHome } from "@ebb/home/home";
import { Pseudonymizer } from "@ebb/core/ids";
import { openCustomerReader, openSecrets } from "@ebb/ports/embedded";
import { DuckDbQueryEngine } from "@ebb/ports/embedded/query-engine";
import { keyed, plainOf, sorted } from "./folded.ts";
import { missing, plainCustomers, read } from "./online-retail-file.ts";

const NAME = "online_retail.csv.gz";

describe("Online Retail over HTTP", { skip: missing(NAME) }, () => {
  let folder: string;
  let home: Home;
  let csv: Buffer;
  let upload: Record<string, unknown>;
  let lake: DuckDbQueryEngine;

  const rows = async (sql: string): Promise<unknown[][]> => (await lake.query(sql)).rows.map((row) => [...row]);

  before(async () => {
    csv = read(NAME);
    folder = await mkdtemp(path.join(tmpdir(), "ebb-online-retail-"));
    home = await startHome({ folder, port: 0, currency: "GBP" });
    const authorization = `Bearer ${home.writeKey}`;
    const asked = await fetch(`${home.url}/v1/uploads`, {
      method: "POST",
      headers: { authorization, "content-type": "application/json" },
      body: JSON.stringify({ content: "upload_url", size: csv.length, filename: "online_retail.csv" }),
    });
    assert.equal(asked.status, 201);
    const { upload_id: id, upload: to } = (await asked.json()) as {
      upload_id: string;
      upload: { url: string; headers: Record<string, string> };
    };
    const put = await fetch(to.url, { method: "PUT", headers: to.headers, body: new Uint8Array(csv) });
    assert.equal(put.status, 202, await put.text());
    do {
      await wait(100);
      const answer = await fetch(`${home.url}/v1/uploads/${id}`, { headers: { authorization } });
      upload = (await answer.json()) as Record<string, unknown>;
    } while (upload["state"] === "queued" || upload["state"] === "processing");
    await home.settled();
    await home.flushLake();
    lake = await DuckDbQueryEngine.open({ folder: path.join(folder, "lake"), memoryMb: 1024 });
  });
  after(async () => {
    await home?.close();
    await rm(folder, { recursive: true, force: true });
  });

  test("541,909 rows are received and the ledger balances", () => {
    assert.equal(upload["state"], "done");
    assert.deepEqual(upload["ledger"], {
      received: 541_909,
      accepted: 541_909,
      duplicate: 0,
      quarantined: 0,
      reasons: {},
    });
  });

  test("the landed rows sum to 9,747,747.934, and to 9,747,747.93 in minor units", async () => {
    const [sums] = await rows(
      "SELECT count(*), CAST(sum(quantity * unit_price) AS DECIMAL(18, 3)), sum(total_minor), count(DISTINCT line_id) FROM order_lines",
    );
    assert.deepEqual(sums!.map(String), ["541909", "9747747.934", "974774793", "541909"]);
  });

  test("all 13 monthly figures match to the penny", async () => {
    const months = await rows(
      "SELECT strftime(date_trunc('month', occurred_at), '%Y-%m') AS month, CAST(sum(quantity * unit_price) AS DECIMAL(18, 3)) FROM order_lines GROUP BY 1 ORDER BY 1",
    );
    const published =
      "748957.020 560000.260 498062.650 683267.080 493207.121 723333.510 691123.120 681300.111 682680.510 1019687.622 1070704.670 1461756.250 433668.010".split(
        " ",
      );
    assert.deepEqual(
      months.map(([, sum]) => String(sum)),
      published,
    );
    assert.deepEqual([months[0]![0], months[12]![0]], ["2010-12", "2011-12"]);
  });

  test("there are 25,900 invoices, 3,836 of them cancellations", async () => {
    const [counts] = await rows("SELECT count(*), count(*) FILTER (WHERE kind = 'order_refunded') FROM raw_events");
    assert.deepEqual(counts!.map(Number), [25_900, 3_836]);
  });

  test("known customers bought for 8,911,407.90; the ten largest are the published ones", async () => {
    const largest = await rows(
      "SELECT customer_key, sum(total_minor) AS minor FROM order_lines WHERE customer_key IS NOT NULL AND quantity > 0 AND unit_price > 0 GROUP BY 1 ORDER BY 2 DESC",
    );
    assert.equal(largest.length, 4_338);
    assert.equal(
      largest.reduce((sum, [, minor]) => sum + Number(minor), 0),
      891_140_790,
    );
    const pseudonyms = new Pseudonymizer(openSecrets(folder).customerSecret);
    const ten: [string, number][] = [
      ["14646", 28_020_602],
      ["18102", 25_965_730],
      ["17450", 19_455_079],
      ["16446", 16_847_250],
      ["14911", 14_382_506],
      ["12415", 12_491_453],
      ["14156", 11_737_963],
      ["17511", 9_106_238],
      ["16029", 8_102_484],
      ["12346", 7_718_360],
    ];
    assert.deepEqual(
      largest.slice(0, 10).map(([key, minor]) => [key, Number(minor)]),
      ten.map(([id, minor]) => [pseudonyms.customer(id), minor]),
    );
  });

  test("for every customer RFM in the store equals RFM from the lake and from the file itself", async () => {
    const pseudonyms = new Pseudonymizer(openSecrets(folder).customerSecret);
    const expected = sorted(keyed(plainCustomers(csv.toString("utf8")), pseudonyms));
    assert.equal(expected.length, 4_372);
    const reader = openCustomerReader(folder);
    const stored = new Map<string, unknown>();
    for await (const customer of reader.scan()) stored.set(customer.customerKey, plainOf(customer));
    reader.close();
    assert.deepEqual(sorted(stored), expected);
    const fromLake = await rows(
      "SELECT customer_key, orders, gross_minor, refund_minor, epoch_ms(first_order_at), epoch_ms(last_order_at) FROM customer_rfm",
    );
    const iso = (ms: unknown) => (ms === null ? undefined : new Date(Number(ms)).toISOString());
    const lakeCustomers = new Map(
      fromLake.map(([key, orders, gross, refund, first, last]) => [
        String(key),
        {
          orders: Number(orders),
          grossMinor: Number(gross),
          refundMinor: Number(refund),
          first: iso(first),
          last: iso(last),
        },
      ]),
    );
    assert.deepEqual(sorted(lakeCustomers), expected);
  });

  test("no id of a customer is in the lake", async () => {
    const [found] = await rows("SELECT count(*) FROM raw_events WHERE customer_key NOT LIKE 'cus_%'");
    assert.equal(Number(found![0]), 0);
  });
});
