import assert from "node:assert/strict";
import test from "node:test";
import { aggregate } from "@ebb/core/kpl";
import { ObjectNotFound, type QuarantinedItem, TransientError } from "@ebb/ports";
import type { S3Event } from "aws-lambda";
import { make } from "./quarantine-failed.ts";

const KEY = "failed/format-conversion-failed/dt=2026-01-02/land-1-2026-01-02-03-04-05-6f1e 0a";

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
const base64 = (data: string | Uint8Array) => Buffer.from(data).toString("base64");

/** A failed conversion as AWS documents it ("Handling errors for data format conversion"). */
const conversion = (data: string | Uint8Array) =>
  JSON.stringify({
    attemptsMade: 1,
    arrivalTimestamp: 1_767_323_045_678,
    lastErrorCode: "DataFormatConversion.MalformedData",
    lastErrorMessage: "Data does not match the schema. Cannot parse 'Größe'",
    attemptEndingTimestamp: 1_767_323_110_301,
    rawData: base64(data),
    sequenceNumber: "49546986683135544286507457936321625675700192471156785154",
    subSequenceNumber: 0,
    dataCatalogTable: {
      catalogId: null,
      databaseName: "ebb_production",
      tableName: "raw_events",
      region: "eu-central-1",
      versionId: "LATEST",
      catalogArn: null,
    },
  });
/** A failed transform as AWS documents it ("Handle failure in data transformation"). */
const transform = (data: string | Uint8Array) =>
  JSON.stringify({
    rawData: base64(data),
    errorCode: "Lambda.FunctionError",
    errorMessage: "The Lambda function was successfully invoked but it returned an error result.",
    attemptsMade: 4,
    arrivalTimestamp: 1_767_323_045_678,
    attemptEndingTimestamp: 1_767_323_110_301,
    lambdaArn: "arn:aws:lambda:eu-central-1:123456789012:function:transform:$LATEST",
  });

/** What of S3's notification is said of the object (keys are encoded as in a query string). */
const created = (key: string) =>
  ({
    Records: [
      {
        eventSource: "aws:s3",
        eventName: "ObjectCreated:Put",
        s3: {
          bucket: { name: "lake", arn: "arn:aws:s3:::lake" },
          object: { key: encodeURIComponent(key).replaceAll("%2F", "/").replaceAll("%20", "+"), size: 1 },
        },
      },
    ],
  }) as unknown as S3Event;

/** Hands the object out in chunks, in one buffer that is used again, as a source may. */
async function* chunked(bytes: Buffer, size: number): AsyncGenerator<Uint8Array> {
  const buffer = Buffer.alloc(size);
  for (let from = 0; from < bytes.length; from += size) {
    await Promise.resolve();
    yield buffer.subarray(0, bytes.copy(buffer, 0, from, from + size));
  }
}

/** Runs the handler over an object; the quarantine keeps items by receipt and row, as its contract says. */
const harness = (object: string | Buffer, chunk = 65_536) => {
  const stored = new Map<string, QuarantinedItem>();
  const puts: number[] = [];
  const counted: unknown[] = [];
  let failing: Error | undefined;
  const handle = make({
    lakeFailures: {
      get: async (key) => {
        if (key !== KEY) throw new ObjectNotFound(key);
        return chunked(Buffer.from(object), chunk);
      },
    },
    quarantine: {
      put: async (items) => {
        if (failing !== undefined) throw failing;
        puts.push(items.length);
        for (const item of items) stored.set(`${item.receiptId} ${item.rowNumber}`, item);
      },
      list: () => assert.fail(),
      counts: () => assert.fail(),
      markReplayed: () => assert.fail(),
    },
    metrics: { count: (...count) => void counted.push(count) },
    now: () => 7,
  });
  const run = () => handle(created(KEY));
  return { run, stored, puts, counted, fail: (error?: Error) => void (failing = error) };
};
const seen = (stored: ReadonlyMap<string, QuarantinedItem>) =>
  [...stored.values()].map(({ code, original }) => [code, Buffer.from(original).toString("latin1")]);
const latin1 = (text: string) => Buffer.from(text).toString("latin1");

test("every event of a failed conversion and of a failed transform is quarantined with its bytes and its reason", async () => {
  const { run, stored, counted } = harness(
    [
      conversion(`${eventOf(1)}\n`),
      transform(`${eventOf(2)}\n${eventOf(3)}`),
      conversion(aggregate([4, 5].map((n) => ({ partitionKey: "k", data: Buffer.from(eventOf(n)) })))),
    ].join("\n"),
  );
  await run();
  assert.deepEqual(
    seen(stored),
    [1, 2, 3, 4, 5].map((n) => ["conversion_failed", latin1(eventOf(n))]),
  );
  const [first, second] = [...stored.values()];
  assert.deepEqual([first?.source, first?.rowNumber, first?.quarantinedAtMs, second?.rowNumber], ["shop", 0, 7, 1]);
  assert.equal(
    first?.message,
    "Firehose could not land the event: DataFormatConversion.MalformedData. It came with rcp_1.",
  );
  assert.equal(second?.message, "Firehose could not land the event: Lambda.FunctionError. It came with rcp_1.");
  assert.deepEqual(counted, [["EventsQuarantined", 5, { channel: "firehose" }]]);
});

