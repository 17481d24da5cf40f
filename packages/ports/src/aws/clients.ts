import { AthenaClient } from "@aws-sdk/client-athena";
import { CloudWatchClient } from "@aws-sdk/client-cloudwatch";
import { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { EMRServerlessClient } from "@aws-sdk/client-emr-serverless";
import { KinesisClient } from "@aws-sdk/client-kinesis";
import { LambdaClient } from "@aws-sdk/client-lambda";
import { S3Client } from "@aws-sdk/client-s3";
import { NodeHttpHandler } from "@smithy/node-http-handler";

/** Shorter than any function's time, so that a hanging call ends in an answer and not in a killed function. */
const CONNECTION_TIMEOUT_MS = 2_000;
const REQUEST_TIMEOUT_MS = 10_000;

/** Sockets a client may hold: a few more than any adapter has calls under way. */
const SOCKETS = 64;

const settings = (env: NodeJS.ProcessEnv, service: string) => {
  const endpoint = env[`AWS_ENDPOINT_URL_${service}`] ?? env["AWS_ENDPOINT_URL"];
  return {
    ...(env["AWS_REGION"] === undefined ? {} : { region: env["AWS_REGION"] }),
    ...(endpoint === undefined ? {} : { endpoint }),
    maxAttempts: 4,
    // HTTP/1.1 for Kinesis too, where the SDK's own choice is HTTP/2: a session that Lambda froze between two events
    // comes back dead, and every lane that tests this adapter then runs the transport that is deployed.
    requestHandler: new NodeHttpHandler({
      connectionTimeout: CONNECTION_TIMEOUT_MS,
      requestTimeout: REQUEST_TIMEOUT_MS,
      throwOnRequestTimeout: true,
      httpAgent: { keepAlive: true, maxSockets: SOCKETS },
      httpsAgent: { keepAlive: true, maxSockets: SOCKETS },
    }),
  };
};

/** Built on first use: a function pays only for the services it calls. */
export class Clients {
  readonly #env: NodeJS.ProcessEnv;
  #athena: AthenaClient | undefined;
  #cloudwatch: CloudWatchClient | undefined;
  #dynamo: DynamoDBClient | undefined;
  #emr: EMRServerlessClient | undefined;
  #kinesis: KinesisClient | undefined;
  #lambda: LambdaClient | undefined;
  #s3: S3Client | undefined;

  constructor(env: NodeJS.ProcessEnv) {
    this.#env = env;
  }

  get athena(): AthenaClient {
    return (this.#athena ??= new AthenaClient(settings(this.#env, "ATHENA")));
  }

  get cloudwatch(): CloudWatchClient {
    return (this.#cloudwatch ??= new CloudWatchClient(settings(this.#env, "CLOUDWATCH")));
  }

  get dynamo(): DynamoDBClient {
    return (this.#dynamo ??= new DynamoDBClient(settings(this.#env, "DYNAMODB")));
  }

  get emr(): EMRServerlessClient {
    return (this.#emr ??= new EMRServerlessClient(settings(this.#env, "EMR_SERVERLESS")));
  }

  get kinesis(): KinesisClient {
    return (this.#kinesis ??= new KinesisClient(settings(this.#env, "KINESIS")));
  }

  get lambda(): LambdaClient {
    return (this.#lambda ??= new LambdaClient(settings(this.#env, "LAMBDA")));
  }

  get s3(): S3Client {
    const own = settings(this.#env, "S3");
    return (this.#s3 ??= new S3Client({
      ...own,
      // Emulators have no host name a bucket.
      forcePathStyle: "endpoint" in own,
      // A checksum of the (yet unknown) body would become part of a presigned URL and refuse every content.
      requestChecksumCalculation: "WHEN_REQUIRED",
    }));
  }

  /** Closes the sockets: for tests; a function keeps them. */
  destroy(): void {
    for (const client of [
      this.#athena,
      this.#cloudwatch,
      this.#dynamo,
      this.#emr,
      this.#kinesis,
      this.#lambda,
      this.#s3,
    ])
      client?.destroy();
  }
}
