/** What was refused is sent again after a fix: once, whoever is killed on the way, and the account still balances. */
import assert from "node:assert/strict";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { type Home, startHome } from "@ebb/home/home";
import type { Replayed } from "@ebb/home/home-replay";
import { task } from "@ebb/home/running-home";
import type { ReceiptId } from "@ebb/core/ids";
import { unlandable } from "@ebb/lake/landing";
import { auditHome } from "@ebb/ports/embedded/audit";
import { EmbeddedEventLog } from "@ebb/ports/embedded/event-log";
import { LogReader } from "@ebb/ports/embedded/log-reader";
import { EmbeddedObjectStore } from "@ebb/ports/embedded/object-store";
import { spawnHome } from "../support/home-process.ts";
import { orderEvent, postBatch } from "./load.ts";

const root = await mkdtemp(path.join(tmpdir(), "ebb-replay-"));
after(() => rm(root, { recursive: true, force: true }));

const inUsd = (id: string, customer: string, minor: number): unknown => {
  const event = orderEvent(id, customer, minor) as { properties: object };
  return { ...event, properties: { ...event.properties, currency: "USD" } };
};
const rates = { USD: { "2020-01-01": 0.5 } };

const replay = async (home: Home, query: Record<string, string>): Promise<Replayed> =>
  (await task(home, "replay", { from: "quarantine", ...query }, () => undefined)) as Replayed;
const get = async (home: { url: string; readKey: string }, address: string): Promise<Record<string, unknown>> =>
  (await (await fetch(home.url + address, { headers: { "x-write-key": home.readKey } })).json()) as Record<
    string,
    unknown
  >;
const balanced = async (folder: string): Promise<void> => {
  const account = await auditHome(folder, Date.now());
  assert.deepEqual(account.findings, []);
  assert.ok(account.balanced);
};

test("events and rows that were refused for want of a rate are taken once there is one; others stay refused; twice does nothing", async () => {
  const folder = path.join(root, "fixed");
  const before = await startHome({ folder, port: 0 });
  const { messageId: _none, ...nameless } = inUsd("o-3", "ann", 700) as Record<string, unknown>;
  await postBatch(before, [orderEvent("o-1", "ann", 500), inUsd("o-2", "ann", 600), nameless]);
  await postBatch(before, [{ type: "track", event: "Order Completed", messageId: "never", userId: "ann" }]);
  const csv = [
    "order_id,customer_id,ordered_at,product_id,quantity,unit_price,currency",
    "f-1,bob,2026-02-03T04:05:06Z,p1,2,1.00,EUR",
    "f-4,bob,2026-02-03T04:05:06Z,p2,1,4.00,USD",
    "f-2,bob,2026-02-03T04:05:06Z,p3,1,6.00,USD",
    "f-2,bob,2026-02-03T04:05:06Z,p3,1,6.00,USD",
    "f-3,bob,yesterday,p4,1,6.00,EUR",
  ].join("\n");
  await fetch(`${before.url}/v1/uploads`, {
    method: "POST",
    headers: { "content-type": "text/csv", "x-write-key": before.writeKey },
    body: csv,
  });
  await before.settled();
  assert.deepEqual((await get(before, "/v1/quarantine?limit=1"))["counts"], {
    no_exchange_rate: 5,
    missing_field: 1,
    invalid_time: 1,
  });
  await before.close();

  const home = await startHome({ folder, port: 0, rates });
  try {
    assert.deepEqual(await replay(home, { id: "first" }), {
      replayId: "first",
      appended: 5,
      refused: 2,
      passedOver: {},
    });
    await home.settled();
    const ann = await get(home, "/v1/customers/ann");
    assert.deepEqual([ann["orders"], ann["gross_minor"]], [3, 500 + 300 + 350]);
    const { lines } = (await get(home, "/v1/ledger?limit=50")) as unknown as { lines: Record<string, number>[] };
    for (const line of lines) assert.equal(line["received"], line["appended"]! + line["quarantined"]!);
    const { items } = (await get(home, "/v1/quarantine?limit=100")) as unknown as {
      items: { code: string; replayed?: { outcome: string; receipt_id: string } }[];
    };
    const outcomes = items
      .filter((item) => item.replayed !== undefined)
      .map((item) => `${item.code} ${item.replayed!.outcome}`);
    assert.deepEqual(outcomes.sort(), [
      "invalid_time refused",
      "missing_field refused",
      ...Array<string>(5).fill("no_exchange_rate appended"),
    ]);

    // The same name again answers the same; another finds only what was refused again.
    assert.equal((await replay(home, { id: "first" })).appended, 5);
    const second = await replay(home, { id: "second", code: "no_exchange_rate" });
    assert.deepEqual([second.appended, second.refused], [0, 0]);
    await home.settled();
    assert.equal((await get(home, "/v1/customers/ann"))["orders"], 3);
    const bob = await get(home, "/v1/customers/bob");
    assert.deepEqual([bob["orders"], bob["gross_minor"]], [3, 200 + 200 + 600]);
  } finally {
    await home.close();
  }
  await balanced(folder);
});

