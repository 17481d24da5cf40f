/**
 * Model: the batch run. A durable function starts it by the clock, has Spark (EMR Serverless) and Athena write the
 * Iceberg tables of the lake, and waits without paying. The tables make themselves on their first write: their columns
 * are those of packages/lake/src/batch, their catalogue is the lake's Glue database.
 */
import { dailyRun, weeklyUpkeep, type Schedule } from "@ebb/functions/declarations";
import { glueCatalogue, sparkSubmitParameters } from "@ebb/ports/aws/spark-parameters";
import { alarm, counted } from "./parts/alarm.ts";
import { logicalName, workflowOf } from "./parts/function.ts";
import { dataKey } from "./parts/keys.ts";
import {
  icebergJar,
  latestRunHours,
  logRetentionDays,
  namePrefix,
  queryScanLimitBytes,
  sparkRelease,
  sparkVcpus,
} from "./parts/settings.ts";
import { missed, scheduled } from "./parts/schedule.ts";
import { besideSources, states } from "./parts/sources.ts";
import { sparkProgram, sparkRole } from "./parts/spark-role.ts";
import {
  database,
  defaultDatabase,
  glueArn,
  queryResults,
  resultsOfStatements,
  statements,
  workgroup,
} from "./land.ts";
import { deadLetterBucket, lakeBucket, type Grant } from "./shared.ts";

const region = aws.getRegionOutput().region;
const account = aws.getCallerIdentityOutput().accountId;

// ── Spark ──────────────────────────────────────────────────────────────────────────────────────────────────────────

const sparkLog = new aws.cloudwatch.LogGroup("SparkLog", {
  name: `/aws/emr-serverless/${namePrefix}`,
  retentionInDays: logRetentionDays,
  kmsKeyId: dataKey.arn,
});

const spark = new aws.emrserverless.Application("Spark", {
  name: `${namePrefix}-spark`,
  type: "spark",
  releaseLabel: sparkRelease,
  architecture: "ARM64",
  // No capacity is kept ready: a job waits a minute for its workers, and between runs nothing is paid.
  autoStartConfiguration: { enabled: true },
  autoStopConfiguration: { enabled: true, idleTimeoutMinutes: 5 },
  maximumCapacity: { cpu: `${sparkVcpus} vCPU`, memory: `${sparkVcpus * 4} GB`, disk: `${sparkVcpus * 20} GB` },
  // One run at a time has the right to run; one more is a person's.
  schedulerConfiguration: { maxConcurrentRuns: 2, queueTimeoutMinutes: 360 },
  monitoringConfiguration: {
    cloudwatchLoggingConfiguration: {
      enabled: true,
      logGroupName: sparkLog.name,
      encryptionKeyArn: dataKey.arn,
      logTypes: [{ name: "SPARK_DRIVER", values: ["STDERR", "STDOUT"] }],
    },
    managedPersistenceMonitoringConfiguration: { enabled: false },
  },
});

/** The program that every job runs. */
const entryPoint = sparkProgram("SparkProgram", "run_sql");

const under = (bucket: sst.aws.Bucket, prefix: string): $util.Output<string> => $interpolate`${bucket.arn}/${prefix}*`;

/** The lake's catalogue: reading everything, making and changing tables. */
const catalogue: Grant = {
  actions: ["glue:GetDatabase", "glue:GetTable", "glue:GetTables", "glue:CreateTable", "glue:UpdateTable"],
  resources: [
    glueArn("catalog"),
    glueArn($interpolate`database/${database.name}`),
    glueArn($interpolate`table/${database.name}/*`),
  ],
};
/** Reads raw events and tables; writes tables and what a run reads of them. */
const lakeFiles: readonly Grant[] = [
  { actions: ["s3:ListBucket", "s3:GetBucketLocation"], resources: [lakeBucket.arn] },
  {
    actions: ["s3:GetObject"],
    resources: ["raw_events/", "tables/", "jobs/", "exports/", "spark/"].map((prefix) => under(lakeBucket, prefix)),
  },
  {
    actions: ["s3:PutObject", "s3:AbortMultipartUpload"],
    resources: ["tables/", "jobs/", "exports/"].map((prefix) => under(lakeBucket, prefix)),
  },
  { actions: ["s3:DeleteObject"], resources: ["tables/", "exports/"].map((prefix) => under(lakeBucket, prefix)) },
  { actions: ["kms:Decrypt", "kms:GenerateDataKey"], resources: [dataKey.arn] },
];

