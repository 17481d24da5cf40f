/** Kinesis, what Firehose does with records, and whether Athena answers. */
import { setTimeout as sleep } from "node:timers/promises";
import * as athena from "@aws-sdk/client-athena";
import * as firehose from "@aws-sdk/client-firehose";
import * as kinesis from "@aws-sdk/client-kinesis";
import * as s3 from "@aws-sdk/client-s3";
import type { Check, Clients } from "./check.ts";
import { bucket, refusal } from "./check.ts";

let streams = 0;
const stream = async ({ kinesis: client }: Clients): Promise<string> => {
  const StreamName = `probe-stream-${streams++}`;
  await client.send(new kinesis.CreateStreamCommand({ StreamName, ShardCount: 2 }));
  await kinesis.waitUntilStreamExists({ client, maxWaitTime: 20, minDelay: 1 }, { StreamName });
  return StreamName;
};

const KINESIS = ["moto", "ministack"] as const;

export const streamChecks: readonly Check[] = [
  {
    service: "Kinesis",
    what: "bytes come back as they were, in the shard that ExplicitHashKey names",
    on: KINESIS,
    look: async (clients) => {
      const StreamName = await stream(clients);
      const sent = [Buffer.from([0, 1, 0xf3, 0x89, 0x9a, 0xc2, 255]), Buffer.from("é")];
      const { Records = [] } = await clients.kinesis.send(
        new kinesis.PutRecordsCommand({
          StreamName,
          Records: sent.map((Data, index) => ({
            Data,
            PartitionKey: "same",
            ExplicitHashKey: index === 0 ? "0" : (3n << 126n).toString(),
          })),
        }),
      );
      const shards = new Set(Records.map(({ ShardId }) => ShardId));
      const same = await Promise.all(
        Records.map(async ({ ShardId, SequenceNumber }, index) => {
          const { ShardIterator } = await clients.kinesis.send(
            new kinesis.GetShardIteratorCommand({
              StreamName,
              ShardId: ShardId!,
              ShardIteratorType: "AT_SEQUENCE_NUMBER",
              StartingSequenceNumber: SequenceNumber,
            }),
          );
          const got = await clients.kinesis.send(new kinesis.GetRecordsCommand({ ShardIterator }));
          return Buffer.compare(got.Records![0]!.Data!, sent[index]!) === 0;
        }),
      );
      return `${same.every(Boolean) ? "yes" : "NO: bytes differ"}, ${shards.size === 2 ? "yes" : "NO: one shard"}`;
    },
  },
  {
    service: "Kinesis",
    what: "the last hash key of the range",
    on: KINESIS,
    look: async (clients) => {
      const StreamName = await stream(clients);
      const Records = [{ Data: Buffer.from("x"), PartitionKey: "a", ExplicitHashKey: ((1n << 128n) - 1n).toString() }];
      return refusal(() => clients.kinesis.send(new kinesis.PutRecordsCommand({ StreamName, Records })));
    },
  },
  {
    service: "Kinesis",
    what: "PutRecords of 501 records",
    on: KINESIS,
    look: async (clients) => {
      const StreamName = await stream(clients);
      const Records = Array.from({ length: 501 }, () => ({ Data: Buffer.from("x"), PartitionKey: "a" }));
      return refusal(() => clients.kinesis.send(new kinesis.PutRecordsCommand({ StreamName, Records })));
    },
  },
  {
    service: "Kinesis",
    what: "PutRecords of 11 MB",
    on: KINESIS,
    look: async (clients) => {
      const StreamName = await stream(clients);
      const Records = Array.from({ length: 11 }, () => ({ Data: Buffer.alloc(1_000_000), PartitionKey: "a" }));
      return refusal(() => clients.kinesis.send(new kinesis.PutRecordsCommand({ StreamName, Records })));
    },
  },
  {
    service: "Kinesis",
    what: "ever throttles (3 MB to one shard in a second)",
    on: KINESIS,
    look: async (clients) => {
      const StreamName = await stream(clients);
      const Records = Array.from({ length: 4 }, () => ({ Data: Buffer.alloc(900_000), PartitionKey: "a" }));
      const { FailedRecordCount } = await clients.kinesis.send(new kinesis.PutRecordsCommand({ StreamName, Records }));
      return `${FailedRecordCount} failed of 4`;
    },
  },
  {
    service: "Firehose",
    what: "a record put reaches S3; the Parquet conversion asked for is done",
    on: KINESIS,
    look: async (clients) => {
      const Bucket = await bucket(clients);
      await clients.firehose.send(
        new firehose.CreateDeliveryStreamCommand({
          DeliveryStreamName: "probe",
          DeliveryStreamType: "DirectPut",
          ExtendedS3DestinationConfiguration: {
            RoleARN: "arn:aws:iam::123456789012:role/probe",
            BucketARN: `arn:aws:s3:::${Bucket}`,
            BufferingHints: { IntervalInSeconds: 1, SizeInMBs: 64 },
            DataFormatConversionConfiguration: {
              Enabled: true,
              InputFormatConfiguration: { Deserializer: { OpenXJsonSerDe: {} } },
              OutputFormatConfiguration: { Serializer: { ParquetSerDe: {} } },
              SchemaConfiguration: {
                DatabaseName: "d",
                TableName: "t",
                RoleARN: "arn:aws:iam::123456789012:role/probe",
              },
            },
          },
        }),
      );
      const Records = ['{"a":1}\n', '{"a":2}\n'].map((line) => ({ Data: Buffer.from(line) }));
      await clients.firehose.send(new firehose.PutRecordBatchCommand({ DeliveryStreamName: "probe", Records }));
      await sleep(3_000);
      const { Contents = [] } = await clients.s3.send(new s3.ListObjectsV2Command({ Bucket }));
      const first = Contents[0]?.Key;
      if (first === undefined) return "nothing arrived in 3 s";
      const { Body } = await clients.s3.send(new s3.GetObjectCommand({ Bucket, Key: first }));
      const bytes = Buffer.from(await Body!.transformToByteArray());
      return `${Contents.length} objects for 2 records; ${bytes.subarray(0, 4).toString("latin1") === "PAR1" ? "Parquet" : "NO: JSON as sent"}`;
    },
  },
  {
    service: "Athena",
    what: "runs SELECT 1 + 1 AS two",
    on: KINESIS,
    look: async (clients) => {
      const Bucket = await bucket(clients);
      const { QueryExecutionId } = await clients.athena.send(
        new athena.StartQueryExecutionCommand({
          QueryString: "SELECT 1 + 1 AS two",
          ResultConfiguration: { OutputLocation: `s3://${Bucket}/results/` },
        }),
      );
      let state = "";
      for (let tries = 0; tries < 20 && !["SUCCEEDED", "FAILED"].includes(state); tries++) {
        await sleep(200);
        const answer = await clients.athena.send(new athena.GetQueryExecutionCommand({ QueryExecutionId }));
        state = answer.QueryExecution?.Status?.State ?? "";
      }
      const { ResultSet } = await clients.athena.send(new athena.GetQueryResultsCommand({ QueryExecutionId }));
      const rows = (ResultSet?.Rows ?? []).map((row) => (row.Data ?? []).map((cell) => cell.VarCharValue).join("|"));
      const types = (ResultSet?.ResultSetMetadata?.ColumnInfo ?? []).map(({ Type }) => Type).join("|");
      return `${state}: ${rows.join(" / ") || "no rows"}; type ${types || "not told"}`;
    },
  },
];
