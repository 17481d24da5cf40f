/** What a probe is, and what probes share. */
import * as athena from "@aws-sdk/client-athena";
import * as dynamo from "@aws-sdk/client-dynamodb";
import * as firehose from "@aws-sdk/client-firehose";
import * as kinesis from "@aws-sdk/client-kinesis";
import * as s3 from "@aws-sdk/client-s3";
import { NodeHttpHandler } from "@smithy/node-http-handler";
import type { EmulatorName } from "../emulators.ts";

const options = (endpoint: string) => ({
  endpoint,
  region: "us-east-1",
  credentials: { accessKeyId: "test", secretAccessKey: "test" },
  requestHandler: new NodeHttpHandler({ requestTimeout: 20_000, throwOnRequestTimeout: true }),
  maxAttempts: 1,
});

export const clientsFor = (endpoint: string) => ({
  athena: new athena.AthenaClient(options(endpoint)),
  dynamo: new dynamo.DynamoDBClient(options(endpoint)),
  firehose: new firehose.FirehoseClient(options(endpoint)),
  kinesis: new kinesis.KinesisClient(options(endpoint)),
  s3: new s3.S3Client({ ...options(endpoint), forcePathStyle: true, requestChecksumCalculation: "WHEN_REQUIRED" }),
});
export type Clients = ReturnType<typeof clientsFor>;

export interface Check {
  readonly service: string;
  readonly what: string;
  readonly on: readonly EmulatorName[];
  /** What was seen, in a few words. An error is reported by its name. */
  readonly look: (clients: Clients) => Promise<string>;
}

/** The name of an error; an answer that is no AWS error at all cannot be parsed by the SDK. */
export const nameOf = (error: unknown): string => {
  if (!(error instanceof Error)) return String(error);
  return error.name === "SyntaxError" ? "500, an HTML page" : error.name;
};

export const refusal = async (call: () => Promise<unknown>): Promise<string> => {
  try {
    await call();
    return "accepted";
  } catch (error) {
    return nameOf(error);
  }
};

let buckets = 0;
export const bucket = async ({ s3: client }: Clients): Promise<string> => {
  const Bucket = `probe-bucket-${buckets++}`;
  await client.send(new s3.CreateBucketCommand({ Bucket }));
  return Bucket;
};
