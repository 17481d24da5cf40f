import type { Job } from "@ebb/functions/declarations";
import { deadLetterBucket } from "../shared.ts";
import { alarm } from "./alarm.ts";
import { lambdaOf, logicalName } from "./function.ts";
import { dataKey } from "./keys.ts";

interface JobArgs {
  /** The bucket whose new objects start it. */
  readonly bucket: sst.aws.Bucket;
  readonly notification: string;
  /** Alarms are named `<this>-errors`, `-given-up` and `-record-lost`, each with what to do. */
  readonly alarms: string;
  readonly todo: { readonly errors: string; readonly givenUp: string };
}

/**
 * A function that nobody waits for: started by new objects of a bucket, tried again as declared, and watched. What it
 * gives up on is kept as a whole invocation record.
 */
export const jobOf = (job: Job, { bucket, notification, alarms, todo }: JobArgs): sst.aws.Function => {
  const run = lambdaOf(job.handler, [
    { actions: ["s3:PutObject"], resources: [$interpolate`${deadLetterBucket.arn}/*`] },
    { actions: ["s3:ListBucket"], resources: [deadLetterBucket.arn] },
    { actions: ["kms:Decrypt", "kms:GenerateDataKey"], resources: [dataKey.arn] },
  ]);
  new aws.lambda.FunctionEventInvokeConfig(`${logicalName(job.name)}Retries`, {
    functionName: run.name,
    maximumRetryAttempts: job.maximumRetryAttempts,
    maximumEventAgeInSeconds: 6 * 3600,
    destinationConfig: { onFailure: { destination: deadLetterBucket.arn } },
  });
  const { prefix, suffix } = job.startedBy;
  bucket.notify({
    notifications: [
      {
        name: notification,
        function: run.arn,
        events: ["s3:ObjectCreated:Put", "s3:ObjectCreated:CompleteMultipartUpload"],
        filterPrefix: prefix,
        ...(suffix === undefined ? {} : { filterSuffix: suffix }),
      },
    ],
  });

  const watch = (name: string, metricName: string, above: number, what: string) =>
    alarm(`${alarms}-${name}`, {
      todo: what,
      metric: { namespace: "AWS/Lambda", metricName, dimensions: { FunctionName: run.name }, statistic: "Sum" },
      above,
    });
  watch("given-up", "AsyncEventsDropped", 0, todo.givenUp);
  watch(
    "record-lost",
    "DestinationDeliveryFailures",
    0,
    "Give the function back its right to write to the dead-letter bucket: a failed run left no record.",
  );
  watch("errors", "Errors", 2, todo.errors);
  return run;
};
