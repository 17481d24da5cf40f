/** An AWS account as the stacks would leave it, in emulators: tables, stream and buckets, and a function's environment. */
import type { KeyType, ScalarAttributeType } from "@aws-sdk/client-dynamodb";
import { CreateTableCommand, waitUntilTableExists } from "@aws-sdk/client-dynamodb";
import { CreateStreamCommand, waitUntilStreamExists } from "@aws-sdk/client-kinesis";
import { CreateBucketCommand } from "@aws-sdk/client-s3";
import { Clients } from "@ebb/ports/aws/clients";
import type { TableKeys } from "@ebb/ports/aws/tables";
import { newestIndex, tables } from "@ebb/ports/aws/tables";
import type { Emulator } from "./emulators.ts";

export interface Services {
  readonly dynamodb: Emulator;
  readonly s3: Emulator;
  /** Absent where no emulator of the lane has streams. */
  readonly kinesis?: Emulator;
}

export interface Account {
  /** What a function would find in its environment. */
  readonly env: NodeJS.ProcessEnv;
  readonly clients: Clients;
}

export const SHARDS = 4;

let accounts = 0;

const createTable = async (clients: Clients, TableName: string, keys: TableKeys): Promise<void> => {
  const range: [string, ScalarAttributeType][] =
    keys.rangeKey === undefined ? [] : [[keys.rangeKey.name, keys.rangeKey.type]];
  const index: [string, ScalarAttributeType][] = keys.newest
    ? [
        [newestIndex.hashKey, "S"],
        [newestIndex.rangeKey, "S"],
      ]
    : [];
  const keyOf = (AttributeName: string, KeyType: KeyType) => ({ AttributeName, KeyType });
  await clients.dynamo.send(
    new CreateTableCommand({
      TableName,
      BillingMode: "PAY_PER_REQUEST",
      KeySchema: [keyOf(keys.hashKey, "HASH"), ...range.map(([name]) => keyOf(name, "RANGE"))],
      AttributeDefinitions: [[keys.hashKey, "S"] as const, ...range, ...index].map(
        ([AttributeName, AttributeType]) => ({
          AttributeName,
          AttributeType,
        }),
      ),
      ...(keys.newest
        ? {
            GlobalSecondaryIndexes: [
              {
                IndexName: newestIndex.name,
                KeySchema: [keyOf(newestIndex.hashKey, "HASH"), keyOf(newestIndex.rangeKey, "RANGE")],
                Projection: { ProjectionType: "ALL" },
              },
            ],
          }
        : {}),
    }),
  );
  await waitUntilTableExists({ client: clients.dynamo, maxWaitTime: 20, minDelay: 1 }, { TableName });
};

/** Creates everything under names of its own: accounts in one emulator do not see each other. */
export const createAccount = async ({ dynamodb, s3, kinesis }: Services): Promise<Account> => {
  const name = `ebb-${process.pid}-${accounts++}`;
  process.env["AWS_ACCESS_KEY_ID"] ??= "test";
  process.env["AWS_SECRET_ACCESS_KEY"] ??= "test";
  process.env["POWERTOOLS_METRICS_DISABLED"] ??= "true";
  const tableNames = Object.fromEntries(
    Object.keys(tables).map((variable) => [variable, `${name}-${variable.toLowerCase().replaceAll("_", "-")}`]),
  );
  const env: NodeJS.ProcessEnv = {
    ...tableNames,
    AWS_REGION: "us-east-1",
    AWS_ENDPOINT_URL_DYNAMODB: dynamodb.endpoint,
    AWS_ENDPOINT_URL_S3: s3.endpoint,
    ...(kinesis === undefined ? {} : { AWS_ENDPOINT_URL_KINESIS: kinesis.endpoint }),
    EBB_STREAM: `${name}-stream`,
    EBB_QUARANTINE_BUCKET: `${name}-quarantine`,
    EBB_ORDER_BOOK_BUCKET: `${name}-order-book`,
    EBB_UPLOAD_BUCKET: `${name}-uploads`,
    EBB_PROCESS_UPLOAD_FUNCTION: `${name}-process-upload`,
    EBB_CUSTOMER_SECRET: "a secret of these tests and of nothing else",
    EBB_SUPPRESSION_SECRET: "another secret of these tests and of nothing else",
    EBB_SETTINGS: JSON.stringify({ rates: { reportingCurrency: "GBP" } }),
  };
  const clients = new Clients(env);
  await Promise.all([
    ...Object.entries(tables).map(([variable, keys]) => createTable(clients, env[variable]!, keys)),
    ...["EBB_QUARANTINE_BUCKET", "EBB_ORDER_BOOK_BUCKET", "EBB_UPLOAD_BUCKET"].map((variable) =>
      clients.s3.send(new CreateBucketCommand({ Bucket: env[variable] })),
    ),
  ]);
  if (kinesis !== undefined) {
    const StreamName = env["EBB_STREAM"];
    await clients.kinesis.send(new CreateStreamCommand({ StreamName, ShardCount: SHARDS }));
    await waitUntilStreamExists({ client: clients.kinesis, maxWaitTime: 20, minDelay: 1 }, { StreamName });
  }
  return { env, clients };
};
