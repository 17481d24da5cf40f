import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, before, describe, it } from "node:test";
import { type Home, startHome } from "@ebb/home/home";
import { openQueries } from "@ebb/home/queries";
import { logger } from "@ebb/functions/runtime/logger";
import type { ErasureReceipt } from "@ebb/core/erasure";
import { isSigned } from "@ebb/ports/receipt-signer";
import { searchHome } from "./search-home.ts";
import { call, erased, orderOf, tracesOf, trustKey } from "./shop-to-forget.ts";

logger.setLogLevel("ERROR");

const PEOPLE = ["ada@shop.example", "bob@shop.example", "eve@shop.example", "zoe@shop.example"];
const [ADA, BOB, EVE, ZOE] = PEOPLE as [string, string, string, string];
/** Ada's own browser, and one that she shared with Bob. */
const [OWN, SHARED] = ["browser-of-ada", "browser-of-the-house"];

const visits = [
  { type: "page", anonymousId: OWN, messageId: "v1", properties: { path: "/before-she-was-known" } },
  { type: "identify", anonymousId: OWN, userId: ADA, messageId: "i1", traits: { email: ADA, loyalty: "gold" } },
  { type: "identify", anonymousId: SHARED, userId: ADA, messageId: "i2" },
  { type: "identify", anonymousId: SHARED, userId: BOB, messageId: "i3", traits: { email: BOB } },
  { type: "page", anonymousId: SHARED, messageId: "v2", properties: { path: "/somebody-of-the-house" } },
  { type: "page", anonymousId: SHARED, userId: BOB, messageId: "v3", properties: { path: "/bob" } },
];
const orders = [
  orderOf(ADA, "A-1", 10.5),
  orderOf(ADA, "A-2", 20.25),
  orderOf(BOB, "B-1", 7.77),
  orderOf(EVE, "E-1", 100),
  orderOf(ZOE, "Z-1", 3.33),
];
/** Refused, whole, with who it was about in its bytes. */
const broken = { ...orderOf(ADA, "A-3", 1), properties: { order_id: "A-3", revenue: "much", currency: "EUR" } };
const brokenToo = { ...orderOf(BOB, "B-3", 1), properties: { order_id: "B-3", revenue: "much", currency: "EUR" } };

const csv = [
  "order_id,customer_id,ordered_at,product_id,quantity,unit_price,currency",
  `F-1,${ADA},2026-02-01T00:00:00Z,mug,2,5.00,EUR`,
  `F-2,${EVE},2026-02-02T00:00:00Z,mug,1,5.00,EUR`,
  `F-3,${ADA},not a time,mug,1,5.00,EUR`,
].join("\n");

