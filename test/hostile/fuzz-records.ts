/** What parsers behind the front door read: stream records in both packings, a database's COPY stream. */
import assert from "node:assert/strict";
import type { KinesisStreamRecord } from "aws-lambda";
import fc from "fast-check";
import { STREAM_SCHEMA_VERSION } from "@ebb/core/kinds";
import { aggregate } from "@ebb/core/kpl";
import { reasonCodes } from "@ebb/core/reasons";
import { make as makeTransform } from "@ebb/functions/land/transform-records";
import { readRecord } from "@ebb/functions/score/read-events";
import type { QuarantinedItem } from "@ebb/ports";
import { copyRows } from "@ebb/ports/source-readers/copy-text";
import { MemorySuppressions } from "@ebb/ports/suppression-list";
import { type Answer, type Part, part } from "./fuzz-parts.ts";
import { anyJson, jsonOf, mutated, oddText } from "./fuzz-texts.ts";

const NOW_MS = Date.UTC(2026, 10, 22);
const suppressions = new MemorySuppressions("a second secret of thirty-two and more characters");

const goodEvent = (id: number): string =>
  jsonOf({
    event_id: `evt_${String(id).padStart(32, "0")}`,
    kind: "order_completed",
    name: "Order Completed",
    source: "shop",
    channel: "http",
    schema_version: STREAM_SCHEMA_VERSION,
    occurred_at: "2026-11-20T00:00:00.000Z",
    received_at: "2026-11-20T00:00:00.000Z",
    receipt_id: "rcp_1",
    receipt_number: id,
    customer_key: "cus_".padEnd(36, "0"),
    order_id: `o-${id}`,
    order_rank: 2,
    order_version: 1,
    reporting_currency: "EUR",
    reporting_minor: 1_000,
  });

const goodLine = fc.nat(50).map(goodEvent);
const line = fc.oneof(
  { weight: 4, arbitrary: goodLine },
  mutated(goodLine.map((text) => Buffer.from(text))).map(String),
  anyJson.map(jsonOf),
  oddText,
);
const record: fc.Arbitrary<Buffer> = fc.oneof(
  fc.array(line, { maxLength: 4 }).map((lines) => Buffer.from(lines.join("\n"))),
  fc
    .array(line, { minLength: 1, maxLength: 4 })
    .map((lines) => Buffer.from(aggregate(lines.map((text) => ({ partitionKey: "a", data: Buffer.from(text) }))))),
  mutated(
    fc
      .array(line, { minLength: 1, maxLength: 3 })
      .map((lines) => Buffer.from(aggregate(lines.map((text) => ({ partitionKey: "a", data: Buffer.from(text) }))))),
  ),
  fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes)),
);

const reasoned = (items: readonly QuarantinedItem[]): void => {
  for (const { code, message } of items) {
    assert.ok((reasonCodes as readonly string[]).includes(code), code);
    assert.ok(message.length > 10, "refused without a reason");
  }
};

/** Every record is answered once; every line of it lands or is quarantined. */
const transform = part(
  "stream records, land",
  25,
  fc.array(record, { maxLength: 5 }),
  async (records): Promise<Answer> => {
    const refused: QuarantinedItem[] = [];
    const work = makeTransform({
      now: () => NOW_MS,
      suppressions,
      metrics: { count: () => undefined },
      quarantine: { put: async (items: readonly QuarantinedItem[]) => void refused.push(...items) } as never,
    });
    const event = { records: records.map((data, at) => ({ recordId: String(at), data: data.toString("base64") })) };
    const answer = await work(event);
    assert.deepEqual(
      answer.records.map(({ recordId }) => recordId),
      event.records.map(({ recordId }) => recordId),
    );
    reasoned(refused);
    for (const { result, data } of answer.records) {
      assert.notEqual(result, "ProcessingFailed");
      for (const landed of Buffer.from(data, "base64").toString("utf8").split("\n"))
        if (landed !== "") JSON.parse(landed);
    }
    return refused.length === 0 ? "landed" : "quarantined in part";
  },
);

const score = part("stream records, score", 25, record, async (data): Promise<Answer> => {
  const { events, unreadable } = readRecord(
    { kinesis: { sequenceNumber: "1", data: data.toString("base64") } } as KinesisStreamRecord,
    NOW_MS,
  );
  reasoned(unreadable);
  for (const { event } of events) assert.ok(event.kind.startsWith("order_"));
  return unreadable.length > 0 ? "quarantined in part" : events.length > 0 ? "read" : "nothing to score";
});

const copied = (text: string): string =>
  text.replaceAll("\\", "\\\\").replaceAll("\n", "\\n").replaceAll("\r", "\\r").replaceAll("\t", "\\t");
const cell = fc.oneof(
  oddText.map((text) => text.toWellFormed()),
  fc.constant(null),
);

/** What PostgreSQL would have written is read as it was, wherever the stream is cut. */
const copy = part(
  "COPY text, cut anywhere",
  10,
  fc.tuple(
    fc.array(fc.array(cell, { minLength: 2, maxLength: 4 }), { maxLength: 5 }),
    fc.array(fc.nat(500), { maxLength: 5 }),
  ),
  async ([rows, cuts]): Promise<Answer> => {
    const bytes = Buffer.from(
      rows.map((row) => `${row.map((each) => (each === null ? "\\N" : copied(each))).join("\t")}\n`).join(""),
    );
    const at = [0, ...cuts.map((cut) => cut % (bytes.length + 1)).sort((a, b) => a - b), bytes.length];
    const read: unknown[] = [];
    const pieces = (async function* () {
      for (let index = 1; index < at.length; index++)
        if (at[index]! > at[index - 1]!) yield bytes.subarray(at[index - 1], at[index]); // a socket gives no empty chunk
    })();
    for await (const some of copyRows(pieces)) read.push(...some);
    assert.deepEqual(read, rows);
    return "read";
  },
);

export const recordParts: readonly Part[] = [transform, score, copy];
