import assert from "node:assert/strict";
import test from "node:test";
import { linesOf, refusalOf, unlandable } from "./landing.ts";

const good = {
  event_id: "evt_1",
  kind: "order_completed",
  name: "Order Completed",
  source: "shop",
  schema_version: 1,
  occurred_at: "2026-01-02T03:04:05.678Z",
  received_at: "2026-01-02T03:04:05.678Z",
  receipt_id: "rcp_1",
  receipt_number: 0,
  quantity: 999_999_999_999,
  lines: [{ quantity: 1, unit_price: 2.5, total_minor: 250 }],
};
const bytes = (value: unknown): Uint8Array => Buffer.from(typeof value === "string" ? value : JSON.stringify(value));

test("an event of the stream may land", () => {
  assert.equal(refusalOf(bytes(good)), undefined);
});

test("what may not land gets a code and the field, never a value", () => {
  const refusal = (value: unknown) => {
    const found = refusalOf(bytes(value));
    return [found?.code, found?.field];
  };
  assert.deepEqual(refusal('{"event_id":'), ["unreadable_record", undefined]);
  assert.deepEqual(refusal([good]), ["unreadable_record", undefined]);
  assert.deepEqual(refusal({ ...good, kind: "order_eaten" }), ["unreadable_record", "kind"]);
  assert.deepEqual(refusal({ ...good, quantity: 1e12 }), ["conversion_failed", "quantity"]);
  assert.deepEqual(refusal({ ...good, order_rank: -(2 ** 31) }), ["conversion_failed", "order_rank"]);
  const line = { ...good.lines[0], unit_price: -1e12 };
  assert.deepEqual(refusal({ ...good, lines: [good.lines[0], line] }), ["conversion_failed", "lines.1.unit_price"]);
  assert.equal(refusalOf(Uint8Array.of(0x22, 0xff, 0x22))?.code, "invalid_encoding");
  const leaky = refusalOf(bytes({ ...good, customer_key: 4_711 }));
  assert.doesNotMatch(JSON.stringify(leaky), /4711/);
});

test("a line is named by its bytes, so that quarantining it again changes nothing", () => {
  const line = bytes({ ...good, kind: "?" });
  const refusal = refusalOf(line)!;
  const item = unlandable(line, refusal, 1);
  assert.equal(unlandable(line, refusal, 2).receiptId, item.receiptId);
  assert.notEqual(unlandable(bytes("x"), refusal, 1).receiptId, item.receiptId);
  assert.match(item.receiptId, /^rcp_land_[0-9a-f]{32}$/);
  assert.equal(item.source, "shop");
  assert.deepEqual(item.original, line);
  assert.match(item.message, /It came with rcp_1\.$/);
  assert.equal(unlandable(bytes("x"), refusal, 1).source, "unknown");
});

test("lines are the bytes between line breaks, empty ones left out", () => {
  const texts = (data: string) => [...linesOf(Buffer.from(data))].map((line) => Buffer.from(line).toString());
  assert.deepEqual(texts("a\nb\n\nc"), ["a", "b", "c"]);
  assert.deepEqual(texts("a\n"), ["a"]);
  assert.deepEqual(texts("\n\n"), []);
});
