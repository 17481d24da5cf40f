/** Land: stream → Firehose → Parquet in the lake, and the catalogue by which Athena reads it. */
import { failedRecordsJob, landConsumer } from "@ebb/functions/declarations";
import { limits } from "@ebb/core/limits";
import { views } from "@ebb/lake/views";
import { alarm, counted } from "./parts/alarm.ts";
import { privateBucket } from "./parts/bucket.ts";
import { athenaView, createViewStatement, rawEventsTable } from "./parts/catalogue.ts";
import { lambdaOf } from "./parts/function.ts";
import { jobOf } from "./parts/job.ts";
import { dataKey } from "./parts/keys.ts";
import { logRetentionDays, namePrefix, queryScanLimitBytes } from "./parts/settings.ts";
import { type Grant, lakeBucket, stream } from "./shared.ts";

// ── where it lands ─────────────────────────────────────────────────────────────────────────────────────────────────

const databaseName = namePrefix.replace(/[^a-zA-Z0-9]/g, "_").toLowerCase();
export const database = new aws.glue.CatalogDatabase("LakeDatabase", { name: databaseName, description: "Ebb's lake" });
const rawEvents = rawEventsTable(database.name, lakeBucket.name);
views.reduce<aws.glue.CatalogTable[]>((before, view) => [...before, athenaView(view, database, before)], [rawEvents]);

// ── how it gets there ──────────────────────────────────────────────────────────────────────────────────────────────

const transformRecords = lambdaOf(landConsumer.handler);

const failed = failedRecordsJob.startedBy;
jobOf(failedRecordsJob, {
  bucket: lakeBucket,
  notification: "RecordsFailed",
  alarms: "land-failures",
  todo: {
    errors: "Read the function's log; Lambda tries again by itself, so act when land-failures-given-up follows.",
    givenUp: "Mend the cause and invoke the function with the record in the dead-letter bucket: it is safe to repeat.",
  },
});

const logGroup = new aws.cloudwatch.LogGroup("LandLog", {
  name: `/aws/kinesisfirehose/${namePrefix}-land`,
  retentionInDays: logRetentionDays,
  kmsKeyId: dataKey.arn,
});
const logStream = new aws.cloudwatch.LogStream("LandLogStream", { name: "delivery", logGroupName: logGroup.name });

/** Of a resource of the catalogue. */
export const glueArn = (resource: $util.Input<string>) =>
  $interpolate`arn:aws:glue:${aws.getRegionOutput().region}:${aws.getCallerIdentityOutput().accountId}:${resource}`;

const role = new aws.iam.Role("LandRole", {
  name: `${namePrefix}-land`,
  assumeRolePolicy: aws.iam.getPolicyDocumentOutput({
    statements: [
      {
        actions: ["sts:AssumeRole"],
        principals: [{ type: "Service", identifiers: ["firehose.amazonaws.com"] }],
        conditions: [
          { test: "StringEquals", variable: "sts:ExternalId", values: [aws.getCallerIdentityOutput().accountId] },
        ],
      },
    ],
  }).json,
  inlinePolicies: [
    {
      name: "land",
      policy: aws.iam.getPolicyDocumentOutput({
        statements: [
          {
            actions: ["kinesis:DescribeStream", "kinesis:GetShardIterator", "kinesis:GetRecords", "kinesis:ListShards"],
            resources: [stream.arn],
          },
          {
            actions: ["s3:GetBucketLocation", "s3:ListBucket", "s3:ListBucketMultipartUploads"],
            resources: [lakeBucket.arn],
          },
          {
            actions: ["s3:PutObject", "s3:GetObject", "s3:AbortMultipartUpload"],
            resources: [
              $interpolate`${lakeBucket.arn}/raw_events/*`,
              $interpolate`${lakeBucket.arn}/${failed.prefix}*`,
            ],
          },
          {
            actions: ["glue:GetTable", "glue:GetTableVersion", "glue:GetTableVersions"],
            resources: [
              glueArn("catalog"),
              glueArn($interpolate`database/${database.name}`),
              glueArn($interpolate`table/${database.name}/${rawEvents.name}`),
            ],
          },
          { actions: ["lambda:InvokeFunction", "lambda:GetFunctionConfiguration"], resources: [transformRecords.arn] },
          { actions: ["kms:Decrypt", "kms:GenerateDataKey"], resources: [dataKey.arn] },
          { actions: ["logs:PutLogEvents"], resources: [$interpolate`${logGroup.arn}:log-stream:${logStream.name}`] },
        ],
      }).json,
    },
  ],
});

