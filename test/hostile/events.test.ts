/**
 * Bad input at the front door for events: each is a 4xx as a whole or one quarantined event with its reason; never a
 * 5xx, never a lost neighbour, and received = appended + quarantined.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { gzipSync } from "node:zlib";
import fc from "fast-check";
import { reasonCodes } from "@ebb/core/reasons";
import { StreamEvent } from "@ebb/core/stream-event";
import { make } from "@ebb/functions/collect/events";
import { make as makeSocial } from "@ebb/functions/collect/social";
import { createHmac } from "node:crypto";
import { type RequestOptions, send } from "../support/http-event.ts";
import { memoryPorts } from "../support/memory-ports.ts";

const NOW = Date.UTC(2026, 10, 21);
const good = (id: string) =>
  `{"type":"track","event":"Order Completed","messageId":"${id}","userId":"u","properties":{"order_id":"${id}","revenue":10}}`;
const withProperties = (properties: string, more = ""): string =>
  `{"type":"track","event":"Order Completed","messageId":"bad"${more},"properties":${properties}}`;
const nested = (levels: number, open = "[", close = "]"): string => open.repeat(levels) + close.repeat(levels);

/** What one event is refused for, as it stands in a batch between two good ones. */
const quarantined: Readonly<Record<string, [event: string, code: string]>> = {
  "a number": ["3", "invalid_event"],
  null: ["null", "invalid_event"],
  "a list": ["[[]]", "invalid_event"],
  "a text": ['"event"', "invalid_event"],
  "no type": ['{"event":"x"}', "invalid_event"],
  "an unknown call": ['{"type":"shout"}', "invalid_event"],
  "a type that is an object": ['{"type":{}}', "invalid_event"],
  "a track without a name": ['{"type":"track"}', "missing_field"],
  "an order without properties": ['{"type":"track","event":"Order Completed"}', "missing_field"],
  "an order without id": [withProperties('{"revenue":1}'), "missing_field"],
  "an order without a value": [withProperties('{"order_id":1}'), "missing_field"],
  "properties that are a list": [withProperties("[]"), "invalid_field"],
  "a revenue that is text": [withProperties('{"order_id":1,"revenue":"a lot"}'), "invalid_field"],
  "NaN as text": [withProperties('{"order_id":1,"revenue":"NaN"}'), "invalid_field"],
  "a number beyond doubles": [withProperties('{"order_id":1,"revenue":1e400}'), "amount_out_of_range"],
  "a huge number": [withProperties('{"order_id":1,"revenue":1e15}'), "amount_out_of_range"],
  "a huge number as text": [withProperties(`{"order_id":1,"revenue":"${"9".repeat(300)}"}`), "amount_out_of_range"],
  "a negative revenue": [withProperties('{"order_id":1,"revenue":-0.01}'), "amount_out_of_range"],
  "products that are no list": [withProperties('{"order_id":1,"products":{}}'), "invalid_field"],
  "a product that is a number": [withProperties('{"order_id":1,"products":[1]}'), "invalid_field"],
  "a price that is a list": [withProperties('{"order_id":1,"products":[{"price":[]}]}'), "invalid_field"],
  "a quantity beyond sums": [
    withProperties('{"order_id":1,"products":[{"price":9e11,"quantity":9e11}]}'),
    "amount_out_of_range",
  ],
  "an unknown currency": [withProperties('{"order_id":1,"revenue":1,"currency":"XXZ"}'), "unknown_currency"],
  "a currency that is a number": [withProperties('{"order_id":1,"revenue":1,"currency":978}'), "invalid_field"],
  "a currency without a rate": [withProperties('{"order_id":1,"revenue":1,"currency":"CHF"}'), "no_exchange_rate"],
  "a date in the future": [
    withProperties('{"order_id":1,"revenue":1}', ',"timestamp":"2026-11-22T00:00:00.001Z"'),
    "future_time",
  ],
  "a year of six digits": [
    withProperties('{"order_id":1,"revenue":1}', ',"timestamp":"+102026-01-01T00:00:00Z"'),
    "invalid_time",
  ],
  "a time that is an object": [withProperties('{"order_id":1,"revenue":1}', ',"timestamp":{}'), "invalid_field"],
  "a time of nonsense": [withProperties('{"order_id":1,"revenue":1}', ',"timestamp":"now"'), "invalid_time"],
  "a time of 1e300": [withProperties('{"order_id":1,"revenue":1}', ',"timestamp":1e300'), "invalid_time"],
  "a user that is a list": [withProperties('{"order_id":1,"revenue":1}', ',"userId":["u"]'), "invalid_field"],
  "a message id without end": [
    withProperties('{"order_id":1,"revenue":1}', `,"messageId":"${"m".repeat(5_000)}"`),
    "invalid_field",
  ],
  "an order id with a separator": [withProperties('{"order_id":"a\\u001fb","revenue":1}'), "invalid_field"],
  "200 levels of lists": [withProperties(`{"order_id":1,"revenue":1,"deep":${nested(200)}}`), "invalid_event"],
  "200 levels of objects in traits": [
    `{"type":"identify","userId":"u","traits":${nested(200, '{"a":', "}").replace("}", "1}")}}`,
    "invalid_event",
  ],
  "ten thousand and one lines": [
    withProperties(`{"order_id":1,"products":[${Array(10_001).fill('{"price":1}').join()}]}`),
    "too_large",
  ],
  "a megabyte": [withProperties(`{"order_id":1,"revenue":1,"filler":"${"x".repeat(1_000_000)}"}`), "too_large"],
  "__proto__ in place of fields": ['{"__proto__":{"type":"track","event":"Order Completed"}}', "invalid_event"],
};

