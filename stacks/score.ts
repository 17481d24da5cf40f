/** Score: stream → customers. Its settings are `scoreConsumer`, which the embedded home honours as well. */
import { scoreConsumer } from "@ebb/functions/declarations";
import { alarm, counted } from "./parts/alarm.ts";
import { lambdaOf } from "./parts/function.ts";
import { dataKey } from "./parts/keys.ts";
import { deadLetterBucket, stream } from "./shared.ts";

export const foldOrders = lambdaOf(scoreConsumer.handler, [
  {
    actions: [
      "kinesis:DescribeStream",
      "kinesis:DescribeStreamSummary",
      "kinesis:GetRecords",
      "kinesis:GetShardIterator",
      "kinesis:ListShards",
    ],
    resources: [stream.arn],
  },
  // Lambda writes the record of what it gave up under a prefix of its own.
  { actions: ["s3:PutObject"], resources: [$interpolate`${deadLetterBucket.arn}/aws/lambda/*`] },
  { actions: ["s3:ListBucket"], resources: [deadLetterBucket.arn] },
  { actions: ["kms:Decrypt", "kms:GenerateDataKey"], resources: [dataKey.arn] },
]);

const subscription = stream.subscribe("Score", foldOrders.arn, {
  transform: {
    eventSourceMapping: (args) => {
      args.startingPosition = scoreConsumer.startingPosition;
      args.batchSize = scoreConsumer.batchSize;
      args.maximumBatchingWindowInSeconds = scoreConsumer.windowSeconds;
      args.parallelizationFactor = scoreConsumer.parallelizationFactor;
      args.maximumRetryAttempts = scoreConsumer.maximumRetryAttempts;
      args.maximumRecordAgeInSeconds = scoreConsumer.maximumRecordAgeSeconds;
      args.bisectBatchOnFunctionError = scoreConsumer.bisectBatchOnFunctionError;
      args.functionResponseTypes = ["ReportBatchItemFailures"];
      // S3 keeps the whole record; a queue would keep a pointer into a stream that forgets.
      args.destinationConfig = { onFailure: { destinationArn: deadLetterBucket.arn } };
      args.metricsConfig = { metrics: ["EventCount"] };
      return undefined;
    },
  },
});

// ── alarms ─────────────────────────────────────────────────────────────────────────────────────────────────────────

const ofFunction = { FunctionName: foldOrders.name };
const ofMapping = { EventSourceMappingUUID: subscription.apply((each) => each.nodes.eventSourceMapping.uuid) };

alarm("score-iterator-age", {
  todo: "Look for errors or throttles of the function; customers' figures are this far behind and nothing is lost for 6 days.",
  metric: { namespace: "AWS/Lambda", metricName: "IteratorAge", dimensions: ofFunction, statistic: "Maximum" },
  above: 5 * 60_000,
  periods: 3,
});
alarm("score-dead-letters", {
  todo: "Read the records under aws/lambda/ in the dead-letter bucket, mend the cause, and send them again.",
  metric: {
    namespace: "AWS/Lambda",
    metricName: "OnFailureDestinationDeliveredEventCount",
    dimensions: ofMapping,
    statistic: "Sum",
  },
  above: 0,
});
alarm("score-dropped", {
  todo: "Rebuild the customers of the time in question from the lake: records went past without a copy.",
  metric: { namespace: "AWS/Lambda", metricName: "DroppedEventCount", dimensions: ofMapping, statistic: "Sum" },
  above: 0,
});
alarm("score-errors", {
  todo: "Read the function's log: a whole batch failed, which partial failures should have prevented.",
  metric: { namespace: "AWS/Lambda", metricName: "Errors", dimensions: ofFunction, statistic: "Sum" },
  above: 3,
});
alarm("score-unreadable", {
  todo: "Read the quarantined records by the reason unreadable_record: something else than the front door writes to the stream.",
  metric: counted("EventsQuarantined", { channel: "stream" }),
  above: 0,
});