test("records that were given up are folded when they are brought to the score stage again, and the letter goes", async () => {
  const folder = path.join(root, "dead");
  const home = await startHome({ folder, port: 0 });
  try {
    const objects = new EmbeddedObjectStore(path.join(folder, "objects"));
    const event = {
      ...{ event_id: `evt_${"a".repeat(32)}`, kind: "order_completed", name: "Order Completed", source: "shop" },
      ...{ schema_version: 1, occurred_at: "2026-01-01T00:00:00.000Z", received_at: "2026-01-01T00:00:00.000Z" },
      ...{ receipt_id: "rcp_1", receipt_number: 0, customer_key: `cus_${"b".repeat(32)}`, order_id: "d-1" },
      ...{ currency: "EUR", total_minor: 900, reporting_currency: "EUR", reporting_minor: 900 },
    };
    const letter = (text: string): Uint8Array =>
      Buffer.from(
        JSON.stringify({
          payload: JSON.stringify({
            Records: [
              { kinesis: { data: Buffer.from(text).toString("base64"), sequenceNumber: "1", partitionKey: "1" } },
            ],
          }),
        }),
      );
    await objects.put("failed/score/shard/1-1.json", letter(JSON.stringify(event)));
    const answer = await replay(home, { id: "letters", from: "dead-letters" });
    assert.deepEqual([answer.appended, answer.refused], [1, 0]);
    assert.equal((await get(home, `/v1/customers/cus_${"b".repeat(32)}`))["gross_minor"], 900);
    assert.equal(await objects.size("failed/score/shard/1-1.json"), undefined);
    await objects.put("failed/score/shard/1-1.json", letter(JSON.stringify(event)));
    await replay(home, { id: "letters-again", from: "dead-letters" });
    assert.equal((await get(home, `/v1/customers/cus_${"b".repeat(32)}`))["orders"], 1, "twice does nothing");
  } finally {
    await home.close();
  }
});

test(
  "a replay whose home is killed again and again goes on where it was, and takes every event once",
  { timeout: 240_000 },
  async () => {
    const folder = path.join(root, "killed");
    const EVENTS = 1_500;
    const first = await spawnHome(folder);
    for (let at = 0; at < EVENTS; at += 500)
      await postBatch(
        first,
        Array.from({ length: 500 }, (_, n) => inUsd(`k-${at + n}`, `c${n % 10}`, 100)),
      );
    assert.equal(await first.stop(), 0);
    const settings = path.join(folder, "settings.json");
    await writeFile(settings, JSON.stringify({ ...(JSON.parse(await readFile(settings, "utf8")) as object), rates }));

    for (let kill = 0; kill < 3; kill++) {
      const home = await spawnHome(folder);
      const control = JSON.parse(await readFile(path.join(folder, "home.json"), "utf8")) as {
        url: string;
        controlToken: string;
      };
      task(control, "replay", { from: "quarantine", id: "resumed" }, () => undefined).catch(() => undefined);
      await delay(60 + 90 * kill);
      await home.kill();
    }
    const last = await startHome({ folder, port: 0 });
    try {
      const answer = await replay(last, { id: "resumed" });
      assert.deepEqual([answer.appended, answer.refused], [EVENTS, 0]);
      await last.settled();
      let orders = 0;
      for (let n = 0; n < 10; n++) orders += (await get(last, `/v1/customers/c${n}`))["orders"] as number;
      assert.equal(orders, EVENTS);
    } finally {
      await last.close();
    }
    await balanced(folder);
  },
);

test("what a stage behind the log refused is taken once it can be read, counted once; what cannot be is passed over with the reason", async () => {
  const folder = path.join(root, "behind");
  const first = await startHome({ folder, port: 0 });
  await postBatch(first, [orderEvent("o-1", "ann", 500)]);
  await first.settled();
  await first.close();
  // As an earlier release left it: the event's own line, which that release could not land, refused by both stages.
  const log = new EmbeddedEventLog(folder);
  const reader = new LogReader(folder);
  const line = Buffer.from(reader.read(0, 1, 1_000_000)[0]!.data);
  const broken = Buffer.from('{"event_id":"evt_');
  const refusal = { code: "conversion_failed", message: "A number is too large for its column." } as const;
  const byScore = `rec_${"1".repeat(32)}` as ReceiptId;
  await log.quarantine([
    unlandable(line, refusal, Date.now()),
    { ...unlandable(line, refusal, Date.now()), receiptId: byScore, code: "unreadable_record" },
    unlandable(broken, { code: "unreadable_record", message: "The line is not JSON." }, Date.now()),
  ]);
  reader.close();
  log.close();

  const home = await startHome({ folder, port: 0 });
  try {
    const { appended, refused, passedOver } = await replay(home, { id: "behind" });
    assert.deepEqual([appended, refused], [2, 0]);
    const [[why, count]] = Object.entries(passedOver) as [[string, number]];
    assert.deepEqual([Object.keys(passedOver).length, count], [1, 1]);
    assert.match(why, /cannot be read from there.*not JSON.*only its producer can send it anew/);
    await home.settled();
    await home.flushLake();
    const ann = await get(home, "/v1/customers/ann");
    assert.deepEqual([ann["orders"], ann["gross_minor"]], [1, 500]);
    assert.deepEqual((await replay(home, { id: "once-more" })).appended, 0);
    const { lines } = (await get(home, "/v1/ledger?limit=50")) as unknown as { lines: Record<string, number>[] };
    assert.deepEqual(
      lines.map((each) => [each["received"], each["accepted"], each["duplicate"]]),
      [
        [2, 1, 1],
        [1, 1, 0],
      ],
    );
  } finally {
    await home.close();
  }
  await balanced(folder);
});
