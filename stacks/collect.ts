/** Collect: the front door. Events and files in; a stream, a ledger and a quarantine behind. */
import { uploadJob } from "@ebb/functions/declarations";
import { alarm, counted } from "./parts/alarm.ts";
import { serveRoutes } from "./parts/api.ts";
import { lambdaOf } from "./parts/function.ts";
import { jobOf } from "./parts/job.ts";
import { stream, uploadBucket } from "./shared.ts";

serveRoutes("collect");

// ── uploads: asked for by the API, or by S3 when a presigned PUT is through ────────────────────────────────────────

const processUpload = jobOf(uploadJob, {
  bucket: uploadBucket,
  notification: "ContentArrived",
  alarms: "collect-upload",
  todo: {
    errors:
      "Read the function's log by upload id; Lambda tries again by itself, so act when collect-upload-given-up follows.",
    givenUp: "Read the invocation record in the dead-letter bucket, mend the cause, and ask for the upload again.",
  },
});

// A long file asks for its own next run: Lambda would take more than sixteen such runs for a loop and stop them. They
// end by themselves: a run asks for another only after a step that its checkpoint holds, and a step that never ends is
// stopped by the function's timeout, tried twice more and given up.
new aws.lambda.FunctionRecursionConfig("ProcessUploadContinues", {
  functionName: processUpload.name,
  recursiveLoop: "Allow",
});

// ── replay: asked for by an operator ───────────────────────────────────────────────────────────────────────────────

lambdaOf("collect/replay-quarantined");

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