for (const [name, [event, code]] of Object.entries(quarantined))
  test(`${name}: quarantined as ${code} with its bytes, its neighbours appended`, async () => {
    const ports = memoryPorts({ nowMs: NOW });
    const answer = await send(make(ports), "/v1/batch", `{"batch":[${good("a")},${event},${good("b")}]}`);
    assert.equal(answer.status, 200);
    assert.deepEqual(
      ports.events.map((appended) => appended.order_id),
      ["a", "b"],
    );
    assert.deepEqual(
      answer.body.errors.map((error) => [error.index, error.code]),
      [[1, code]],
    );
    assert.equal(Buffer.from(ports.quarantined[0]!.original).toString(), event);
    assert.deepEqual([ports.parts[0]!.received, ports.parts[0]!.quarantined], [3, 1]);
  });

/** What is harmless: taken, and the neighbours too. */
const taken: Readonly<Record<string, string>> = {
  "__proto__ beside the fields": withProperties(
    '{"order_id":"x","revenue":1,"__proto__":{"order_id":"y"}}',
    ',"__proto__":{"userId":"root"}',
  ),
  "two members of one name, of which the last counts": withProperties('{"order_id":"y","order_id":"x","revenue":1}'),
  "half of a surrogate pair": withProperties('{"order_id":"x","revenue":1,"coupon":"\\ud800"}'),
  "a NUL in a name": withProperties('{"order_id":"x","revenue":1,"products":[{"name":"a\\u0000b"}]}'),
  "null everywhere": withProperties(
    '{"order_id":"x","revenue":1,"products":null,"currency":null,"coupon":null}',
    ',"userId":null,"context":null,"timestamp":null',
  ),
  "a context of nonsense": withProperties('{"order_id":"x","revenue":1}', ',"context":[[1],{"page":3}]'),
};
for (const [name, event] of Object.entries(taken))
  test(`${name}: taken`, async () => {
    const ports = memoryPorts({ nowMs: NOW });
    const answer = await send(make(ports), "/v1/batch", `{"batch":[${good("a")},${event},${good("b")}]}`);
    assert.deepEqual([answer.status, answer.body.errors.length], [200, 0]);
    assert.deepEqual(
      ports.events.map((appended) => appended.order_id),
      ["a", "x", "b"],
    );
    assert.equal(ports.events[1]!.customer_key, undefined);
  });

