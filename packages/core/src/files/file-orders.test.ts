import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { limits } from "../limits.ts";
import type { StreamLine } from "../stream-event.ts";
import { StreamEvent } from "../stream-event.ts";
import type { FileOrderState, OrderVersion, UploadMode } from "./file-orders.ts";
import { reconcile, rowIdsOf, snapshotOf } from "./file-orders.ts";
import { decodeContent } from "./order-content.ts";
import type { OrderRow } from "./rows.ts";

const row = (price: number, minute = 0): OrderRow => ({
  head: {
    orderId: "1",
    customerKey: "cus_a",
    occurredAtMs: minute * 60_000,
    currency: "GBP",
    country: undefined,
    coupon: undefined,
    digest: "",
  },
  identity: `${price}/${minute}`,
  line: `"quantity":1,"unit_price":${price}`,
  totalMinor: price * 100,
});

const put = (
  stored: FileOrderState | undefined,
  rows: readonly OrderRow[],
  uploadId: string,
  mode: UploadMode = "append",
) => {
  const result = reconcile(
    stored,
    { orderId: "1", customerKey: "cus_a", rows: [...rows] },
    { source: "shop", uploadId, mode, refund: false },
  );
  if ("refusal" in result) throw new Error(result.refusal.message);
  return result;
};

/** The event, its lines in it. */
const snapshot = (order: OrderVersion) => {
  const event = snapshotOf(order, {
    source: "shop",
    uploadId: "upl_1",
    receivedAtMs: 0,
    rates: { reportingCurrency: "GBP", rates: {} },
  });
  const lines = linesOf(order);
  return lines.length === 0 ? event : { ...event, lines };
};

const linesOf = (order: OrderVersion) => JSON.parse(`[${order.linesJson}]`) as StreamLine[];

/** A few values, so that equal rows are common. */
const someRows = fc
  .array(fc.tuple(fc.integer({ min: 1, max: 4 }), fc.integer({ min: 0, max: 2 })), { minLength: 1, maxLength: 12 })
  .map((pairs) => pairs.map(([price, minute]) => row(price, minute)));

/** Rows by their text: the greatest number of times that any one file has each. */
const union = (...files: readonly (readonly OrderRow[])[]): string[] => {
  const most = new Map<string, number>();
  for (const file of files) {
    const counts = new Map<string, number>();
    for (const { identity } of file) counts.set(identity, (counts.get(identity) ?? 0) + 1);
    for (const [text, count] of counts) most.set(text, Math.max(most.get(text) ?? 0, count));
  }
  return [...most].flatMap(([text, count]) => Array<string>(count).fill(text)).sort();
};

test("append is the union of the rows of all files, whatever their order", () => {
  fc.assert(
    fc.property(someRows, someRows, (a, b) => {
      const ab = put(put(undefined, a, "u1").order, b, "u2").order;
      const ba = put(put(undefined, [...b].reverse(), "u1").order, [...a].reverse(), "u2").order;
      const ids = (order: OrderVersion) =>
        linesOf(order)
          .map((line) => line.line_id)
          .sort();
      assert.deepEqual(ids(ab), ids(ba));
      const expected = union(a, b);
      assert.equal(linesOf(ab).length, expected.length);
      const total = expected.reduce((sum, text) => sum + Number(text.split("/")[0]) * 100, 0);
      const earliest = Math.min(...expected.map((text) => Number(text.split("/")[1]) * 60_000));
      for (const order of [ab, ba]) {
        const event = snapshot(order);
        assert.equal(event.total_minor, total);
        assert.equal(Date.parse(event.occurred_at), earliest);
        const times = linesOf(order)
          .map((line) => Date.parse(line.occurred_at ?? event.occurred_at) / 60_000)
          .sort();
        assert.deepEqual(times, expected.map((text) => Number(text.split("/")[1])).sort());
      }
    }),
    { seed: 1, numRuns: 300 },
  );
});

