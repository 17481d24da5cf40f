/** Collect: the front door. Events and files in; a stream, a ledger and a quarantine behind. */
import { uploadJob } from "@ebb/functions/declarations";
import { alarm, counted } from "./parts/alarm.ts";
import { serveRoutes } from "./parts/api.ts";
import { lambdaOf } from "./parts/function.ts";
import { deadLetterBucket, stream, uploadBucket } from "./shared.ts";
import { dataKey } from "./parts/keys.ts";

serveRoutes("collect");

// ── uploads: asked for by the API, or by S3 when a presigned PUT is through ────────────────────────────────────────

const processUpload = lambdaOf(uploadJob.handler, [
  { actions: ["s3:PutObject"], resources: [$interpolate`${deadLetterBucket.arn}/*`] },
  { actions: ["s3:ListBucket"], resources: [deadLetterBucket.arn] },
  { actions: ["kms:Decrypt", "kms:GenerateDataKey"], resources: [dataKey.arn] },
]);

new aws.lambda.FunctionEventInvokeConfig("ProcessUploadRetries", {
  functionName: processUpload.name,
  maximumRetryAttempts: uploadJob.maximumRetryAttempts,
  maximumEventAgeInSeconds: 6 * 3600,
  destinationConfig: { onFailure: { destination: deadLetterBucket.arn } },
});

// A long file asks for its own next run: Lambda would take more than sixteen such runs for a loop and stop them. They
// end by themselves: a run asks for another only after a step that its checkpoint holds, and a step that never ends is
// stopped by the function's timeout, tried twice more and given up.
new aws.lambda.FunctionRecursionConfig("ProcessUploadContinues", {
  functionName: processUpload.name,
  recursiveLoop: "Allow",
});

uploadBucket.notify({
  notifications: [
    {
      name: "ContentArrived",
      function: processUpload.arn,
      events: ["s3:ObjectCreated:Put", "s3:ObjectCreated:CompleteMultipartUpload"],
      // Spools lie in the same bucket, and writing one must not start another run.
      filterPrefix: "uploads/",
      filterSuffix: "/content",
    },
  ],
});

// ── alarms ─────────────────────────────────────────────────────────────────────────────────────────────────────────

alarm("collect-stream-throttled", {
  todo: "Look for a shard that gets more than its share; on-demand streams double by themselves within 15 minutes.",
  metric: {
    namespace: "AWS/Kinesis",
    metricName: "WriteProvisionedThroughputExceeded",
    dimensions: { StreamName: stream.name },
    statistic: "Sum",
  },
  above: 0,
  periods: 3,
});

for (const channel of ["http", "social", "upload"])
  alarm(`collect-${channel}-quarantine-rate`, {
    todo: "List the reasons with GET /v1/quarantine, have the producer's events or the mapping mended, then replay.",
    metric: counted("EventsQuarantined", { channel }),
    per: { metric: counted("EventsReceived", { channel }), atLeast: 100 },
    above: 0.05,
    periodSeconds: 900,
  });

const ofProcessUpload = { FunctionName: processUpload.name };
alarm("collect-upload-given-up", {
  todo: "Read the invocation record in the dead-letter bucket, mend the cause, and ask for the upload again.",
  metric: { namespace: "AWS/Lambda", metricName: "AsyncEventsDropped", dimensions: ofProcessUpload, statistic: "Sum" },
  above: 0,
});
alarm("collect-upload-record-lost", {
  todo: "Give the function back its right to write to the dead-letter bucket: a failed run left no record.",
  metric: {
    namespace: "AWS/Lambda",
    metricName: "DestinationDeliveryFailures",
    dimensions: ofProcessUpload,
    statistic: "Sum",
  },
  above: 0,
});
alarm("collect-upload-errors", {
  todo: "Read the function's log by upload id; Lambda tries again by itself, so act when collect-upload-given-up follows.",
  metric: { namespace: "AWS/Lambda", metricName: "Errors", dimensions: ofProcessUpload, statistic: "Sum" },
  above: 2,
});
