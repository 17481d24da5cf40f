/**
 * What more than one stage touches: where things are stored, and the ONE table that says which IAM actions on which
 * resources stand behind each word of `needs` in packages/functions/src/declarations.ts.
 */
import { limits } from "@ebb/core/limits";
import { failedRecordsJob, type Need } from "@ebb/functions/declarations";
import { LANDING_RECEIPTS } from "@ebb/lake/landing";
import { READS_PREFIX } from "@ebb/ports/aws/read-parameters";
import { STAGING_PREFIX } from "@ebb/ports/aws/source-statements";
import type { ConfiguredPort, Variable } from "@ebb/ports/aws/environment";
import { privateBucket } from "./parts/bucket.ts";
import { dataKey, personalKey } from "./parts/keys.ts";
import { namePrefix, rawDays } from "./parts/settings.ts";
import { table } from "./parts/table.ts";

// ── the stream ─────────────────────────────────────────────────────────────────────────────────────────────────────

/** Seven days: a consumer that fails on a Friday evening is mended on Monday with nothing lost. */
const streamRetentionHours = 7 * 24;

export const stream = new sst.aws.KinesisStream("Events", {
  transform: {
    stream: {
      retentionPeriod: streamRetentionHours,
      encryptionType: "KMS",
      kmsKeyId: dataKey.arn,
      // On demand (SST's default): shards follow the load, no re-sharding by hand.
      streamModeDetails: { streamMode: "ON_DEMAND" },
    },
  },
});

// ── tables: keys as packages/ports/src/aws/environment.ts states them ──────────────────────────────────────────────

export const customerTable = table("Customers", {
  key: dataKey,
  fields: { pk: "string", sk: "string" },
  rangeKey: "sk",
});
export const profileTable = table("Profiles", { key: personalKey, fields: { pk: "string" } });
/**
 * Who is erased, and the erasures that are under way: apart from the tables that a restore may put back. Nobody but the
 * erasure takes anything off the list, and no other table is restored without it.
 */
export const suppressionTable = table("Suppressions", {
  key: personalKey,
  fields: { pk: "string", sk: "string" },
  rangeKey: "sk",
  listedByTime: true,
});
export const ledgerTable = table("Ledger", {
  key: dataKey,
  fields: { pk: "string", sk: "number" },
  rangeKey: "sk",
  listedByTime: true,
});
export const uploadTable = table("Uploads", {
  key: dataKey,
  fields: { pk: "string" },
  listedByTime: true,
});
/** The trail of the batch runs, and the right to run. */
export const runTable = table("Runs", { key: dataKey, fields: { pk: "string" }, listedByTime: true });
/** The API keys, hashed. Few and small; every keyed function reads them, none but `ebb keys` makes any. */
export const keyTable = table("Keys", { key: dataKey, fields: { pk: "string" } });
export const orderBookTable = table("OrderBook", { key: dataKey, fields: { pk: "string" } });

// ── buckets ────────────────────────────────────────────────────────────────────────────────────────────────────────

/** Uploaded files as they came and the spools made of them: they hold the producer's customer ids. */
export const uploadBucket = privateBucket("UploadFiles", {
  key: personalKey,
  rules: [{ id: "kept-originals", expireDays: limits.keptOriginalDays }],
});
/** Refused rows with their original bytes. */
export const quarantineBucket = privateBucket("Quarantine", {
  key: personalKey,
  rules: [{ id: "quarantine", prefix: "quarantine/", expireDays: limits.quarantineDays }],
});
/** Orders of the order book that are too large for a table's item. The book is state: it never expires. */
export const orderBookBucket = privateBucket("OrderBookFiles", {
  key: dataKey,
  versioning: true,
  rules: [{ id: "order-book" }],
});
/**
 * The lake. Records that could not be transformed or converted keep their bytes under a prefix of their own, by kind of
 * failure, until they expire like the quarantine that has them by then.
 */