export const delivery = new aws.kinesis.FirehoseDeliveryStream("Land", {
  name: `${namePrefix}-land`,
  destination: "extended_s3",
  kinesisSourceConfiguration: { kinesisStreamArn: stream.arn, roleArn: role.arn },
  extendedS3Configuration: {
    roleArn: role.arn,
    bucketArn: lakeBucket.arn,
    prefix: landConsumer.prefix,
    errorOutputPrefix: `${failed.prefix}!{firehose:error-output-type}/dt=!{timestamp:yyyy-MM-dd}/`,
    bufferingSize: landConsumer.bufferMb,
    bufferingInterval: landConsumer.bufferSeconds,
    // Parquet compresses its own pages; a file around it must be left as it is.
    compressionFormat: "UNCOMPRESSED",
    kmsKeyArn: dataKey.arn,
    cloudwatchLoggingOptions: { enabled: true, logGroupName: logGroup.name, logStreamName: logStream.name },
    processingConfiguration: {
      enabled: true,
      processors: [
        {
          type: "Lambda",
          parameters: [
            { parameterName: "LambdaArn", parameterValue: $interpolate`${transformRecords.arn}:$LATEST` },
            { parameterName: "RoleArn", parameterValue: role.arn },
            // An answer may have 6 MB, base64 included: a request of 1 MB leaves room for the largest single event.
            { parameterName: "BufferSizeInMBs", parameterValue: "1" },
            { parameterName: "BufferIntervalInSeconds", parameterValue: "60" },
            { parameterName: "NumberOfRetries", parameterValue: "3" },
          ],
        },
      ],
    },
    dataFormatConversionConfiguration: {
      enabled: true,
      inputFormatConfiguration: {
        deserializer: {
          // Joda-Time patterns. Events carry UTC with milliseconds (`instant` in @ebb/core/stream-event); the rest is
          // for what replay may bring.
          hiveJsonSerDe: { timestampFormats: ["yyyy-MM-dd'T'HH:mm:ss.SSS'Z'", "yyyy-MM-dd'T'HH:mm:ss'Z'"] },
        },
      },
      outputFormatConfiguration: { serializer: { parquetSerDe: { compression: landConsumer.compression } } },
      schemaConfiguration: {
        databaseName: database.name,
        tableName: rawEvents.name,
        roleArn: role.arn,
        versionId: "LATEST",
      },
    },
  },
});

// ── how it is asked ────────────────────────────────────────────────────────────────────────────────────────────────

export const queryResults = privateBucket("QueryResults", {
  key: dataKey,
  rules: [{ id: "results", expireDays: limits.keptOriginalDays }],
});

export const workgroup = new aws.athena.Workgroup("Analysts", {
  name: `${namePrefix}-analysts`,
  forceDestroy: true,
  configuration: {
    enforceWorkgroupConfiguration: true,
    publishCloudwatchMetricsEnabled: true,
    bytesScannedCutoffPerQuery: queryScanLimitBytes,
    engineVersion: { selectedEngineVersion: "Athena engine version 3" },
    resultConfiguration: {
      outputLocation: $interpolate`s3://${queryResults.name}/results/`,
      encryptionConfiguration: { encryptionOption: "SSE_KMS", kmsKeyArn: dataKey.arn },
    },
  },
});

/** Running statements of Athena's, which have the rights of who starts them. */
export const statements: Grant = {
  actions: [
    "athena:StartQueryExecution",
    "athena:GetQueryExecution",
    "athena:GetQueryResults",
    "athena:StopQueryExecution",
  ],
  resources: [workgroup.arn],
};
/** Athena looks there whatever database a statement names (Athena user guide, "Fine-grained access"). */
export const defaultDatabase: Grant = { actions: ["glue:GetDatabase"], resources: [glueArn("database/default")] };
export const resultsOfStatements: Grant = {
  actions: ["s3:GetObject", "s3:PutObject", "s3:AbortMultipartUpload"],
  resources: [$interpolate`${queryResults.arn}/results/*`],
};

for (const view of views)
  new aws.athena.NamedQuery(`CreateView-${view.name}`, {
    name: `create view ${view.name}`,
    description: view.grain,
    database: database.name,
    workgroup: workgroup.name,
    query: createViewStatement(view),
  });

// ── alarms ─────────────────────────────────────────────────────────────────────────────────────────────────────────

const ofDelivery = { DeliveryStreamName: delivery.name };

alarm("land-freshness", {
  todo: "Read the delivery log; the stream holds seven days, so mend within that and nothing is lost.",
  metric: {
    namespace: "AWS/Firehose",
    metricName: "DeliveryToS3.DataFreshness",
    dimensions: ofDelivery,
    statistic: "Maximum",
  },
  above: 900,
  periods: 2,
});
alarm("land-delivery-failed", {
  todo: "Read the delivery log: the bucket, its key or the role refuses; Firehose tries again by itself.",
  metric: {
    namespace: "AWS/Firehose",
    metricName: "DeliveryToS3.Success",
    dimensions: ofDelivery,
    statistic: "Average",
  },
  below: 1,
});
alarm("land-conversion-failed", {
  todo: "Read the quarantined events by the reason conversion_failed; the Glue columns and the events disagree.",
  metric: {
    namespace: "AWS/Firehose",
    metricName: "FailedConversion.Records",
    dimensions: ofDelivery,
    statistic: "Sum",
  },
  above: 0,
});
alarm("land-transform-failed", {
  todo: "Read the transform function's log; its records are in quarantine, and wait there for a replay.",
  metric: {
    namespace: "AWS/Firehose",
    metricName: "ExecuteProcessing.Success",
    dimensions: ofDelivery,
    statistic: "Average",
  },
  below: 1,
});
alarm("land-throttled", {
  todo: "Count the consumers of the stream: more than two polling ones share 2 MB a second of each shard.",
  metric: { namespace: "AWS/Firehose", metricName: "ThrottledGetRecords", dimensions: ofDelivery, statistic: "Sum" },
  above: 0,
  periods: 3,
});
alarm("land-unreadable", {
  todo: "Read the quarantined records by the reason unreadable_record: something else than the front door writes to the stream.",
  metric: counted("EventsQuarantined", { channel: "land" }),
  above: 0,
});