describe("an erasure", () => {
  let folder: string;
  let home: Home;
  let key: string;
  let traces: string[];

  const upload = async (): Promise<Record<string, unknown>> => {
    const sent = await fetch(`${home.url}/v1/uploads`, {
      method: "POST",
      headers: { authorization: `Bearer ${home.writeKey}`, "content-type": "text/csv" },
      body: csv,
    });
    const { upload_id: id } = (await sent.json()) as { upload_id: string };
    await home.settled();
    return (await call(home, home.writeKey, "GET", `/v1/uploads/${id}`)).body;
  };
  const send = (batch: readonly unknown[]) => call(home, home.writeKey, "POST", "/v1/batch", { batch });
  const sql = async (text: string): Promise<unknown[]> => {
    const queries = openQueries(path.join(folder, "lake"));
    try {
      return (await queries.query(text)).rows
        .flat()
        .map((value) => (typeof value === "bigint" ? Number(value) : value));
    } finally {
      await queries.close();
    }
  };
  const figures = async (id: string) => {
    const { status, body } = await call(home, home.readKey, "GET", `/v1/customers/${encodeURIComponent(id)}`);
    return status === 200 ? [body["orders"], body["net_minor"]] : status;
  };

  before(async () => {
    folder = await mkdtemp(path.join(tmpdir(), "ebb-erasure-"));
    home = await startHome({ folder, port: 0, currency: "EUR", allowedTraits: ["loyalty"] });
    key = await trustKey(folder);
    traces = tracesOf(folder, [ADA], [OWN]);
    assert.equal((await send([...visits, ...orders, broken, brokenToo])).body["quarantined"], 2);
    assert.equal((await upload())["state"], "done");
    await home.flushLake();
    const runId = await home.beginRun({ asOf: "2026-04-01", startedBy: "command" });
    const run = await home.runEnded(runId);
    assert.equal(run?.state, "succeeded", run?.reason);
  });
  after(async () => {
    await home.close();
    await rm(folder, { recursive: true, force: true });
  });

  it("finds something to forget (the search can find)", async () => {
    const found = await searchHome(folder, traces);
    for (const place of [
      "log.db",
      "customers.db",
      "profiles.db",
      "order-book.db",
      "scores.db",
      "raw_events",
      "tables/order_facts",
      "uploads/",
    ])
      assert.ok(
        found.some((each) => each.includes(place)),
        `nothing in ${place}`,
      );
  });

  it("gives the person everything first", async () => {
    const { status, body } = await call(home, key, "GET", `/v1/customers/${encodeURIComponent(ADA)}/export`);
    assert.equal(status, 200);
    const profile = body["profile"] as { customer_id: string; traits: Record<string, unknown> };
    assert.deepEqual([profile.customer_id, profile.traits["email"]], [ADA, ADA]);
    assert.equal((body["orders"] as unknown[]).length, 3);
    const kinds = (body["events"] as { kind: string }[]).map(({ kind }) => kind).sort();
    assert.deepEqual(kinds, ["identify", "identify", "order_completed", "order_completed", "order_completed"]);
    assert.equal((body["figures"] as { net_minor: number }).net_minor, 1_050 + 2_025 + 1_000);
  });

  it("needs a key that may erase", async () => {
    for (const other of [home.writeKey, home.readKey]) {
      const { status } = await call(home, other, "DELETE", `/v1/customers/${encodeURIComponent(ADA)}`);
      assert.equal(status, 403);
    }
    assert.deepEqual(await figures(ADA), [3, 4_075]);
  });

  let erasureId: string;
  it("takes effect at once in every answer, and only for the one", async () => {
    const answer = await call(home, key, "DELETE", `/v1/customers/${encodeURIComponent(ADA)}`);
    assert.equal(answer.status, 202);
    erasureId = String(answer.body["erasure_id"]);
    assert.equal(await figures(ADA), 404);
    const address = `/v1/customers/${encodeURIComponent(ADA)}`;
    assert.equal((await call(home, home.readKey, "GET", `${address}/timeline`)).status, 404);
    assert.equal((await call(home, key, "GET", `${address}/export`)).status, 404);
    const { body } = await call(home, home.readKey, "GET", "/v1/customers?limit=100");
    const listed = (body["customers"] as { customer_key: string }[]).map((row) => row.customer_key);
    assert.equal(listed.length, 3);
    assert.ok(!listed.some((each) => traces.includes(each.slice(4))));
    assert.deepEqual(await sql("SELECT count(*) FROM raw_events WHERE customer_key = 'cus_" + traces[1]! + "'"), [0]);
    assert.deepEqual(await figures(BOB), [1, 777]);
  });

  it("leaves no trace in any file, and a receipt that tells what was where and who by suppression key alone", async () => {
    const removed = await erased(home, key, erasureId);
    await home.erasuresEnded();
    for (const [store, count] of [
      ["customers", 1],
      ["customers' orders", 3],
      ["profiles and ids", 1],
      ["scores", 1],
      ["order book", 1],
      ["quarantine", 2],
      ["originals of uploads", 1],
      ["order_facts", 3],
    ] as const)
      assert.equal(removed.get(store)?.count, count, store);
    // Five of Ada, one of her browser before she was known, one of the shared browser without a name.
    assert.deepEqual(removed.get("raw_events"), { count: 7, objects: 1 });
    assert.deepEqual(await searchHome(folder, traces), []);
    const { body } = await call(home, key, "GET", `/v1/erasures/${erasureId}`);
    const receipt = body["receipt"] as ErasureReceipt;
    assert.equal(isSigned(receipt), true);
    assert.equal(receipt.suppressionKeys.length, 1);
    assert.ok(!traces.some((trace) => JSON.stringify(body).includes(trace)));
  });

  it("leaves the others as they were, to the penny, in the store, the lake and the marts", async () => {
    assert.deepEqual(await figures(BOB), [1, 777]);
    assert.deepEqual(await figures(EVE), [2, 10_500]);
    assert.deepEqual(await figures(ZOE), [1, 333]);
    assert.deepEqual(await sql("SELECT sum(net_minor)::BIGINT FROM customer_rfm"), [777 + 10_500 + 333]);
    assert.deepEqual(await sql("SELECT sum(net_minor)::BIGINT FROM sales_daily"), [777 + 10_500 + 333]);
    assert.deepEqual(await sql("SELECT sum(customers)::BIGINT FROM segment_daily"), [3]);
    assert.deepEqual(await sql("SELECT page_path FROM web_activity WHERE page_path IS NOT NULL"), ["/bob"]);
  });

  it("keeps the ledger balanced: every event that was appended is in the lake, of the erased that it came", async () => {
    const { body } = await call(home, home.readKey, "GET", "/v1/ledger");
    const lines = (body["receipts"] ?? body["lines"]) as { appended: number; channel: string; receipt_id: string }[];
    const http = lines.find(({ channel }) => channel === "http")!;
    assert.deepEqual(await sql(`SELECT count(*) FROM raw_events WHERE receipt_id = '${http.receipt_id}'`), [
      http.appended,
    ]);
    assert.deepEqual(await sql("SELECT count(*) FROM raw_events WHERE kind = 'erased'"), [7]);
  });

  it("is asked for again without another erasure", async () => {
    const again = await call(home, key, "DELETE", `/v1/customers/${encodeURIComponent(ADA)}`);
    assert.deepEqual([again.status, again.body["erasure_id"]], [202, erasureId]);
    const both = await call(home, key, "POST", "/v1/erasures", { customer_ids: [ADA, ADA] });
    assert.equal(both.body["erasure_id"], erasureId);
  });

  it("takes nothing new of the person in: refused with a reason, counted, without the bytes", async () => {
    const { body } = await send([orderOf(ADA, "A-9", 5), visits[0], orderOf(BOB, "B-2", 1)]);
    assert.deepEqual([body["received"], body["appended"], body["quarantined"]], [3, 1, 2]);
    assert.deepEqual(
      (body["errors"] as { code: string }[]).map(({ code }) => code),
      ["customer_erased", "customer_erased"],
    );
    const ledger = (await upload())["ledger"] as Record<string, unknown>;
    assert.deepEqual(
      [ledger["received"], ledger["accepted"], ledger["duplicate"], ledger["quarantined"]],
      [3, 0, 1, 2],
    );
    await home.settled();
    await home.flushLake();
    assert.equal(await figures(ADA), 404);
    assert.deepEqual(await figures(BOB), [2, 877]);
    // The kept original of a file that names her goes within seven days; nothing else holds her.
    const found = (await searchHome(folder, traces)).filter((place) => !place.startsWith("objects/uploads/"));
    assert.deepEqual(found, []);
  });

  it("is undone by the person's own will alone, and what was erased stays erased", async () => {
    const lifted = await call(home, key, "DELETE", `/v1/customers/${encodeURIComponent(ADA)}/suppression`);
    assert.deepEqual([lifted.status, lifted.body["lifted"]], [200, 1]);
    assert.equal(await figures(ADA), 404);
    assert.equal((await send([orderOf(ADA, "A-10", 5)])).body["appended"], 1);
    await home.settled();
    assert.deepEqual(await figures(ADA), [1, 500]);
  });
});