const gzip = { headers: { "content-encoding": "gzip" } };
/** What is wrong as a whole. */
const refused: Readonly<Record<string, [body: unknown, status: number, options?: RequestOptions]>> = {
  "an empty body": ["", 400],
  "truncated JSON": [`{"batch":[${good("a")}`, 400],
  "NaN outside of text": ['{"batch":[{"revenue":NaN}]}', 400],
  "two documents": [`${good("a")}\n${good("b")}`, 400],
  HTML: ["<html>", 400],
  "a number": ["42", 400],
  null: ["null", 400],
  "a batch that is an object": ['{"batch":{}}', 400],
  "bytes that are no UTF-8": [Buffer.from([0x7b, 0x22, 0xff, 0xfe, 0x22, 0x3a, 0x31, 0x7d]), 400],
  "an overlong encoding": [Buffer.from([0x22, 0xc0, 0xaf, 0x22]), 400],
  "UTF-16": [Buffer.from(good("a"), "utf16le"), 400],
  "two megabytes of lists": [nested(1_000_000), 400],
  "two megabytes of objects": [`${'{"a":'.repeat(300_000)}1${"}".repeat(300_000)}`, 400],
  "lists that never close": ["[".repeat(3_000_000), 400],
  "ten megabytes of nesting": [nested(5_000_000), 413],
  "ten megabytes of nesting in bytes": [Buffer.from(nested(5_000_000)), 413],
  "a body over 4 MB": [`{"batch":[${good("a")}],"filler":"${"x".repeat(4_000_000)}"}`, 413],
  "more than 10,000 events": [`{"batch":[${Array(10_001).fill("1").join()}]}`, 413],
  "no gzip under the name of gzip": [Buffer.from(good("a")), 400, gzip],
  "gzip that ends too early": [gzipSync(good("a").repeat(20)).subarray(0, 40), 400, gzip],
  "a gzip bomb": [gzipSync(Buffer.alloc(60_000_000, 0x20)), 413, gzip],
  "a gzip bomb within a gzip bomb": [gzipSync(gzipSync(Buffer.alloc(60_000_000, 0x20))), 400, gzip],
  "another encoding": [Buffer.from(good("a")), 415, { headers: { "content-encoding": "br" } }],
  "a form without data": ["a=1&b=2", 400, { headers: { "content-type": "application/x-www-form-urlencoded" } }],
};
for (const [name, [body, status, options]] of Object.entries(refused))
  test(`${name}: ${status} with a problem, and nothing kept`, async () => {
    const ports = memoryPorts({ nowMs: NOW });
    const answer = await send(make(ports), "/v1/batch", body, options);
    assert.equal(answer.status, status);
    assert.equal(answer.headers["content-type"], "application/problem+json");
    const problem = answer.body as unknown as { status: number; detail: string; type: string };
    assert.equal(problem.status, status);
    assert.ok(problem.detail.length > 10);
    assert.equal(ports.parts.length, 0);
  });

test("nesting that hides behind strings of closing brackets is refused by event", async () => {
  const ports = memoryPorts({ nowMs: NOW });
  const hidden = `${'["]",'.repeat(20_000)}1${"]".repeat(20_000)}`;
  const answer = await send(
    make(ports),
    "/v1/batch",
    `{"batch":[${good("a")},{"type":"track","event":"x","properties":{"a":${hidden}}}]}`,
  );
  assert.deepEqual([answer.status, answer.body.errors[0]?.code, ports.events.length], [200, "invalid_event", 1]);
});

// ── fuzz ───────────────────────────────────────────────────────────────────────────────────────────────────────────

const names = fc.constantFrom(
  ...["type", "event", "messageId", "userId", "anonymousId", "timestamp", "originalTimestamp", "sentAt", "context"],
  ...["properties", "traits", "products", "order_id", "revenue", "total", "price", "quantity", "currency", "page"],
  ...["campaign", "platform", "post_id", "text", "rating", "__proto__", "constructor", "toString", "length", ""],
);
const value = fc.letrec((tie) => ({
  value: fc.oneof(
    { maxDepth: 5, depthSize: "small" },
    fc.constantFrom<unknown>("track", "identify", "page", "alias", "group", "Order Completed", "Order Refunded"),
    fc.constantFrom<unknown>("Product Viewed", "Social Mentioned", "EUR", "USD", "2026-11-20T00:00:00Z", "1e999", "-1"),
    fc.constantFrom<unknown>(null, true, 0, -0, 1e308, -1, 0.1, 2 ** 53, "", "\ud800", "\u0000"),
    fc.string({ unit: "binary", maxLength: 20 }),
    fc.double(),
    fc.array(tie("value"), { maxLength: 4 }),
    fc.dictionary(names, tie("value"), { maxKeys: 8 }),
  ),
})).value;
const likely = fc.record(
  {
    type: fc.oneof(
      { weight: 9, arbitrary: fc.constantFrom<unknown>("track", "identify", "page", "group") },
      { weight: 1, arbitrary: value },
    ),
    event: fc.oneof(
      {
        weight: 9,
        arbitrary: fc.constantFrom<unknown>(
          "Order Completed",
          "Order Refunded",
          "Cart Viewed",
          "Social Mentioned",
          "Mine",
        ),
      },
      { weight: 1, arbitrary: value },
    ),
    messageId: fc.oneof(fc.string(), value),
    userId: value,
    timestamp: fc.oneof(
      fc.date().map((date) => (Number.isNaN(date.getTime()) ? "x" : date.toISOString())),
      value,
    ),
    context: value,
    traits: value,
    properties: fc.oneof(
      fc.record(
        {
          order_id: value,
          revenue: value,
          currency: value,
          products: fc.oneof(fc.array(fc.dictionary(names, value)), value),
          platform: value,
          post_id: value,
        },
        { requiredKeys: [] },
      ),
      value,
    ),
  },
  { requiredKeys: ["type"] },
);

