/**
 * What each emulator does of the things our adapters stand on, found by asking it. Prints the table of
 * docs/emulators.md: `node test/aws/probe.ts`.
 */
import { setTimeout as sleep } from "node:timers/promises";
import * as athena from "@aws-sdk/client-athena";
import * as dynamo from "@aws-sdk/client-dynamodb";
import * as firehose from "@aws-sdk/client-firehose";
import * as kinesis from "@aws-sdk/client-kinesis";
import * as s3 from "@aws-sdk/client-s3";
import { getSignedUrl } from "@aws-sdk/s3-request-presigner";
import { NodeHttpHandler } from "@smithy/node-http-handler";
import type { EmulatorName } from "./emulators.ts";
import { startEmulator } from "./emulators.ts";

const options = (endpoint: string) => ({
  endpoint,
  region: "us-east-1",
  credentials: { accessKeyId: "test", secretAccessKey: "test" },
  requestHandler: new NodeHttpHandler({ requestTimeout: 20_000, throwOnRequestTimeout: true }),
  maxAttempts: 1,
});

const clientsFor = (endpoint: string) => ({
  athena: new athena.AthenaClient(options(endpoint)),
  dynamo: new dynamo.DynamoDBClient(options(endpoint)),
  firehose: new firehose.FirehoseClient(options(endpoint)),
  kinesis: new kinesis.KinesisClient(options(endpoint)),
  s3: new s3.S3Client({ ...options(endpoint), forcePathStyle: true, requestChecksumCalculation: "WHEN_REQUIRED" }),
});
type Clients = ReturnType<typeof clientsFor>;

interface Check {
  readonly service: string;
  readonly what: string;
  readonly on: readonly EmulatorName[];
  /** What was seen, in a few words. An error is reported by its name. */
  readonly look: (clients: Clients) => Promise<string>;
}

/** The name of an error; an answer that is no AWS error at all cannot be parsed by the SDK. */
const nameOf = (error: unknown): string => {
  if (!(error instanceof Error)) return String(error);
  return error.name === "SyntaxError" ? "500, an HTML page" : error.name;
};

const refusal = async (call: () => Promise<unknown>): Promise<string> => {
  try {
    await call();
    return "accepted";
  } catch (error) {
    return nameOf(error);
  }
};

let tables = 0;
const table = async ({ dynamo: client }: Clients): Promise<string> => {
  const TableName = `probe-${tables++}`;
  await client.send(
    new dynamo.CreateTableCommand({
      TableName,
      BillingMode: "PAY_PER_REQUEST",
      KeySchema: [
        { AttributeName: "pk", KeyType: "HASH" },
        { AttributeName: "sk", KeyType: "RANGE" },
      ],
      AttributeDefinitions: ["pk", "sk", "shard", "at"].map((AttributeName) => ({ AttributeName, AttributeType: "S" })),
      GlobalSecondaryIndexes: [
        {
          IndexName: "newest",
          KeySchema: [
            { AttributeName: "shard", KeyType: "HASH" },
            { AttributeName: "at", KeyType: "RANGE" },
          ],
          Projection: { ProjectionType: "ALL" },
        },
      ],
    }),
  );
  return TableName;
};

type Items = Record<string, dynamo.AttributeValue>;
const item = (pk: string, sk: string, more: Items = {}): Items => ({ pk: { S: pk }, sk: { S: sk }, ...more });
const put = (TableName: string, Item: Items, condition?: string) => ({
  Put: { TableName, Item, ...(condition === undefined ? {} : { ConditionExpression: condition }) },
});
const transact = (client: dynamo.DynamoDBClient, ...TransactItems: dynamo.TransactWriteItem[]) =>
  client.send(new dynamo.TransactWriteItemsCommand({ TransactItems, ReturnConsumedCapacity: "TOTAL" }));

const DYNAMO = ["moto", "ministack", "dynalite"] as const;
const KINESIS = ["moto", "ministack"] as const;
const S3 = ["moto", "ministack", "fauxqs"] as const;

let buckets = 0;
const bucket = async ({ s3: client }: Clients): Promise<string> => {
  const Bucket = `probe-bucket-${buckets++}`;
  await client.send(new s3.CreateBucketCommand({ Bucket }));
  return Bucket;
};