/** An erasure makes files of raw events anew, and writes them over the old ones; nothing removes one. */
const rawFiles: Grant = {
  actions: ["s3:PutObject", "s3:AbortMultipartUpload"],
  resources: [under(lakeBucket, "raw_events/")],
};

const role = sparkRole("SparkRole", spark, {
  name: "spark",
  policy: "spark",
  grants: [
    catalogue,
    ...lakeFiles,
    rawFiles,
    // Takes no narrower resource (EMR Serverless user guide, "Logging with CloudWatch").
    { actions: ["logs:DescribeLogGroups"], resources: ["*"] },
    {
      actions: ["logs:CreateLogStream", "logs:DescribeLogStreams", "logs:PutLogEvents"],
      resources: [sparkLog.arn, $interpolate`${sparkLog.arn}:log-stream:*`],
    },
  ],
});

// ── Athena ─────────────────────────────────────────────────────────────────────────────────────────────────────────

/** Statements run with the rights of who starts them. */
const athena: readonly Grant[] = [
  statements,
  {
    actions: ["athena:GetTableMetadata"],
    resources: [$interpolate`arn:aws:athena:${region}:${account}:datacatalog/AwsDataCatalog`],
  },
  { actions: ["s3:ListBucket", "s3:GetBucketLocation"], resources: [queryResults.arn] },
  resultsOfStatements,
  catalogue,
  defaultDatabase,
  ...lakeFiles,
];

// ── the run ────────────────────────────────────────────────────────────────────────────────────────────────────────

const jobs: readonly Grant[] = [
  {
    actions: ["emr-serverless:StartJobRun", "emr-serverless:GetJobRun"],
    resources: [spark.arn, $interpolate`${spark.arn}/jobruns/*`],
  },
  { actions: ["iam:PassRole"], resources: [role.arn] },
  // What a workflow gave up goes there.
  { actions: ["s3:PutObject"], resources: [$interpolate`${deadLetterBucket.arn}/*`] },
  { actions: ["s3:ListBucket"], resources: [deadLetterBucket.arn] },
  ...athena,
];
const variables = {
  EBB_ATHENA_WORKGROUP: workgroup.name,
  EBB_GLUE_DATABASE: database.name,
  EBB_SPARK_APPLICATION: spark.id,
  EBB_SPARK_ROLE: role.arn,
  EBB_SPARK_ENTRY_POINT: $interpolate`s3://${lakeBucket.name}/${entryPoint.key}`,
  EBB_SPARK_PARAMETERS: lakeBucket.name.apply((bucket) =>
    sparkSubmitParameters({ icebergJar, catalogue: glueCatalogue(`s3://${bucket}/tables`) }),
  ),
};

/** What declared sources have told, where there are any. */
const told: readonly Grant[] =
  states === undefined
    ? []
    : [
        { actions: ["dynamodb:GetItem", "dynamodb:Query"], resources: [states.arn] },
        { actions: ["s3:GetObject"], resources: [under(lakeBucket, "sources/tables/")] },
      ];
const run = workflowOf(
  dailyRun.handler,
  dailyRun.executionTimeoutSeconds,
  [...jobs, ...told],
  variables,
  besideSources,
);
const keepUp = workflowOf(weeklyUpkeep.handler, weeklyUpkeep.executionTimeoutSeconds, jobs, variables);

/** Erasures: begun by `serve/erasures`, each an execution named by its id. Not longer than the bound allows. */
const eraseSeconds = 24 * 3600;
/** Models and reports that name somebody are written anew. */
const documents: Grant = {
  actions: ["s3:GetObject", "s3:PutObject", "s3:AbortMultipartUpload", "s3:DeleteObject"],
  resources: [under(lakeBucket, "models/"), under(lakeBucket, "reports/"), under(lakeBucket, "sources/")],
};
const erase = workflowOf("serve/erase-customers", eraseSeconds, [...jobs, documents], variables);
new aws.lambda.FunctionEventInvokeConfig("EraseCustomersRetries", {
  functionName: erase.name,
  qualifier: erase.qualifier.apply((qualifier) => qualifier!),
  maximumRetryAttempts: 2,
  maximumEventAgeInSeconds: 6 * 3600,
  destinationConfig: { onFailure: { destination: deadLetterBucket.arn } },
});

