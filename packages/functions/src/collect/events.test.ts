import assert from "node:assert/strict";
import { test } from "node:test";
import { gzipSync } from "node:zlib";
import { eventIdOf } from "@ebb/core/ids";
import { TransientError } from "@ebb/ports";
import { type RequestOptions, send } from "../../../../test/support/http-event.ts";
import { READ_KEY, SOURCE, WRITE_KEY, memoryPorts } from "../../../../test/support/memory-ports.ts";
import { routes } from "../declarations.ts";
import { make } from "./events.ts";

const event = (id: string | number, more: object = {}) => ({
  type: "track",
  event: "Order Completed",
  messageId: `m-${id}`,
  userId: "u-1",
  properties: { order_id: `o-${id}`, revenue: 10 },
  ...more,
});
const anonymous = { anonymous: true } as const;

test("a batch is answered with its counts, a reason for each refused event, and its receipt", async () => {
  const ports = memoryPorts();
  const bad = event(2, { properties: { order_id: "o-2", revenue: "ten" } });
  const { status, body } = await send(make(ports), "/v1/batch", { batch: [event(1), bad, 7, event(3)] });
  assert.equal(status, 200);
  const receipt = ports.parts[0]!;
  assert.deepEqual(body, {
    success: true,
    receipt_id: receipt.receiptId,
    received: 4,
    appended: 2,
    duplicates: 0,
    quarantined: 2,
    errors: [
      {
        index: 1,
        messageId: "m-2",
        code: "invalid_field",
        field: "properties.revenue",
        message:
          "properties.revenue must be a number from 0 to below 10^12, or its text (a point for decimals, no separators).",
      },
      { index: 2, code: "invalid_event", message: "An event must be a JSON object." },
    ],
  });
  assert.deepEqual(
    ports.events.map((appended) => [appended.event_id, appended.receipt_number]),
    [
      [eventIdOf(SOURCE, "m-1"), 0],
      [eventIdOf(SOURCE, "m-3"), 3],
    ],
  );
  assert.deepEqual([receipt.received, receipt.quarantined, receipt.channel, receipt.source], [4, 2, "http", SOURCE]);
  // What the alarm on the share of refused events divides.
  assert.deepEqual(ports.counted, [
    ["EventsReceived", 4, "http"],
    ["EventsQuarantined", 2, "http"],
  ]);
});

test("what is quarantined are the bytes that came, spaces and escapes and all", async () => {
  const ports = memoryPorts();
  const original =
    '{ "type":"track" ,\n "event":"Order Completed","properties":{"order_id":"\\u00e9ß€","revenue":1e999} }';
  const text = `{"batch":[${JSON.stringify(event(1))}, ${original} ,3]}`;
  await send(make(ports), "/v1/batch", text);
  assert.deepEqual(
    ports.quarantined.map((item) => [item.rowNumber, item.code, Buffer.from(item.original).toString()]),
    [
      [1, "amount_out_of_range", original],
      [2, "invalid_event", "3"],
    ],
  );
});

test("one event, a list and a batch are all taken; the route says which call an event is that does not", async () => {
  const ports = memoryPorts();
  const handler = make(ports);
  const { type: _type, ...untyped } = event("t");
  assert.equal((await send(handler, "/v1/track", untyped)).body["appended"], 1);
  assert.equal((await send(handler, "/v1/t", { ...untyped, messageId: "m-t2" })).body["appended"], 1);
  assert.equal((await send(handler, "/v1/p", { anonymousId: "a", messageId: "m-p" })).body["appended"], 1);
  assert.equal((await send(handler, "/api/s/s2s/identify", { userId: "u", messageId: "m-i" })).body["appended"], 1);
  assert.equal((await send(handler, "/v1/import", [event(1), event(2)])).body["appended"], 2);
  assert.deepEqual(
    ports.events.map((appended) => appended.kind),
    ["order_completed", "order_completed", "page", "identify", "order_completed", "order_completed"],
  );
  const untold = await send(handler, "/v1/batch", { batch: [untyped] });
  assert.deepEqual(
    [untold.status, untold.body.errors[0]?.code, untold.body.errors[0]?.field],
    [200, "invalid_event", "type"],
  );
});