test("whatever comes as an event, the ledger balances, neighbours are kept and the stream holds what it declares", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.oneof(likely, value), { maxLength: 5 }), async (events) => {
      const ports = memoryPorts({ nowMs: NOW });
      const text = `{"batch":[${[good("a"), ...events.map((event) => JSON.stringify(event) ?? "null"), good("b")].join()}]}`;
      const answer = await send(make(ports), "/v1/batch", text);
      assert.equal(answer.status, 200, answer.text);
      const { received, appended, quarantined: refusedCount } = answer.body as unknown as Record<string, number>;
      assert.equal(received, events.length + 2);
      assert.equal(received, appended! + refusedCount!);
      for (const error of answer.body.errors) {
        assert.ok((reasonCodes as readonly string[]).includes(error.code));
        assert.notEqual(error.message, "The event could not be read.", "a fault of ours, not of the event");
      }
      const parsed = JSON.parse(text) as { batch: unknown[] };
      for (const item of ports.quarantined)
        assert.deepEqual(JSON.parse(Buffer.from(item.original).toString()), parsed.batch[item.rowNumber]);
      for (const line of ports.texts) {
        const event = JSON.parse(line) as object;
        assert.deepEqual(StreamEvent.parse(event), event);
        assert.doesNotMatch(line, /[\n\r]|\\u0000|\\ud8/);
      }
      const ids = ports.events.map((event) => event.order_id);
      assert.ok(ids.includes("a") && ids.includes("b"));
    }),
    { seed: 5, numRuns: 1_500 },
  );
});

test("whatever bytes come, the answer is below 500", async () => {
  const bytes = fc.oneof(
    fc.uint8Array({ maxLength: 200 }),
    fc.string({ unit: "binary" }).map((text) => Buffer.from(text)),
    // A good document with a few bytes changed.
    fc.array(fc.tuple(fc.nat(300), fc.integer({ min: 0, max: 255 })), { minLength: 1, maxLength: 4 }).map((changes) => {
      const document = Buffer.from(`{"batch":[${good("a")},${good("b")}],"sentAt":"2026-11-21T00:00:00Z"}`);
      for (const [at, byte] of changes) document[at % document.length] = byte;
      return document;
    }),
  );
  const headers = fc.record(
    {
      "content-type": fc.constantFrom("application/json", "text/plain", "application/x-www-form-urlencoded", ""),
      "content-encoding": fc.constantFrom("gzip", "identity", "deflate"),
    },
    { requiredKeys: [] },
  );
  await fc.assert(
    fc.asyncProperty(bytes, headers, fc.boolean(), async (body, sent, zipped) => {
      const ports = memoryPorts({ nowMs: NOW });
      const answer = await send(make(ports), "/v1/batch", zipped ? gzipSync(body) : Buffer.from(body), {
        headers: sent,
      });
      assert.ok(answer.status < 500, `${answer.status} ${answer.text}`);
      for (const part of ports.parts) assert.equal(part.received, ports.texts.length + ports.quarantined.length);
    }),
    { seed: 6, numRuns: 1_500 },
  );
});

test("whatever a platform's hook is sent under a right signature, the answer is below 500 and the ledger balances", async () => {
  const members = fc.constantFrom(
    "tweet_create_events",
    "favorite_events",
    "data",
    "posts",
    "id",
    "id_str",
    "user",
    "text",
  );
  const document = fc.oneof(fc.dictionary(members, fc.oneof(value, fc.array(fc.dictionary(members, value)))), value);
  await fc.assert(
    fc.asyncProperty(document, fc.constantFrom("twitter", "generic"), async (body, platform) => {
      const ports = memoryPorts({ nowMs: NOW });
      const text = JSON.stringify(body) ?? "";
      const signature = createHmac("sha256", ports.settings.hookSecrets[platform]!).update(text).digest("hex");
      const answer = await send(makeSocial(ports), `/v1/social/${platform}`, text, {
        anonymous: true,
        pathParameters: { platform },
        headers: { "x-hub-signature-256": `sha256=${signature}` },
      });
      assert.ok(answer.status < 500, `${answer.status} ${answer.text}`);
      for (const part of ports.parts) assert.equal(part.received, ports.texts.length + ports.quarantined.length);
    }),
    { seed: 7, numRuns: 1_000 },
  );
});
