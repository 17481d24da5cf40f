/**
 * The event log on Kinesis. Events of one bucket of customers are packed in one stream record; the buckets are spread
 * evenly over the hash range, so that shards share the load and a customer's events stay in one of them.
 */
import type { KinesisClient, PutRecordsRequestEntry } from "@aws-sdk/client-kinesis";
import { PutRecordsCommand } from "@aws-sdk/client-kinesis";
import { USER_RECORD_OVERHEAD_BYTES, aggregate } from "@ebb/core/kpl";
import type { UserRecord } from "@ebb/core/kpl";
import { limits } from "@ebb/core/limits";
import type { Appended, EncodedEvent, EventLog, QuarantinedItem, ReceiptPart } from "../ports.ts";
import { TransientError } from "../ports.ts";
import { ATTEMPTS, backOff, calling } from "./errors.ts";
import type { DynamoLedger } from "./ledger.ts";
import type { S3Quarantine } from "./quarantine.ts";

/** PutRecords: at most 500 records and 5 MB a call, partition keys counted (Kinesis API reference). */
const CALL_RECORDS = 500;
const CALL_BYTES = 5_000_000;

/** FNV-1a over the UTF-16 units: cheap, and even enough over some dozens of buckets. */
const bucketOf = (partitionKey: string, buckets: number): number => {
  let state = 0x811c9dc5;
  for (let index = 0; index < partitionKey.length; index++) {
    state = Math.imul(state ^ partitionKey.charCodeAt(index), 0x01000193);
  }
  return (state >>> 0) % buckets;
};

/** The middle of a bucket's part of the 128-bit hash range. */
const hashKeyOf = (bucket: number, buckets: number): string =>
  (((2n * BigInt(bucket) + 1n) << 127n) / BigInt(buckets)).toString();

/** Packs events into stream records, each of one bucket, in the order in which they came. */
export const packed = (events: readonly EncodedEvent[], buckets: number): PutRecordsRequestEntry[] => {
  const open = new Map<number, { records: UserRecord[]; bytes: number }>();
  const entries: PutRecordsRequestEntry[] = [];
  const close = (bucket: number, records: readonly UserRecord[]): void => {
    entries.push({
      Data: aggregate(records),
      PartitionKey: `bucket-${bucket}`,
      ExplicitHashKey: hashKeyOf(bucket, buckets),
    });
  };
  for (const { partitionKey, json } of events) {
    const bucket = bucketOf(partitionKey, buckets);
    const data = Buffer.from(json);
    const bytes = data.length + Buffer.byteLength(partitionKey) + USER_RECORD_OVERHEAD_BYTES;
    let pack = open.get(bucket);
    if (pack && (pack.records.length === limits.recordEvents || pack.bytes + bytes > limits.recordBytes)) {
      close(bucket, pack.records);
      pack = undefined;
    }
    if (pack === undefined) open.set(bucket, (pack = { records: [], bytes: 0 }));
    pack.records.push({ partitionKey, data });
    pack.bytes += bytes;
  }
  for (const [bucket, { records }] of open) close(bucket, records);
  return entries;
};

/** Splits records into calls that the service takes. */
const callsOf = (entries: readonly PutRecordsRequestEntry[]): PutRecordsRequestEntry[][] => {
  const calls: PutRecordsRequestEntry[][] = [];
  let bytes = Infinity;
  for (const entry of entries) {
    const entryBytes = entry.Data!.length + entry.PartitionKey!.length;
    if (bytes + entryBytes > CALL_BYTES || calls.at(-1)!.length === CALL_RECORDS) {
      calls.push([]);
      bytes = 0;
    }
    calls.at(-1)!.push(entry);
    bytes += entryBytes;
  }
  return calls;
};

export class KinesisEventLog implements EventLog {
  readonly #client: KinesisClient;
  readonly #stream: string;
  readonly #buckets: number;
  readonly #ledger: DynamoLedger;
  readonly #quarantine: S3Quarantine;

  constructor(
    client: KinesisClient,
    { stream, buckets }: { stream: string; buckets: number },
    { ledger, quarantine }: { ledger: DynamoLedger; quarantine: S3Quarantine },
  ) {
    this.#client = client;
    this.#stream = stream;
    this.#buckets = buckets;
    this.#ledger = ledger;
    this.#quarantine = quarantine;
  }

  /**
   * Quarantine, then stream, then ledger: a line in the ledger never claims what is not stored. A crash in between
   * leaves events without a line; the producer's retry brings the same event ids again, and they count once.
   */
  async append(
    part: ReceiptPart,
    events: readonly EncodedEvent[],
    quarantined: readonly QuarantinedItem[],
  ): Promise<Appended> {
    // A request comes with a receipt of its own each time; others' parts are committed again: those of an upload that
    // goes on, and a hook's delivery that comes twice.
    if (part.channel !== "http") {
      const appended = await this.#ledger.committed(part);
      if (appended !== undefined) return { appended, duplicates: undefined };
    }
    await this.#quarantine.putPart(part, quarantined);
    for (const call of callsOf(packed(events, this.#buckets))) await this.#put(call);
    return { appended: await this.#ledger.commit(part, events.length), duplicates: undefined };
  }

  /** Puts one call's records; those that the answer names as failed are put again, and only those. */
  async #put(call: readonly PutRecordsRequestEntry[]): Promise<void> {
    let left = [...call];
    let reason: string | undefined;
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      if (attempt > 0) await backOff(attempt);
      const records = left;
      const answer = await calling("writing to the stream", () =>
        this.#client.send(new PutRecordsCommand({ StreamName: this.#stream, Records: records })),
      );
      if ((answer.FailedRecordCount ?? 0) === 0) return;
      const results = answer.Records ?? [];
      left = records.filter((_, index) => results[index]?.ErrorCode !== undefined || results[index] === undefined);
      if (left.length === 0) return;
      reason = results.find((result) => result.ErrorCode !== undefined)?.ErrorCode;
    }
    throw new TransientError(
      `the stream refused ${left.length} of ${call.length} records (${reason ?? "no reason given"})`,
    );
  }
}