const places: [string, RequestOptions, object][] = [
  ["the Basic user name", { headers: { authorization: `Basic ${btoa(`${WRITE_KEY}:`)}` } }, {}],
  ["a Bearer token", { headers: { authorization: `Bearer ${WRITE_KEY}` } }, {}],
  ["X-Write-Key", { headers: { "x-write-key": WRITE_KEY } }, {}],
  ["X-Write-Key as Jitsu's key:secret", { headers: { "x-write-key": `${WRITE_KEY}:secret` } }, {}],
  ["the query", { query: { writeKey: WRITE_KEY } }, {}],
  ["the body", {}, { writeKey: WRITE_KEY }],
];
for (const [place, options, body] of places)
  test(`the key is found in ${place}`, async () => {
    const ports = memoryPorts();
    const answer = await send(make(ports), "/v1/batch", { ...body, batch: [event(1)] }, { ...anonymous, ...options });
    assert.deepEqual([answer.status, ports.events.length], [200, 1]);
  });

test("the key may also stand in a single event or in the events of a batch, as Segment's browser SDK sends it", async () => {
  const ports = memoryPorts();
  const handler = make(ports);
  assert.equal((await send(handler, "/v1/t", event(1, { writeKey: WRITE_KEY }), anonymous)).status, 200);
  assert.equal((await send(handler, "/v1/b", { batch: [event(2, { writeKey: WRITE_KEY })] }, anonymous)).status, 200);
  assert.doesNotMatch(ports.texts.join(), new RegExp(WRITE_KEY));
});

test("without a key, with an unknown or a read key nothing is kept", async () => {
  const ports = memoryPorts();
  const handler = make(ports);
  const status = async (options: RequestOptions) =>
    (await send(handler, "/v1/batch", { batch: [event(1)] }, options)).status;
  assert.equal(await status(anonymous), 401);
  assert.equal(await status({ ...anonymous, headers: { "x-write-key": "wrong" } }), 401);
  assert.equal(await status({ ...anonymous, headers: { "x-write-key": "wrong:wrong" } }), 401);
  assert.equal(await status({ ...anonymous, headers: { "x-write-key": READ_KEY } }), 403);
  assert.equal(ports.parts.length, 0);
});

test("JSON is read under any content type; a form has it in data, as it is or in base64; gzip is undone", async () => {
  const ports = memoryPorts();
  const handler = make(ports);
  const text = (n: number) => JSON.stringify(event(n));
  const form = { "content-type": "application/x-www-form-urlencoded" };
  const sent: [unknown, Record<string, string>][] = [
    [text(1), { "content-type": "text/plain" }],
    [text(2), form],
    [`data=${encodeURIComponent(text(3))}`, form],
    [`data=${encodeURIComponent(btoa(text(4)))}`, form],
    [gzipSync(text(5)), { "content-encoding": "gzip" }],
    [Buffer.from(`\ufeff${text(6)}`), {}],
  ];
  for (const [body, headers] of sent) assert.equal((await send(handler, "/v1/track", body, { headers })).status, 200);
  assert.deepEqual(
    ports.events.map((appended) => appended.order_id),
    ["o-1", "o-2", "o-3", "o-4", "o-5", "o-6"],
  );
});

test("an event sent twice has one id, also with another sentAt", async () => {
  const ports = memoryPorts();
  const handler = make(ports);
  const at = { timestamp: "2026-01-01T00:00:00.000Z" };
  await send(handler, "/v1/batch", { batch: [event(1, at)], sentAt: new Date().toISOString() });
  const again = await send(handler, "/v1/batch", {
    batch: [event(1, at)],
    sentAt: new Date(Date.now() - 9_000).toISOString(),
  });
  assert.deepEqual([again.body["appended"], again.body["duplicates"]], [1, 1]);
  const times = ports.texts.map((text) => (JSON.parse(text) as { occurred_at: string }).occurred_at);
  assert.deepEqual(times, [at.timestamp, at.timestamp]);
});