// ── by the clock ───────────────────────────────────────────────────────────────────────────────────────────────────

const byTheClock = (
  { name, at, onDay, maximumRetryAttempts, maximumEventAgeSeconds }: Schedule,
  target: sst.aws.Workflow,
): void =>
  scheduled(logicalName(name), {
    target,
    schedule: { at, onDay },
    // The scheduler fills in the instant that was due: a start that is made again is the same run.
    event: { scheduledAt: "<aws.scheduler.scheduled-time>" },
    maximumRetryAttempts,
    maximumEventAgeSeconds,
  });

for (const [schedule, workflow] of [
  [dailyRun, run],
  [weeklyUpkeep, keepUp],
] as const) {
  byTheClock(schedule, workflow);
  // Started without waiting: Lambda tries again, and keeps what it gives up.
  new aws.lambda.FunctionEventInvokeConfig(`${logicalName(schedule.name)}Retries`, {
    functionName: workflow.name,
    qualifier: workflow.qualifier.apply((qualifier) => qualifier!),
    maximumRetryAttempts: 2,
    maximumEventAgeInSeconds: 6 * 3600,
    destinationConfig: { onFailure: { destination: deadLetterBucket.arn } },
  });
}

// ── alarms ─────────────────────────────────────────────────────────────────────────────────────────────────────────

const executions = (metricName: string, of: sst.aws.Workflow = run) => ({
  namespace: "AWS/Lambda",
  metricName,
  dimensions: { FunctionName: of.name },
  statistic: "Sum" as const,
});

alarm("model-erasure-failed", {
  todo: "The erasure stands still: people are suppressed but not removed. docs/operations.md says how to start it again.",
  metric: executions("DurableExecutionFailed", erase),
  above: 0,
});

alarm("model-run-failed", {
  todo: "Read the run's reason with GET /v1/runs, mend the cause, and start the run again.",
  metric: executions("DurableExecutionFailed"),
  above: 0,
});
alarm("model-run-timed-out", {
  todo: "Look at the step the run stands at (GET /v1/runs) and at its job; then start the run again.",
  metric: executions("DurableExecutionTimedOut"),
  above: 0,
});
alarm("model-run-late", {
  todo: "Look whether a run began, failed or still goes on; segments and scores are older than a day.",
  metric: executions("DurableExecutionSucceeded"),
  below: 1,
  periodSeconds: 3600,
  periods: latestRunHours,
  expected: true,
});
alarm("model-no-model", {
  todo: "Read the run's reason with GET /v1/runs: a data quality gate kept it from making a churn model.",
  metric: counted("RunsWithoutModel"),
  above: 0,
});
alarm("model-drift", {
  todo: "Read the drift report of the run: the stream and the lake disagree about customers, and one of them is wrong.",
  metric: counted("CustomersDrifted"),
  above: 0,
});
alarm("model-start-missed", {
  todo: "Read the message in the queue of missed starts, mend the cause, and start the run by hand.",
  metric: {
    namespace: "AWS/SQS",
    metricName: "ApproximateNumberOfMessagesVisible",
    dimensions: { QueueName: missed.nodes.queue.name },
    statistic: "Maximum",
  },
  above: 0,
});
alarm("model-upkeep-failed", {
  todo: "Read the function's log: tables keep too many files and the bytes of erased customers until it succeeds.",
  metric: executions("DurableExecutionFailed", keepUp),
  above: 0,
});
alarm("model-scan-cost", {
  todo: "Look at the workgroup's recent queries by data scanned: a day's are above ten times the cap of one.",
  metric: {
    namespace: "AWS/Athena",
    metricName: "ProcessedBytes",
    dimensions: { QueryState: "SUCCEEDED", QueryType: "DML", WorkGroup: workgroup.name },
    statistic: "Sum",
  },
  above: 10 * queryScanLimitBytes,
  periodSeconds: 86_400,
});