test("the ledger of an upload is the same when it runs again", () => {
  fc.assert(
    fc.property(someRows, someRows, fc.constantFrom<UploadMode>("append", "replace"), (a, b, mode) => {
      const before = put(undefined, a, "u1").order;
      const first = put(before, b, "u2", mode);
      const again = put(first.order, b, "u2", mode);
      assert.equal(again.changed, false);
      assert.deepEqual([again.accepted, again.duplicate], [first.accepted, first.duplicate]);
      assert.equal(first.accepted + first.duplicate, b.length);
      // A crash may have come before the event of the first run was durable: the second run emits the same one again.
      if (first.emit) assert.ok(again.emit);
      assert.equal(snapshot(again.order).event_id, snapshot(first.order).event_id);
    }),
    { seed: 2, numRuns: 300 },
  );
});

test("what the book keeps says which upload first brought each row, and no more than that", () => {
  const stating: OrderRow = { ...row(1), identity: "stated", line: undefined, totalMinor: 500 };
  const first = put(undefined, [row(1), row(2)], "u1").order;
  const second = put(put(first, [stating], "u2").order, [row(3), row(1)], "u3").order;
  const { lines, stating: ids, uploads, head } = decodeContent(second.content);
  assert.deepEqual(lines, linesOf(second));
  assert.deepEqual([...lines.map((line) => line.line_id), ...ids], ["1/0", "2/0", "3/0", "stated"]);
  assert.deepEqual(uploads, ["u1", "u1", "u3", "u2"]);
  assert.deepEqual(head, second.head);
});

test("equal rows of one order are different rows, and the same ones in the next file", () => {
  const twice = [row(1), row(1)];
  const first = put(undefined, twice, "u1");
  assert.equal(first.accepted, 2);
  const second = put(first.order, [...twice, row(1)], "u2");
  assert.deepEqual([second.accepted, second.duplicate], [1, 2]);
  assert.equal(snapshot(second.order).total_minor, 300);
  assert.equal(new Set(rowIdsOf({ orderId: "1", customerKey: "cus_a", rows: twice })).size, 2);
});

test("replace leaves exactly the rows of the file, and a file that says the same changes nothing", () => {
  const first = put(undefined, [row(1), row(2), row(3)], "u1");
  const replaced = put(first.order, [row(2), row(9)], "u2", "replace");
  assert.equal(replaced.order.version, 2);
  assert.deepEqual([replaced.accepted, replaced.duplicate], [1, 1]);
  assert.equal(snapshot(replaced.order).total_minor, 1100);
  const same = put(replaced.order, [row(9), row(2)], "u3", "replace");
  assert.deepEqual([same.changed, same.emit, same.duplicate], [false, false, 2]);
});

test("a snapshot is a valid event of the stream", () => {
  const event = snapshot(put(undefined, [row(1, 1), row(2, 2)], "u1").order);
  assert.deepEqual(StreamEvent.parse({ ...event, receipt_number: 0 }), { ...event, receipt_number: 0 });
});

test("an order over the limit of lines is refused and the stored one stays", () => {
  const many = Array.from({ length: limits.orderLines }, () => row(1));
  const full = put(undefined, many, "u1");
  assert.throws(() => put(full.order, [row(2)], "u2"), /more than 10,000 lines/);
  assert.throws(() => put(undefined, [...many, row(1)], "u2"), /more than 10,000 lines/);
});

test("a stated total holds over the lines, and a second statement is refused", () => {
  const stating = (minor: number): OrderRow => ({
    ...row(1),
    identity: `stated ${minor}`,
    line: undefined,
    totalMinor: minor,
  });
  const first = put(undefined, [stating(500), stating(500)], "u1");
  assert.deepEqual([first.accepted, first.duplicate], [1, 1]);
  const lines = put(first.order, [row(3), row(1)], "u2");
  assert.equal(snapshot(lines.order).total_minor, 500);
  assert.throws(() => put(lines.order, [stating(700)], "u3"), /stated before/);
  assert.equal(snapshot(put(lines.order, [stating(700)], "u3", "replace").order).total_minor, 700);
});