let streams = 0;
const stream = async ({ kinesis: client }: Clients): Promise<string> => {
  const StreamName = `probe-stream-${streams++}`;
  await client.send(new kinesis.CreateStreamCommand({ StreamName, ShardCount: 2 }));
  await kinesis.waitUntilStreamExists({ client, maxWaitTime: 20, minDelay: 1 }, { StreamName });
  return StreamName;
};

const checks: readonly Check[] = [
  {
    service: "DynamoDB",
    what: "a failed condition leaves nothing of a transaction",
    on: DYNAMO,
    look: async (clients) => {
      const name = await table(clients);
      await clients.dynamo.send(new dynamo.PutItemCommand({ TableName: name, Item: item("a", "1") }));
      let codes = "accepted";
      try {
        await transact(
          clients.dynamo,
          put(name, item("b", "1")),
          put(name, item("a", "1"), "attribute_not_exists(pk)"),
        );
      } catch (error) {
        if (!(error instanceof dynamo.TransactionCanceledException)) throw error;
        codes = (error.CancellationReasons ?? []).map(({ Code }) => Code ?? "-").join(", ");
      }
      const left = await clients.dynamo.send(new dynamo.GetItemCommand({ TableName: name, Key: item("b", "1") }));
      return `${left.Item === undefined ? "yes" : "NO: half of it stays"} (${codes})`;
    },
  },
  {
    service: "DynamoDB",
    what: "of 40 transactions that race for one version, winners (AWS: 1, items left: 2)",
    on: DYNAMO,
    look: async (clients) => {
      const name = await table(clients);
      const race = Array.from({ length: 40 }, (_, index) =>
        transact(
          clients.dynamo,
          put(name, item("a", "A"), "attribute_not_exists(pk)"),
          put(name, item("a", `O${index}`)),
        ).then(
          () => 1,
          (error: unknown) => {
            if (error instanceof dynamo.TransactionCanceledException) return 0;
            throw error;
          },
        ),
      );
      const winners = (await Promise.all(race)).reduce<number>((sum, won) => sum + won, 0);
      const { Count } = await clients.dynamo.send(new dynamo.ScanCommand({ TableName: name }));
      return `${winners}, items left: ${Count}`;
    },
  },
  {
    service: "DynamoDB",
    what: "TransactGetItems",
    on: DYNAMO,
    look: async (clients) => {
      const name = await table(clients);
      await clients.dynamo.send(new dynamo.PutItemCommand({ TableName: name, Item: item("a", "1") }));
      const { Responses } = await clients.dynamo.send(
        new dynamo.TransactGetItemsCommand({
          TransactItems: ["1", "2"].map((sk) => ({ Get: { TableName: name, Key: item("a", sk) } })),
        }),
      );
      return (Responses ?? []).map((one) => (one.Item === undefined ? "absent" : "found")).join(", ");
    },
  },
  {
    service: "DynamoDB",
    what: "TransactGetItems of 100 keys",
    on: DYNAMO,
    look: async (clients) => {
      const name = await table(clients);
      const TransactItems = Array.from({ length: 100 }, (_, index) => ({
        Get: { TableName: name, Key: item("a", String(index)) },
      }));
      return refusal(() => clients.dynamo.send(new dynamo.TransactGetItemsCommand({ TransactItems })));
    },
  },
  {
    service: "DynamoDB",
    what: "64 writers add to one counter by read, transaction, try again: counted (AWS: 64)",
    on: DYNAMO,
    look: async (clients) => {
      const name = await table(clients);
      const Key = item("a", "A");
      const writer = async (number: number): Promise<void> => {
        for (;;) {
          const { Item } = await clients.dynamo.send(
            new dynamo.GetItemCommand({ TableName: name, Key, ConsistentRead: true }),
          );
          const read = Number(Item?.["n"]?.N ?? 0);
          const guarded = put(name, { ...Key, n: { N: String(read + 1) } });
          try {
            await transact(
              clients.dynamo,
              read === 0
                ? { Put: { ...guarded.Put, ConditionExpression: "attribute_not_exists(pk)" } }
                : {
                    Put: {
                      ...guarded.Put,
                      ConditionExpression: "n = :read",
                      ExpressionAttributeValues: { ":read": { N: String(read) } },
                    },
                  },
              put(name, item("a", `O${number}`)),
            );
            return;
          } catch (error) {
            if (!(error instanceof dynamo.TransactionCanceledException)) throw error;
          }
        }
      };
      await Promise.all(Array.from({ length: 64 }, (_, number) => writer(number)));
      const { Item } = await clients.dynamo.send(new dynamo.GetItemCommand({ TableName: name, Key }));
      const { Count = 0 } = await clients.dynamo.send(new dynamo.ScanCommand({ TableName: name }));
      return `${Item?.["n"]?.N}, items ${Count - 1}`;
    },
  },
  {
    service: "DynamoDB",
    what: "a transaction of 101 items",
    on: DYNAMO,
    look: async (clients) => {
      const name = await table(clients);
      const items = Array.from({ length: 101 }, (_, index) => put(name, item("a", String(index))));
      return refusal(() => transact(clients.dynamo, ...items));
    },
  },
  {
    service: "DynamoDB",
    what: "one key twice in a transaction",
    on: DYNAMO,
    look: async (clients) => {
      const name = await table(clients);
      return refusal(() => transact(clients.dynamo, put(name, item("a", "1")), put(name, item("a", "1"))));
    },
  },
  {
    service: "DynamoDB",
    what: "an item over 400 KB",
    on: DYNAMO,
    look: async (clients) => {
      const name = await table(clients);
      const large = item("a", "1", { large: { S: "x".repeat(410 * 1024) } });
      return refusal(() => clients.dynamo.send(new dynamo.PutItemCommand({ TableName: name, Item: large })));
    },
  },
  {
    service: "DynamoDB",
    what: "a sort key over 1,024 bytes",
    on: DYNAMO,
    look: async (clients) => {
      const name = await table(clients);
      return refusal(() =>
        clients.dynamo.send(new dynamo.PutItemCommand({ TableName: name, Item: item("a", "x".repeat(1_025)) })),
      );
    },
  },
  {
    service: "DynamoDB",
    what: "capacity told for a transaction of two small items (AWS: 4)",
    on: DYNAMO,
    look: async (clients) => {
      const name = await table(clients);
      const { ConsumedCapacity } = await transact(clients.dynamo, put(name, item("a", "1")), put(name, item("a", "2")));
      return (ConsumedCapacity ?? []).map(({ CapacityUnits }) => String(CapacityUnits)).join(", ") || "nothing";
    },
  },
  {
    service: "DynamoDB",
    what: "capacity told for putting an item of 2.5 KB (AWS: 3)",
    on: DYNAMO,
    look: async (clients) => {
      const name = await table(clients);
      const Item = item("a", "1", { body: { S: "x".repeat(2_500) } });
      const { ConsumedCapacity } = await clients.dynamo.send(
        new dynamo.PutItemCommand({ TableName: name, Item, ReturnConsumedCapacity: "TOTAL" }),
      );
      return String(ConsumedCapacity?.CapacityUnits ?? "nothing");
    },
  },
  {
    service: "DynamoDB",
    what: "a sparse index, newest first, by a range",
    on: DYNAMO,
    look: async (clients) => {
      const name = await table(clients);
      for (const [sk, at] of [
        ["1", "1"],
        ["2", "2"],
        ["3", undefined],
        ["4", "3"],
      ] as const) {
        const more: Items = at === undefined ? {} : { shard: { S: "0" }, at: { S: at } };
        await clients.dynamo.send(new dynamo.PutItemCommand({ TableName: name, Item: item("a", sk, more) }));
      }
      const { Items: found = [] } = await clients.dynamo.send(
        new dynamo.QueryCommand({
          TableName: name,
          IndexName: "newest",
          KeyConditionExpression: "#shard = :s AND #at < :c",
          ExpressionAttributeNames: { "#shard": "shard", "#at": "at" },
          ExpressionAttributeValues: { ":s": { S: "0" }, ":c": { S: "3" } },
          ScanIndexForward: false,
        }),
      );
      return found.map((one) => one["sk"]?.S).join(", ") === "2, 1" ? "yes" : `NO: ${JSON.stringify(found)}`;
    },
  },
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
    service: "S3",
    what: "multipart upload",
    on: S3,
    look: async (clients) => {
      const target = { Bucket: await bucket(clients), Key: "large" };
      const { UploadId } = await clients.s3.send(new s3.CreateMultipartUploadCommand(target));
      const bodies = [Buffer.alloc(6_000_000, 1), Buffer.alloc(1_000, 2)];
      const Parts = await Promise.all(
        bodies.map(async (Body, index) => {
          const { ETag } = await clients.s3.send(
            new s3.UploadPartCommand({ ...target, UploadId, PartNumber: index + 1, Body }),
          );
          return { PartNumber: index + 1, ETag };
        }),
      );
      await clients.s3.send(new s3.CompleteMultipartUploadCommand({ ...target, UploadId, MultipartUpload: { Parts } }));
      const { Body } = await clients.s3.send(new s3.GetObjectCommand(target));
      return Buffer.compare(await Body!.transformToByteArray(), Buffer.concat(bodies)) === 0
        ? "yes"
        : "NO: bytes differ";
    },
  },
  {
    service: "S3",
    what: "presigned PUT; one that has expired (AWS: 200; 403)",
    on: S3,
    look: async (clients) => {
      const Bucket = await bucket(clients);
      const putBy = async (Key: string, signingDate: Date) => {
        const command = new s3.PutObjectCommand({ Bucket, Key });
        const url = await getSignedUrl(clients.s3, command, { expiresIn: 60, signingDate });
        return (await fetch(url, { method: "PUT", body: "content" })).status;
      };
      return `${await putBy("now", new Date())}; ${await putBy("old", new Date(Date.now() - 3_600_000))}`;
    },
  },
  {
    service: "S3",
    what: "a range from the middle; one past the end (AWS: 789; InvalidRange)",
    on: S3,
    look: async (clients) => {
      const target = { Bucket: await bucket(clients), Key: "k" };
      await clients.s3.send(new s3.PutObjectCommand({ ...target, Body: "0123456789" }));
      const middle = await clients.s3.send(new s3.GetObjectCommand({ ...target, Range: "bytes=7-" }));
      const past = await refusal(() => clients.s3.send(new s3.GetObjectCommand({ ...target, Range: "bytes=10-" })));
      return `${await middle.Body!.transformToString()}; ${past}`;
    },
  },
  {
    service: "S3",
    what: "lists in byte order, pages by StartAfter",
    on: S3,
    look: async (clients) => {
      const Bucket = await bucket(clients);
      for (const Key of ["b", "a/2", "a/10", "a-", "é"])
        await clients.s3.send(new s3.PutObjectCommand({ Bucket, Key, Body: "x" }));
      const list = async (StartAfter?: string) =>
        ((await clients.s3.send(new s3.ListObjectsV2Command({ Bucket, StartAfter }))).Contents ?? [])
          .map(({ Key }) => Key)
          .join(" ");
      const [all, rest] = [await list(), await list("a/")];
      return all === "a- a/10 a/2 b é" && rest === "a/10 a/2 b é" ? "yes" : `NO: ${all}; ${rest}`;
    },
  },
  {
    service: "S3",
    what: "of 20 PUTs with If-None-Match: *, winners (AWS: 1)",
    on: S3,
    look: async (clients) => {
      const target = { Bucket: await bucket(clients), Key: "once" };
      const race = Array.from({ length: 20 }, () =>
        clients.s3.send(new s3.PutObjectCommand({ ...target, Body: "x", IfNoneMatch: "*" })).then(
          () => 1,
          () => 0,
        ),
      );
      return String((await Promise.all(race)).reduce<number>((sum, won) => sum + won, 0));
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

const names: readonly EmulatorName[] = ["moto", "ministack", "dynalite", "fauxqs"];
const emulators = await Promise.all(names.map(startEmulator));
const clients = new Map(emulators.map(({ name, endpoint }) => [name, clientsFor(endpoint)]));
const cell = async (check: Check, name: EmulatorName): Promise<string> => {
  if (!check.on.includes(name)) return "–";
  try {
    return await check.look(clients.get(name)!);
  } catch (error) {
    return `**${nameOf(error)}**`;
  }
};
console.log(`| | ${emulators.map(({ name, version }) => `${name} ${version}`).join(" | ")} |\n|---|---|---|---|---|`);
for (const check of checks) {
  const cells: string[] = [];
  for (const name of names) cells.push(await cell(check, name));
  console.log(`| ${check.service}: ${check.what} | ${cells.join(" | ")} |`);
}
await Promise.all(emulators.map((emulator) => emulator.stop()));