export const lakeBucket = privateBucket("Lake", {
  key: dataKey,
  versioning: true,
  rules: [
    {
      id: "raw-events",
      prefix: "raw_events/",
      tiers: [
        { afterDays: 30, storageClass: "STANDARD_IA" },
        { afterDays: 120, storageClass: "GLACIER_IR" },
      ],
      expireDays: rawDays,
    },
    { id: "failed", prefix: failedRecordsJob.startedBy.prefix, expireDays: limits.quarantineDays },
    // Plans and results of jobs, and the columns that a run read: of use while the run goes on.
    { id: "jobs", prefix: "jobs/", expireDays: limits.quarantineDays },
    // What a load of a source read and has not committed; it reads again what is gone.
    { id: "staged", prefix: STAGING_PREFIX, expireDays: limits.keptOriginalDays },
    // What Spark read for a load, with names and all: the load removes it.
    { id: "reads", prefix: READS_PREFIX, expireDays: limits.keptOriginalDays, olderDays: 1 },
    { id: "sources", prefix: "sources/tables/" },
    { id: "exports", prefix: "exports/", expireDays: limits.keptOriginalDays },
    // Iceberg removes files of the tables itself; what the runs made of them stays.
    { id: "tables", prefix: "tables/" },
    { id: "models", prefix: "models/" },
    { id: "reports", prefix: "reports/" },
  ],
});
/** Whole invocation records that a consumer or a job gave up on: nothing is dropped without a copy here. */
export const deadLetterBucket = privateBucket("DeadLetters", {
  key: dataKey,
  rules: [{ id: "dead-letters", expireDays: limits.quarantineDays }],
});

// ── what a need means in IAM ───────────────────────────────────────────────────────────────────────────────────────

export interface Grant {
  readonly actions: readonly string[];
  readonly resources: readonly $util.Input<string>[];
}

/** As a policy or a function of SST takes them. */
export const statementsOf = (grants: readonly Grant[]): { actions: string[]; resources: $util.Input<string>[] }[] =>
  grants.map(({ actions, resources }) => ({ actions: [...actions], resources: [...resources] }));

const under = (bucket: sst.aws.Bucket, prefix = ""): $util.Output<string> => $interpolate`${bucket.arn}/${prefix}*`;
const newest = (of: sst.aws.Dynamo): $util.Output<string> => $interpolate`${of.arn}/index/newest`;

const decrypt = (key: aws.kms.Key): Grant => ({ actions: ["kms:Decrypt"], resources: [key.arn] });
/** S3 with a KMS key: a write needs a data key, a multipart write also has to read it back. */
const encrypt = (key: aws.kms.Key): Grant => ({
  actions: ["kms:Decrypt", "kms:GenerateDataKey"],
  resources: [key.arn],
});

/** Known before the functions are made: one may ask for another run of itself, the other is started by the API. */
export const processUploadName = `${namePrefix}-process-upload`;
const processUploadArn = $interpolate`arn:aws:lambda:${aws.getRegionOutput().region}:${aws.getCallerIdentityOutput().accountId}:function:${processUploadName}`;

export const eraseName = `${namePrefix}-erase-customers`;
const eraseArn = $interpolate`arn:aws:lambda:${aws.getRegionOutput().region}:${aws.getCallerIdentityOutput().accountId}:function:${eraseName}`;

