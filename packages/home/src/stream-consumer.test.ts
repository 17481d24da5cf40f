import assert from "node:assert/strict";
import { test } from "node:test";
import type { KinesisStreamEvent } from "aws-lambda";
import { scoreConsumer } from "@ebb/functions/declarations";
import { bytesOf } from "@ebb/functions/runtime/stream-records";
import { type ConsumerParts, type LogRecord, StreamConsumer, sequenceNumberOf } from "./stream-consumer.ts";

/** A store of one number and one offset, whose transactions can be seen to undo. */
const store = () => {
  let kept = { sum: 0, offset: 0 };
  return {
    get kept() {
      return kept;
    },
    add: (value: number) => (kept = { ...kept, sum: kept.sum + value }),
    offset: async () => kept.offset,
    saveOffset: async (_: string, seq: number) => void (kept = { ...kept, offset: seq }),
    transaction: async <T>(work: () => Promise<T>): Promise<T> => {
      const before = kept;
      try {
        return await work();
      } catch (error) {
        kept = before;
        throw error;
      }
    },
  };
};

const log = (values: readonly number[]): LogRecord[] =>
  values.map((value, index) => ({ seq: index + 1, arrivedAtMs: 1_000, data: Buffer.from(String(value)) }));

const valueOf = (record: KinesisStreamEvent["Records"][number]): number =>
  Number(Buffer.from(record.kinesis.data, "base64").toString());

const run = async (
  records: readonly LogRecord[],
  kept: ReturnType<typeof store>,
  handle: ConsumerParts["handle"],
  settings: Partial<typeof scoreConsumer> = {},
) => {
  const letters = new Map<string, string>();
  const slept: number[] = [];
  const consumer = await StreamConsumer.open({
    settings: { ...scoreConsumer, batchSize: 4, maximumRetryAttempts: 2, ...settings },
    handle,
    source: { read: (after, max) => records.filter(({ seq }) => seq > after).slice(0, max) },
    effects: kept,
    deadLetters: { put: async (key, body) => void letters.set(key, Buffer.from(body as Uint8Array).toString()) },
    metrics: { count: () => undefined },
    now: () => 2_000,
    timeoutMs: 60_000,
    sleep: async (ms) => void slept.push(ms),
  });
  const { signal } = new AbortController();
  while (await consumer.step(signal));
  return { consumer, letters, slept };
};

test("every record reaches the handler once and the offset ends on the last", async () => {
  const kept = store();
  const batches: number[] = [];
  const { consumer } = await run(log([1, 2, 3, 4, 5, 6]), kept, async (event) => {
    batches.push(event.Records.length);
    for (const record of event.Records) kept.add(valueOf(record));
  });
  assert.deepEqual(kept.kept, { sum: 21, offset: 6 });
  assert.deepEqual(batches, [4, 2]);
  assert.equal(consumer.offset, 6);
});

test("a batch that throws leaves nothing behind, and is delivered again in halves until the poisoned record is alone", async () => {
  const kept = store();
  const { letters } = await run(log([1, 2, 3, 4]), kept, async (event) => {
    for (const record of event.Records) {
      kept.add(valueOf(record));
      if (valueOf(record) === 3) throw new Error("poison");
    }
  });
  assert.deepEqual(kept.kept, { sum: 1 + 2 + 4, offset: 4 });
  assert.equal(letters.size, 1);
});

test("what is reported as failed is delivered again from the lowest sequence number on, and what stood before is kept", async () => {
  const kept = store();
  const seen: number[][] = [];
  let refusals = 1;
  await run(log([1, 2, 3, 4]), kept, async (event) => {
    seen.push(event.Records.map(valueOf));
    for (const record of event.Records) {
      if (valueOf(record) === 3 && refusals-- > 0)
        return { batchItemFailures: [{ itemIdentifier: record.kinesis.sequenceNumber }] };
      kept.add(valueOf(record));
    }
    return { batchItemFailures: [] };
  });
  assert.deepEqual(seen, [
    [1, 2, 3, 4],
    [3, 4],
  ]);
  assert.deepEqual(kept.kept, { sum: 10, offset: 4 });
});

test("a record in process reads as one that travelled", async () => {
  const bytes = Buffer.from([0xff, 0, 0x0a, 0x80]);
  await run([{ seq: 1, arrivedAtMs: 1_000, data: bytes }], store(), async ({ Records }) => {
    const payload = Records[0]!.kinesis;
    const travelled = (JSON.parse(JSON.stringify(Records[0])) as (typeof Records)[0]).kinesis;
    assert.equal(travelled.data, bytes.toString("base64"));
    assert.deepEqual(bytesOf(travelled), bytes);
    assert.deepEqual(bytesOf(payload), bytes);
    assert.deepEqual({ ...travelled }, JSON.parse(JSON.stringify(payload)));
  });
});

test("a dead letter holds the whole invocation record", async () => {
  const kept = store();
  const { letters, slept } = await run(log([7]), kept, async () => {
    throw new Error("always");
  });
  const [[key, text]] = [...letters] as [[string, string]];
  const letter = JSON.parse(text) as {
    payload: string;
    requestContext: { condition: string; approximateInvokeCount: number };
    KinesisBatchInfo: { startSequenceNumber: string; batchSize: number };
  };
  assert.match(key, /^failed\/score\//);
  assert.equal(letter.requestContext.condition, "RetryAttemptsExhausted");
  assert.equal(letter.requestContext.approximateInvokeCount, 3);
  assert.equal(letter.KinesisBatchInfo.startSequenceNumber, sequenceNumberOf(1));
  assert.equal(valueOf((JSON.parse(letter.payload) as KinesisStreamEvent).Records[0]!), 7);
  assert.deepEqual(slept, [100, 200], "retries wait longer each time");
  assert.equal(kept.kept.offset, 1, "the record is behind the consumer");
});

test("a fault of the store is not held against the records", async () => {
  const kept = store();
  const broken = { ...kept, saveOffset: async () => Promise.reject(new Error("disk")) };
  await assert.rejects(
    run(log([1]), broken, async () => undefined),
    /disk/,
  );
  assert.equal(kept.kept.offset, 0);
});

test("sequence numbers compare as text as they do as numbers", () => {
  const numbers = [1, 9, 10, 99, 100, 2 ** 53 - 1];
  assert.deepEqual(numbers.map(sequenceNumberOf).toSorted(), numbers.map(sequenceNumberOf));
});
