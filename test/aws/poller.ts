/**
 * What Lambda's event source mapping does between Kinesis and a function: reads each shard from its beginning, hands
 * batches over as Kinesis events, and honours `batchItemFailures`, retries, bisection and the failure destination.
 * (Lambda developer guide, "Using Lambda to process records from Amazon Kinesis Data Streams".)
 */
import type { KinesisClient, _Record as KinesisRecord } from "@aws-sdk/client-kinesis";
import { GetRecordsCommand, GetShardIteratorCommand, ListShardsCommand } from "@aws-sdk/client-kinesis";
import type { KinesisStreamBatchResponse, KinesisStreamEvent, KinesisStreamRecord } from "aws-lambda";
import { eventTextsOf } from "@ebb/functions/runtime/stream-records";

export interface Mapping {
  readonly batchSize: number;
  readonly maximumRetryAttempts: number;
  readonly bisectBatchOnFunctionError: boolean;
}
export type StreamHandler = (event: KinesisStreamEvent) => Promise<KinesisStreamBatchResponse>;

const ACCOUNT = "000000000000";

const lambdaRecord = (stream: string, shardId: string, record: KinesisRecord): KinesisStreamRecord => ({
  awsRegion: "us-east-1",
  eventID: `${shardId}:${record.SequenceNumber}`,
  eventName: "aws:kinesis:record",
  eventSource: "aws:kinesis",
  eventSourceARN: `arn:aws:kinesis:us-east-1:${ACCOUNT}:stream/${stream}`,
  eventVersion: "1.0",
  invokeIdentityArn: `arn:aws:iam::${ACCOUNT}:role/score`,
  kinesis: {
    kinesisSchemaVersion: "1.0",
    partitionKey: record.PartitionKey!,
    sequenceNumber: record.SequenceNumber!,
    data: Buffer.from(record.Data!).toString("base64"),
    approximateArrivalTimestamp: (record.ApproximateArrivalTimestamp ?? new Date()).getTime() / 1000,
  },
});

/** All records of a stream by shard, from the oldest to where the stream ends now. */
export const readStream = async (
  client: KinesisClient,
  stream: string,
): Promise<Map<string, KinesisStreamRecord[]>> => {
  const { Shards = [] } = await client.send(new ListShardsCommand({ StreamName: stream }));
  const shards = Shards.map(async ({ ShardId }): Promise<[string, KinesisStreamRecord[]]> => {
    const records: KinesisStreamRecord[] = [];
    let { ShardIterator: iterator } = await client.send(
      new GetShardIteratorCommand({ StreamName: stream, ShardId, ShardIteratorType: "TRIM_HORIZON" }),
    );
    while (iterator !== undefined) {
      const page = await client.send(new GetRecordsCommand({ ShardIterator: iterator }));
      for (const record of page.Records ?? []) records.push(lambdaRecord(stream, ShardId!, record));
      const end = (page.Records ?? []).length === 0 && (page.MillisBehindLatest ?? 0) === 0;
      iterator = end ? undefined : page.NextShardIterator;
    }
    return [ShardId!, records];
  });
  return new Map(await Promise.all(shards));
};

/** The JSON texts of all events on a stream, in order within a shard. */
export const readEventTexts = async (client: KinesisClient, stream: string): Promise<string[]> =>
  [...(await readStream(client, stream)).values()].flatMap((records) =>
    records.flatMap((record) => eventTextsOf(Buffer.from(record.kinesis.data, "base64"))),
  );

export interface Delivery {
  readonly invocations: number;
  /** Records that were given up: what would lie in the failure destination. */
  readonly deadLetters: readonly KinesisStreamRecord[];
}

/** Delivers one shard's records in order, batch after batch, until each is done or given up. */
export const deliver = async (
  records: readonly KinesisStreamRecord[],
  handler: StreamHandler,
  mapping: Mapping,
): Promise<Delivery> => {
  let invocations = 0;
  const deadLetters: KinesisStreamRecord[] = [];

  /** Hands a batch over; the number of records at its beginning that are done, or `threw`. */
  const attempt = async (batch: readonly KinesisStreamRecord[]): Promise<number | "threw"> => {
    invocations++;
    try {
      const { batchItemFailures = [] } = await handler({ Records: [...batch] });
      if (batchItemFailures.length === 0) return batch.length;
      // The lowest failed sequence number is a checkpoint, not a selection: from there on everything comes again. An
      // identifier that is not in the batch fails it whole.
      const failed = new Set(batchItemFailures.map(({ itemIdentifier }) => itemIdentifier));
      return Math.max(
        0,
        batch.findIndex((record) => failed.has(record.kinesis.sequenceNumber)),
      );
    } catch {
      return "threw";
    }
  };

  const settle = async (batch: readonly KinesisStreamRecord[], retries: number): Promise<void> => {
    const done = await attempt(batch);
    if (done === batch.length) return;
    if (done === "threw" && mapping.bisectBatchOnFunctionError && batch.length > 1) {
      // Bisecting does not use up a retry.
      const middle = Math.ceil(batch.length / 2);
      await settle(batch.slice(0, middle), retries);
      await settle(batch.slice(middle), retries);
    } else if (done !== "threw" && done > 0) await settle(batch.slice(done), mapping.maximumRetryAttempts);
    else if (retries > 0) await settle(batch, retries - 1);
    else deadLetters.push(...batch);
  };

  for (let start = 0; start < records.length; start += mapping.batchSize) {
    await settle(records.slice(start, start + mapping.batchSize), mapping.maximumRetryAttempts);
  }
  return { invocations, deadLetters };
};

/** Delivers the whole stream: shards side by side, each in its order. */
export const deliverStream = async (
  client: KinesisClient,
  stream: string,
  handler: StreamHandler,
  mapping: Mapping,
): Promise<Delivery> => {
  const shards = [...(await readStream(client, stream)).values()];
  const deliveries = await Promise.all(shards.map((records) => deliver(records, handler, mapping)));
  return {
    invocations: deliveries.reduce((sum, delivery) => sum + delivery.invocations, 0),
    deadLetters: deliveries.flatMap((delivery) => delivery.deadLetters),
  };
};