export const grants: Readonly<Record<Need, readonly Grant[]>> = {
  // The update notes the last use of a key.
  "keys:check": [{ actions: ["dynamodb:GetItem", "dynamodb:UpdateItem"], resources: [keyTable.arn] }, encrypt(dataKey)],
  "log:append": [
    { actions: ["kinesis:PutRecords"], resources: [stream.arn] },
    { actions: ["dynamodb:PutItem", "dynamodb:Query"], resources: [ledgerTable.arn] },
    { actions: ["s3:PutObject"], resources: [under(quarantineBucket, "quarantine/")] },
    encrypt(dataKey),
    encrypt(personalKey),
  ],
  "ledger:read": [{ actions: ["dynamodb:Query"], resources: [ledgerTable.arn, newest(ledgerTable)] }, decrypt(dataKey)],
  "quarantine:read": [
    { actions: ["s3:ListBucket"], resources: [quarantineBucket.arn] },
    { actions: ["s3:GetObject"], resources: [under(quarantineBucket, "quarantine/")] },
    decrypt(personalKey),
  ],
  "quarantine:put": [
    { actions: ["s3:PutObject"], resources: [under(quarantineBucket, "quarantine/")] },
    encrypt(personalKey),
  ],
  "customers:read": [
    { actions: ["dynamodb:GetItem", "dynamodb:BatchGetItem", "dynamodb:Query"], resources: [customerTable.arn] },
    decrypt(dataKey),
  ],
  "customers:write": [{ actions: ["dynamodb:PutItem"], resources: [customerTable.arn] }, encrypt(dataKey)],
  "profiles:read": [{ actions: ["dynamodb:GetItem"], resources: [profileTable.arn] }, decrypt(personalKey)],
  "profiles:put": [
    { actions: ["dynamodb:BatchGetItem", "dynamodb:PutItem"], resources: [profileTable.arn] },
    encrypt(personalKey),
  ],
  "order-book:write": [
    { actions: ["dynamodb:BatchGetItem", "dynamodb:PutItem"], resources: [orderBookTable.arn] },
    {
      actions: ["s3:GetObject", "s3:PutObject", "s3:DeleteObject"],
      resources: [under(orderBookBucket, "order-book/")],
    },
    // Without it S3 answers 403 and not 404 for an object that is gone, which the order book expects.
    { actions: ["s3:ListBucket"], resources: [orderBookBucket.arn] },
    encrypt(dataKey),
  ],
  "uploads:read": [
    { actions: ["dynamodb:GetItem"], resources: [uploadTable.arn] },
    { actions: ["dynamodb:Query"], resources: [newest(uploadTable)] },
    decrypt(dataKey),
  ],
  "uploads:write": [{ actions: ["dynamodb:UpdateItem"], resources: [uploadTable.arn] }, encrypt(dataKey)],
  "objects:read": [
    // Also what makes S3 answer 404 and not 403 for an object that is not there.
    { actions: ["s3:ListBucket"], resources: [uploadBucket.arn] },
    { actions: ["s3:GetObject"], resources: [under(uploadBucket)] },
    decrypt(personalKey),
  ],
  "objects:write": [
    { actions: ["s3:PutObject", "s3:AbortMultipartUpload", "s3:DeleteObject"], resources: [under(uploadBucket)] },
    encrypt(personalKey),
  ],
  // A presigned URL is worth what its signer may do.
  "objects:upload-url": [{ actions: ["s3:PutObject"], resources: [under(uploadBucket)] }, encrypt(personalKey)],
  "lake-failures:read": [
    { actions: ["s3:GetObject"], resources: [under(lakeBucket, failedRecordsJob.startedBy.prefix)] },
    decrypt(dataKey),
  ],
  "customers:scan": [{ actions: ["dynamodb:Scan"], resources: [customerTable.arn] }, decrypt(dataKey)],
  "scores:read": [{ actions: ["dynamodb:GetItem"], resources: [customerTable.arn] }, decrypt(dataKey)],
  "scores:write": [{ actions: ["dynamodb:BatchWriteItem"], resources: [customerTable.arn] }, encrypt(dataKey)],
  "runs:read": [
    { actions: ["dynamodb:GetItem"], resources: [runTable.arn] },
    { actions: ["dynamodb:Query"], resources: [newest(runTable)] },
    decrypt(dataKey),
  ],
  "runs:write": [
    { actions: ["dynamodb:PutItem", "dynamodb:UpdateItem", "dynamodb:DeleteItem"], resources: [runTable.arn] },
    encrypt(dataKey),
  ],
  "documents:read": [
    { actions: ["s3:ListBucket"], resources: [lakeBucket.arn] },
    { actions: ["s3:GetObject"], resources: [under(lakeBucket, "models/"), under(lakeBucket, "reports/")] },
    decrypt(dataKey),
  ],
  "documents:write": [
    {
      actions: ["s3:PutObject", "s3:AbortMultipartUpload"],
      resources: [under(lakeBucket, "models/"), under(lakeBucket, "reports/")],
    },
    encrypt(dataKey),
  ],
  // Athena and Spark are declared in stacks/model.ts, which gives the rights to them.
  "arrivals:read": [
    { actions: ["dynamodb:Query"], resources: [ledgerTable.arn, newest(ledgerTable)] },
    { actions: ["s3:ListBucket"], resources: [quarantineBucket.arn] },
    { actions: ["s3:GetObject"], resources: [under(quarantineBucket, `quarantine/${LANDING_RECEIPTS}`)] },
    decrypt(dataKey),
    decrypt(personalKey),
  ],
  "runner:run": [],
  // The catalogue, Athena's workgroup and the delivery stream are declared after this file: stacks/serve.ts grants them.
  "queries:read": [],
  "metrics:read": [],
  "suppressions:read": [
    { actions: ["dynamodb:GetItem", "dynamodb:Query"], resources: [suppressionTable.arn] },
    decrypt(personalKey),
  ],
  "suppressions:write": [
    {
      actions: ["dynamodb:GetItem", "dynamodb:Query", "dynamodb:PutItem", "dynamodb:UpdateItem", "dynamodb:DeleteItem"],
      resources: [suppressionTable.arn],
    },
    encrypt(personalKey),
  ],
  "erasures:write": [
    {
      actions: ["dynamodb:GetItem", "dynamodb:Query", "dynamodb:PutItem", "dynamodb:UpdateItem", "dynamodb:DeleteItem"],
      resources: [suppressionTable.arn],
    },
    { actions: ["dynamodb:Query"], resources: [newest(suppressionTable)] },
    encrypt(personalKey),
  ],
  "customers:erase": [
    { actions: ["dynamodb:Query", "dynamodb:DeleteItem"], resources: [customerTable.arn] },
    decrypt(dataKey),
  ],
  "profiles:erase": [
    { actions: ["dynamodb:GetItem", "dynamodb:DeleteItem"], resources: [profileTable.arn] },
    decrypt(personalKey),
  ],
  "order-book:erase": [
    { actions: ["dynamodb:DeleteItem"], resources: [orderBookTable.arn] },
    { actions: ["s3:ListBucketVersions"], resources: [orderBookBucket.arn] },
    { actions: ["s3:DeleteObjectVersion"], resources: [under(orderBookBucket, "order-book/")] },
    decrypt(dataKey),
  ],
  "quarantine:erase": [
    { actions: ["s3:ListBucket"], resources: [quarantineBucket.arn] },
    { actions: ["s3:GetObject", "s3:PutObject"], resources: [under(quarantineBucket, "quarantine/")] },
    encrypt(personalKey),
  ],
  // The workflow is declared in stacks/model.ts, where Spark and Athena are.
  "jobs:erase": [{ actions: ["lambda:InvokeFunction"], resources: [$interpolate`${eraseArn}:$LATEST`] }],
  // Made for the sources that are declared: stacks/sources.ts gives the rights to them.
  "sources:write": [],
  "source-tables:write": [],
  "jobs:load-source": [],
  "jobs:process-upload": [{ actions: ["lambda:InvokeFunction"], resources: [processUploadArn] }],
};