test("what Firehose says of a value is not repeated, and its newer name for the code is read", async () => {
  const { run, stored } = harness(
    conversion(eventOf(1)).replace("lastErrorCode", "ErrorCode").replace("lastErrorMessage", "ErrorMessage"),
  );
  await run();
  const [item] = stored.values();
  assert.match(item!.message, /: DataFormatConversion\.MalformedData\./);
  assert.ok(!item!.message.includes("Größe"));
});

test("an event that our own check refuses gets the reason of that check", async () => {
  const { run, stored } = harness(
    [transform(`bad\n${eventOf(2)}`), conversion(eventOf(3, { quantity: 1e15 }))].join("\n"),
  );
  await run();
  assert.deepEqual(
    [...stored.values()].map(({ code, field }) => [code, field]),
    [
      ["unreadable_record", undefined],
      ["conversion_failed", undefined],
      ["conversion_failed", "quantity"],
    ],
  );
});

test("a line that is no error record, or holds no event, is kept whole, and its neighbours lose nothing", async () => {
  const strange = ["not JSON", '{"rawData":7}', '{"rawData":"***"}', transform(""), "[]"];
  const invalid = Buffer.from([0x1f, 0x8b, 0xff, 0x00]);
  const { run, stored } = harness(
    Buffer.concat([Buffer.from(`${conversion(eventOf(1))}\n\n${strange.join("\n")}\n`), invalid]),
    10,
  );
  await run();
  assert.deepEqual(seen(stored), [
    ["conversion_failed", latin1(eventOf(1))],
    ...[...strange, invalid.toString("latin1")].map((line) => ["unreadable_record", line]),
  ]);
});

test("a second run of the same object, in other chunks or after a failure on the way, puts the same items", async () => {
  const object = [1, 2, 3].map((n) => conversion(eventOf(n))).join("\n");
  const { run, stored, fail } = harness(object);
  fail(new TransientError("throttled"));
  await assert.rejects(run(), TransientError);
  fail(undefined);
  await run();
  const first = new Map(stored);
  await run();
  assert.equal(first.size, 3);
  assert.deepEqual(stored, first);
  const other = harness(object, 7);
  await other.run();
  assert.deepEqual(other.stored, first);
});

test("a failed buffer of many events is put in writes of a bounded size, with nothing lost", async () => {
  const many = harness(Array.from({ length: 2_500 }, (_, n) => conversion(eventOf(n))).join("\n"));
  await many.run();
  assert.deepEqual([many.stored.size, many.puts], [2_500, [1_000, 1_000, 500]]);

  const large = eventOf(1, { properties: "x".repeat(900_000) });
  const heavy = harness(Array<string>(7).fill(conversion(large)).join("\n"));
  await heavy.run();
  assert.deepEqual(heavy.puts, [5, 2]);
  assert.ok(
    [...heavy.stored.values()].every(
      ({ code, original }) =>
        code === "conversion_failed" && latin1(large) === Buffer.from(original).toString("latin1"),
    ),
  );
});

test("bytes without a line break are kept in pieces that make up the whole", async () => {
  const noise = Buffer.alloc(5_000_001, "abcdefg");
  const { run, stored } = harness(noise, 300_007);
  await run();
  const items = [...stored.values()];
  assert.deepEqual(
    items.map(({ code, rowNumber, original }) => [code, rowNumber, original.length]),
    [
      ["unreadable_record", 0, 2_000_000],
      ["unreadable_record", 1, 2_000_000],
      ["unreadable_record", 2, 1_000_001],
    ],
  );
  assert.ok(Buffer.concat(items.map(({ original }) => original)).equals(noise));
});

test("an object that cannot be read fails the run, so that it is tried again and then kept as a dead letter", async () => {
  const handle = make({
    lakeFailures: { get: async (key) => Promise.reject(new ObjectNotFound(key)) },
    quarantine: {
      put: () => assert.fail(),
      list: () => assert.fail(),
      counts: () => assert.fail(),
      markReplayed: () => assert.fail(),
    },
    metrics: { count: () => undefined },
    now: () => 7,
  });
  await assert.rejects(handle(created(KEY)), ObjectNotFound);
  await assert.rejects(handle({ uploadId: "upl_1" }));
});
