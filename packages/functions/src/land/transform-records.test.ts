import assert from "node:assert/strict";
import test from "node:test";
import { aggregate } from "@ebb/core/kpl";
import type { QuarantinedItem } from "@ebb/ports";
import type { FirehoseTransformationEvent, FirehoseTransformationResult } from "aws-lambda";
import { MemorySuppressions } from "@ebb/ports/suppression-list";
import { make } from "./transform-records.ts";

const eventOf = (number: number, more: Record<string, unknown> = {}) =>
  JSON.stringify({
    event_id: `evt_${number}`,
    kind: "product_viewed",
    name: "Product Viewed – Größe",
    source: "shop",
    schema_version: 1,
    occurred_at: "2026-01-02T03:04:05.678Z",
    received_at: "2026-01-02T03:04:05.678Z",
    receipt_id: "rcp_1",
    receipt_number: number,
    ...more,
  });

/**
 * A Firehose event with a Kinesis stream as its source, in the shape of AWS's sample ("Amazon Data Firehose" in the AWS
 * Lambda developer guide; `FirehoseTransformationEvent` of @types/aws-lambda).
 */
const firehoseEvent = (data: readonly (string | Uint8Array)[]): FirehoseTransformationEvent => ({
  invocationId: "invoked123",
  deliveryStreamArn: "arn:aws:firehose:eu-central-1:123456789012:deliverystream/land",
  sourceKinesisStreamArn: "arn:aws:kinesis:eu-central-1:123456789012:stream/events",
  region: "eu-central-1",
  records: data.map((content, index) => ({
    recordId: `4954698668313554428650745793632162567570019247115678515${index}000000`,
    approximateArrivalTimestamp: 1_767_323_045_678,
    data: Buffer.from(content).toString("base64"),
    kinesisRecordMetadata: {
      shardId: "shardId-000000000000",
      partitionKey: "4d1ad2b9-24f8-4b9d-a088-76e9947c317a",
      approximateArrivalTimestamp: 1_767_323_045_678,
      sequenceNumber: "49546986683135544286507457936321625675700192471156785154",
      subsequenceNumber: "0",
    },
  })),
});

const suppressions = new MemorySuppressions("a second secret of thirty-two and more characters");

const portsWith = (put?: (items: readonly QuarantinedItem[]) => Promise<void>) => {
  const items: QuarantinedItem[] = [];
  const transform = make({
    quarantine: {
      put: put ?? (async (some) => void items.push(...some)),
      list: () => assert.fail(),
      counts: () => assert.fail(),
      markReplayed: () => assert.fail(),
    },
    metrics: { count: () => undefined },
    suppressions,
    now: () => 7,
  });
  return { items, transform };
};
const texts = (result: FirehoseTransformationResult): [string, string][] =>
  result.records.map((record) => [record.result, Buffer.from(record.data ?? "", "base64").toString()]);

test("an event passes with its original bytes and one newline; the ids are Firehose's own", async () => {
  const { transform, items } = portsWith();
  const event = firehoseEvent([eventOf(1), `${eventOf(2)}\n`, `${eventOf(3)}\n${eventOf(4)}`]);
  const result: FirehoseTransformationResult = await transform(event);
  assert.deepEqual(texts(result), [
    ["Ok", `${eventOf(1)}\n`],
    ["Ok", `${eventOf(2)}\n`],
    ["Ok", `${eventOf(3)}\n${eventOf(4)}\n`],
  ]);
  assert.deepEqual(
    result.records.map((record) => record.recordId),
    event.records.map((record) => record.recordId),
  );
  assert.deepEqual(items, []);
});

test("an aggregate that nobody has undone is undone", async () => {
  const { transform } = portsWith();
  const packed = aggregate([1, 2].map((n) => ({ partitionKey: "k", data: Buffer.from(eventOf(n)) })));
  assert.deepEqual(texts(await transform(firehoseEvent([packed]))), [["Ok", `${eventOf(1)}\n${eventOf(2)}\n`]]);
});

test("what cannot land is dropped after it is in quarantine, with its bytes; its neighbours land", async () => {
  const { transform, items } = portsWith();
  const broken = Uint8Array.of(0xf3, 0x89, 0x9a, 0xc2, ...Array<number>(20).fill(1));
  const result = await transform(
    firehoseEvent([
      "not JSON",
      eventOf(1, { kind: "?" }),
      `${eventOf(2)}\nbad\n${eventOf(3, { quantity: 1e15 })}`,
      broken,
      "",
    ]),
  );
  assert.deepEqual(texts(result), [
    ["Dropped", ""],
    ["Dropped", ""],
    ["Ok", `${eventOf(2)}\n`],
    ["Dropped", ""],
    ["Dropped", ""],
  ]);
  assert.deepEqual(
    items.map((item) => [item.code, item.source, Buffer.from(item.original).toString("latin1")]),
    [
      ["unreadable_record", "unknown", "not JSON"],
      ["unreadable_record", "shop", Buffer.from(eventOf(1, { kind: "?" })).toString("latin1")],
      ["unreadable_record", "unknown", "bad"],
      ["conversion_failed", "shop", Buffer.from(eventOf(3, { quantity: 1e15 })).toString("latin1")],
      ["invalid_encoding", "unknown", Buffer.from(broken).toString("latin1")],
    ],
  );
});

test("the same event again quarantines the same items", async () => {
  const { transform, items } = portsWith();
  await transform(firehoseEvent(["bad"]));
  await transform(firehoseEvent(["bad"]));
  assert.equal(items.length, 2);
  assert.deepEqual([items[0]?.receiptId, items[0]?.rowNumber], [items[1]?.receiptId, items[1]?.rowNumber]);
});

test("when the quarantine fails, Firehose keeps the record with the bad line, and only that one", async () => {
  const { transform } = portsWith(async () => Promise.reject(new Error("throttled")));
  const result = await transform(firehoseEvent([eventOf(1), `${eventOf(2)}\nbad`, "bad"]));
  assert.deepEqual(texts(result), [
    ["Ok", `${eventOf(1)}\n`],
    ["ProcessingFailed", ""],
    ["ProcessingFailed", ""],
  ]);
});

test("the answer never exceeds Lambda's 6 MB, and no record is without an answer", async () => {
  const { transform } = portsWith();
  const large = eventOf(1, { properties: "x".repeat(900_000) });
  // Six of these are more than one request may hold.
  const event = firehoseEvent(Array<string>(6).fill(large));
  const result = await transform(event);
  assert.ok(Buffer.byteLength(JSON.stringify(result)) < 6_291_556);
  assert.deepEqual(
    result.records.map((record) => record.result),
    ["Ok", "Ok", "Ok", "Ok", "ProcessingFailed", "ProcessingFailed"],
  );
  // What one request can hold fits into the answer: it is smaller than its request.
  const fits = firehoseEvent(Array<string>(4).fill(large));
  assert.ok(JSON.stringify(await transform(fits)).length < JSON.stringify(fits).length);
});

test("an event that is not Firehose's is refused whole", async () => {
  const { transform } = portsWith();
  await assert.rejects(transform({ Records: [] }));
});