/** The port behind a need: its variables are what the function is told (packages/ports/src/aws/environment.ts). */
export const portOf: Readonly<Record<Need, ConfiguredPort>> = {
  "keys:check": "keys",
  "log:append": "log",
  "ledger:read": "ledger",
  "quarantine:read": "quarantine",
  "quarantine:put": "quarantine",
  "customers:read": "customers",
  "customers:write": "customers",
  "profiles:read": "profiles",
  "profiles:put": "profiles",
  "order-book:write": "orderBook",
  "uploads:read": "uploads",
  "uploads:write": "uploads",
  "objects:read": "objects",
  "objects:write": "objects",
  "objects:upload-url": "objects",
  "jobs:process-upload": "jobs",
  "jobs:load-source": "sourceJobs",
  "sources:write": "sources",
  "source-tables:write": "sourceTables",
  "lake-failures:read": "lakeFailures",
  "customers:scan": "customers",
  "scores:read": "scores",
  "scores:write": "scores",
  "runs:read": "runs",
  "runs:write": "runs",
  "documents:read": "objects",
  "documents:write": "objects",
  "arrivals:read": "arrivals",
  "runner:run": "runner",
  "queries:read": "queries",
  "metrics:read": "pulse",
  "suppressions:read": "suppressions",
  "suppressions:write": "suppressions",
  "erasures:write": "erasures",
  "customers:erase": "customers",
  "profiles:erase": "profiles",
  "order-book:erase": "orderBook",
  "quarantine:erase": "quarantine",
  "jobs:erase": "erasing",
};

/** Values of the variables that name a store. */
export const storeVariables: Readonly<Partial<Record<Variable, $util.Input<string>>>> = {
  EBB_STREAM: stream.name,
  EBB_LEDGER_TABLE: ledgerTable.name,
  EBB_QUARANTINE_BUCKET: quarantineBucket.name,
  EBB_CUSTOMER_TABLE: customerTable.name,
  EBB_PROFILE_TABLE: profileTable.name,
  EBB_ORDER_BOOK_TABLE: orderBookTable.name,
  EBB_ORDER_BOOK_BUCKET: orderBookBucket.name,
  EBB_UPLOAD_TABLE: uploadTable.name,
  EBB_UPLOAD_BUCKET: uploadBucket.name,
  EBB_LAKE_BUCKET: lakeBucket.name,
  EBB_RUN_TABLE: runTable.name,
  EBB_KEY_TABLE: keyTable.name,
  EBB_PROCESS_UPLOAD_FUNCTION: processUploadName,
  EBB_SUPPRESSION_TABLE: suppressionTable.name,
  // A durable function is invoked by a qualified name.
  EBB_ERASE_FUNCTION: `${eraseName}:$LATEST`,
};