test("an event over 900 KB is quarantined as too large, its neighbours are appended", async () => {
  const ports = memoryPorts();
  const answer = await send(make(ports), "/v1/batch", {
    batch: [event(1), event(2, { filler: "x".repeat(900_000) }), event(3)],
  });
  assert.deepEqual([answer.status, answer.body["appended"], answer.body.errors[0]?.code], [200, 2, "too_large"]);
  assert.equal(
    ports.quarantined[0]?.original.length,
    Buffer.byteLength(JSON.stringify(event(2, { filler: "x".repeat(900_000) }))),
  );
});

test("an event whose lines grow beyond the limit on the stream is quarantined too", async () => {
  const ports = memoryPorts();
  const products = Array.from({ length: 10_000 }, () => ({ price: 1, name: "a kettle, forty characters of a name…" }));
  const answer = await send(make(ports), "/v1/track", event(1, { properties: { order_id: 1, products } }));
  assert.deepEqual([answer.status, answer.body.errors[0]?.code], [200, "too_large"]);
});

test("when the log cannot take it nothing is acknowledged: 503, and the same request may come again", async () => {
  const ports = memoryPorts();
  const handler = make(ports);
  ports.failNext(new TransientError("throttled"));
  const failed = await send(handler, "/v1/batch", { batch: [event(1)] });
  assert.deepEqual([failed.status, failed.headers["retry-after"]], [503, "1"]);
  assert.equal((await send(handler, "/v1/batch", { batch: [event(1)] })).body["appended"], 1);
});

test("halves of surrogate pairs and control characters, which some readers refuse, do not reach the stream", async () => {
  const ports = memoryPorts();
  const name = "A\\ud83dB\\u0000C\\u001fD\\n\\u00e9";
  await send(
    make(ports),
    "/v1/track",
    `{"type":"track","event":"Order Completed","messageId":"m","properties":{"order_id":"o","revenue":1,"products":[{"name":"${name}","price":1}]}}`,
  );
  assert.equal(ports.events[0]?.lines?.[0]?.name, "A\ufffdBCD\né");
  assert.doesNotMatch(ports.texts[0]!, /\\u/);
});

test("the browser SDK's reports about itself are answered without a key and kept nowhere", async () => {
  const ports = memoryPorts();
  const answer = await send(make(ports), "/v1/m", { series: [{ type: "Counter" }] }, anonymous);
  assert.deepEqual([answer.status, ports.parts.length], [200, 0]);
});

test("every declared route of events takes one", async () => {
  for (const route of routes.filter(({ handler, path }) => handler === "collect/events" && path !== "/v1/m")) {
    const ports = memoryPorts();
    const answer = await send(make(ports), route.path.replace("{type}", "track"), event(1));
    assert.deepEqual([answer.status, ports.events.length], [200, 1], route.path);
  }
});

test("who a customer is goes to the profile store alone: once a request, and with every identify", async () => {
  const ports = memoryPorts();
  const identify = { type: "identify", userId: "u-1", traits: { email: "ann@example.com" } };
  await send(make(ports), "/v1/batch", {
    batch: [event(1), event(2), identify, event(3), event(4, { userId: "u-2" })],
  });
  assert.deepEqual(
    ports.put.map(({ customerKey, customerId, traits }) => [customerKey, customerId, traits]),
    [
      [ports.pseudonyms.customer("u-1"), "u-1", {}],
      [ports.pseudonyms.customer("u-1"), "u-1", { email: "ann@example.com" }],
      [ports.pseudonyms.customer("u-2"), "u-2", {}],
    ],
  );
  assert.doesNotMatch(ports.texts.join(), /u-1|u-2|ann@/);
});
