/**
 * What Firehose could not land goes to quarantine, as everything that is refused does: S3 says when Firehose has written
 * an object under its error prefix. On one machine the lake writer does this itself.
 *
 * An object holds a JSON document a failed record, one a line. Of a failed conversion:
 * https://docs.aws.amazon.com/firehose/latest/dev/record-format-conversion-error-handling.html; of a failed transform:
 * https://docs.aws.amazon.com/firehose/latest/dev/data-transformation-failure-handling.html. Both have the record's
 * bytes as base64 in `rawData`. The code of the error is called `errorCode` there, `ErrorCode` or, before, `lastErrorCode`
 * here. Objects are not compressed, because the stream's files are not (`compressionFormat` in stacks/land.ts).
 */
import type { Refusal } from "@ebb/core/reasons";
import { conversionFailed, landingReceipt, refusalOf, unlandable } from "@ebb/lake/landing";
import type { Ports, QuarantinedItem } from "@ebb/ports";
import { z } from "zod";
import { logger } from "../runtime/logger.ts";
import { onAws } from "../runtime/on-aws.ts";
import { eventLinesOf } from "../runtime/stream-records.ts";

export type FailedRecordPorts = Pick<Ports, "lakeFailures" | "quarantine" | "metrics" | "now">;

/** What is read of an S3 event notification. Keys in it are encoded as in a query string. */
const ObjectsCreated = z.object({
  Records: z.array(z.object({ s3: z.object({ object: z.object({ key: z.string() }) }) })),
});

/** What is read of an error record. Its message is not: it may repeat values of the event. */
const ErrorRecord = z.object({
  rawData: z.base64(),
  errorCode: z.string().optional(),
  ErrorCode: z.string().optional(),
  lastErrorCode: z.string().optional(),
});

/**
 * No error record is longer: a record has at most 1,000 KiB, which is 1.37 MB in base64. What comes without an end is
 * kept in pieces of this size.
 */
const LINE_BYTES = 2_000_000;
/** One write to quarantine takes this much at most; a failing table fails every record of a 64 MB buffer. */
const PUT_ITEMS = 1_000;
const PUT_BYTES = 4_000_000;

const NEWLINE = 0x0a;

export const make =
  (ports: FailedRecordPorts) =>
  async (event: unknown): Promise<void> => {
    for (const { s3 } of ObjectsCreated.parse(event).Records)
      await quarantineObject(ports, decodeURIComponent(s3.object.key.replaceAll("+", " ")));
  };

export const handler = onAws(make);

/**
 * Every event of the object, named by the object and its place in it: a second run puts the same items.
 * @throws TransientError, ObjectNotFound
 */
const quarantineObject = async (ports: FailedRecordPorts, key: string): Promise<void> => {
  const receiptId = landingReceipt("failed", key);
  let items: QuarantinedItem[] = [];
  let bytes = 0;
  let total = 0;
  const put = async (): Promise<void> => {
    if (items.length === 0) return;
    await ports.quarantine.put(items);
    ports.metrics.count("EventsQuarantined", items.length, { channel: "firehose" });
    items = [];
    bytes = 0;
  };
  for await (const line of linesIn(await ports.lakeFailures.get(key)))
    for (const { original, refusal } of refusedIn(line)) {
      items.push({ ...unlandable(original, refusal, ports.now()), receiptId, rowNumber: total++ });
      bytes += original.length;
      if (items.length >= PUT_ITEMS || bytes >= PUT_BYTES) await put();
    }
  await put();
  logger.warn("events that Firehose could not land are in quarantine", { object: key, receiptId, events: total });
};

interface Refused {
  readonly original: Uint8Array;
  readonly refusal: Refusal;
}

const unreadable: Refusal = {
  code: "unreadable_record",
  message: "Firehose could not land a record, and what it wrote of it cannot be read.",
};

/** The events of one error record. A line that is none, or holds no event, is kept as it is. */
const refusedIn = (line: Uint8Array): readonly Refused[] => {
  const record = errorRecordOf(line);
  const events = record === undefined ? [] : eventLinesOf(Buffer.from(record.rawData, "base64"));
  if (record === undefined || events.length === 0) return [{ original: line, refusal: unreadable }];
  const failure = failureOf(record);
  return events.map((original) => ({ original, refusal: refusalOf(original) ?? failure }));
};

const errorRecordOf = (line: Uint8Array): z.infer<typeof ErrorRecord> | undefined => {
  try {
    return ErrorRecord.safeParse(JSON.parse(Buffer.from(line).toString("utf8"))).data;
  } catch {
    return undefined;
  }
};

/** The event is as it should be by our own check, so Firehose's word is all there is. */
const failureOf = ({ errorCode, ErrorCode, lastErrorCode }: z.infer<typeof ErrorRecord>): Refusal => {
  const code = errorCode ?? ErrorCode ?? lastErrorCode ?? "";
  const named = /^[\w.]{1,80}$/.test(code) ? `: ${code}` : "";
  return { code: conversionFailed.code, message: `Firehose could not land the event${named}.` };
};

/** Lines that are not empty, without their line breaks; in pieces where they are longer than LINE_BYTES. */
async function* linesIn(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Buffer> {
  let held: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of chunks)
    for (let from = 0; from < chunk.length;) {
      const found = chunk.indexOf(NEWLINE, from);
      const to = Math.min(found === -1 ? chunk.length : found, from + LINE_BYTES - bytes);
      // A source may use its buffer again: what is kept is copied.
      held.push(Buffer.from(chunk.subarray(from, to)));
      bytes += to - from;
      if (to === found || bytes === LINE_BYTES) {
        if (bytes > 0) yield Buffer.concat(held);
        held = [];
        bytes = 0;
      }
      from = to === found ? to + 1 : to;
    }
  if (bytes > 0) yield Buffer.concat(held);
}
