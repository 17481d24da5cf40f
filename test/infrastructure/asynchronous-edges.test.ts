/**
 * Wherever one part hands something to another and does not wait: it is tried again a finite number of times, what is
 * given up is kept, and somebody is told.
 */
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { before, describe, it } from "node:test";
import { isDeepStrictEqual } from "node:util";
import { failedRecordsJob, landConsumer, scoreConsumer, uploadJob } from "@ebb/functions/declarations";
import { metricNames } from "@ebb/ports/metric-names";
import { dig, evaluateStacks, type DeclaredResource, type ResourceGraph } from "./evaluate.ts";
import { lambdaOf } from "./iam.ts";

let graph: ResourceGraph;
before(async () => {
  graph = await evaluateStacks({ stage: "production" });
});

const deadLetters = "arn:aws:s3:::DeadLettersBucket";
const alarms = (): readonly DeclaredResource[] => graph.ofType("aws:cloudwatch/metricAlarm:MetricAlarm");
/** Alarms on a metric of a resource: whatever its dimension is called, its value names the resource. */
const alarmsOn = (namespace: string, metricName: string, of: unknown): readonly DeclaredResource[] =>
  alarms().filter(
    ({ inputs }) =>
      inputs["namespace"] === namespace &&
      inputs["metricName"] === metricName &&
      Object.values((inputs["dimensions"] ?? {}) as Record<string, unknown>).includes(of),
  );
const isWatched = (namespace: string, metricName: string, of: unknown): void => {
  assert.equal(alarmsOn(namespace, metricName, of).length, 1, `${metricName} of ${String(of)}`);
};
/** Physical names are random in an evaluation; the mocks answer with the logical one. */
const nameOf = (handler: string): string => lambdaOf(graph, handler).name;

describe("stream → score", () => {
  it("runs with the settings that the embedded home honours", () => {
    const { inputs } = graph.one("aws:lambda/eventSourceMapping:EventSourceMapping");
    assert.deepEqual(
      {
        startingPosition: inputs["startingPosition"],
        batchSize: inputs["batchSize"],
        windowSeconds: inputs["maximumBatchingWindowInSeconds"],
        parallelizationFactor: inputs["parallelizationFactor"],
        maximumRetryAttempts: inputs["maximumRetryAttempts"],
        maximumRecordAgeSeconds: inputs["maximumRecordAgeInSeconds"],
        bisectBatchOnFunctionError: inputs["bisectBatchOnFunctionError"],
      },
      (({ name: _name, handler: _handler, ...settings }) => settings)(scoreConsumer),
    );
    assert.deepEqual(inputs["functionResponseTypes"], ["ReportBatchItemFailures"]);
    assert.equal(inputs["filterCriteria"], undefined, "aggregated records cannot be filtered by what is in them");
  });

  it("starts at the oldest record, and gives up on one while the stream still holds it", () => {
    const { inputs } = graph.one("aws:lambda/eventSourceMapping:EventSourceMapping");
    assert.equal(inputs["startingPosition"], "TRIM_HORIZON");
    const retentionSeconds = (graph.one("aws:kinesis/stream:Stream").inputs["retentionPeriod"] as number) * 3600;
    const age = inputs["maximumRecordAgeInSeconds"] as number;
    const attempts = inputs["maximumRetryAttempts"] as number;
    assert.ok(age > 0 && age < retentionSeconds);
    assert.ok(attempts > 0 && attempts < 10_000);
  });

  it("keeps whole records of what it gives up, and is watched for age, errors, dead letters and loss", () => {
    const mapping = graph.one("aws:lambda/eventSourceMapping:EventSourceMapping");
    assert.equal(dig(mapping.inputs, "destinationConfig", "onFailure", "destinationArn"), deadLetters);
    assert.deepEqual(mapping.inputs["metricsConfig"], { metrics: ["EventCount"] });
    const uuid = `${mapping.name}-uuid`;
    isWatched("AWS/Lambda", "IteratorAge", nameOf(scoreConsumer.handler));
    isWatched("AWS/Lambda", "Errors", nameOf(scoreConsumer.handler));
    isWatched("AWS/Lambda", "OnFailureDestinationDeliveredEventCount", uuid);
    isWatched("AWS/Lambda", "DroppedEventCount", uuid);
  });
});

for (const [bucket, job] of [
  ["UploadFilesBucket", uploadJob],
  ["LakeBucket", failedRecordsJob],
] as const)
  describe(`new objects of ${bucket} → ${job.name}`, () => {
    it("is asked for by S3 under the declared prefix alone: other objects of the bucket start nothing", () => {
      const ofBucket = graph
        .ofType("aws:s3/bucketNotification:BucketNotification")
        .filter(({ inputs }) => inputs["bucket"] === bucket);
      assert.equal(ofBucket.length, 1, "S3 keeps one configuration a bucket: a second replaces the first");
      const notified = dig(ofBucket[0]!.inputs, "lambdaFunctions");
      assert.ok(Array.isArray(notified) && notified.length === 1);
      assert.equal(dig(notified, 0, "filterPrefix"), job.startedBy.prefix);
      assert.equal(dig(notified, 0, "filterSuffix"), job.startedBy.suffix);
      // A large object is written in parts.
      assert.deepEqual(dig(notified, 0, "events"), [
        "s3:ObjectCreated:Put",
        "s3:ObjectCreated:CompleteMultipartUpload",
      ]);
      const arn = `arn:aws:lambda:us-east-1:123456789012:function:${nameOf(job.handler)}`;
      assert.equal(dig(notified, 0, "lambdaFunctionArn"), arn);
      const permitted = graph
        .ofType("aws:lambda/permission:Permission")
        .filter(({ inputs }) => inputs["function"] === arn && inputs["principal"] === "s3.amazonaws.com");
      assert.deepEqual(
        permitted.map(({ inputs }) => inputs["sourceArn"]),
        [`arn:aws:s3:::${bucket}`],
      );
    });

    it("is tried again as declared, which is no more than Lambda takes, and keeps what it gives up", () => {
      const [{ inputs }, ...more] = graph
        .ofType("aws:lambda/functionEventInvokeConfig:FunctionEventInvokeConfig")
        .filter((each) => each.inputs["functionName"] === nameOf(job.handler)) as [DeclaredResource];
      assert.deepEqual(more, []);
      assert.equal(inputs["maximumRetryAttempts"], job.maximumRetryAttempts);
      assert.ok(job.maximumRetryAttempts <= 2);
      assert.equal(dig(inputs, "destinationConfig", "onFailure", "destination"), deadLetters);
    });

    it("is watched for errors, given-up events and records that could not be kept", () => {
      for (const metric of ["Errors", "AsyncEventsDropped", "DestinationDeliveryFailures"])
        isWatched("AWS/Lambda", metric, nameOf(job.handler));
    });
  });

describe("upload → process-upload", () => {
  it("is started by originals and not by the spools beside them", () => {
    assert.deepEqual(uploadJob.startedBy, { prefix: "uploads/", suffix: "/content" });
  });

  it("may ask for its own next run as often as a long file needs", () => {
    const { inputs } = graph.one("aws:lambda/functionRecursionConfig:FunctionRecursionConfig");
    assert.deepEqual(inputs, { functionName: nameOf(uploadJob.handler), recursiveLoop: "Allow" });
  });
});

describe("stream → land", () => {
  const delivery = (): DeclaredResource => graph.one("aws:kinesis/firehoseDeliveryStream:FirehoseDeliveryStream");

  it("buffers and lays out as declared", () => {
    const s3 = delivery().inputs["extendedS3Configuration"];
    assert.equal(dig(s3, "bufferingSize"), landConsumer.bufferMb);
    assert.equal(dig(s3, "bufferingInterval"), landConsumer.bufferSeconds);
    assert.equal(dig(s3, "prefix"), landConsumer.prefix);
    assert.ok(landConsumer.bufferMb >= 64, "record conversion takes no less");
    assert.equal(dig(s3, "dynamicPartitioningConfiguration"), undefined);
  });

  it("keeps what it cannot transform or convert under a prefix of its own, outside the table", () => {
    const s3 = delivery().inputs["extendedS3Configuration"];
    const prefix = String(dig(s3, "errorOutputPrefix"));
    assert.match(prefix, /^failed\/!\{firehose:error-output-type\}\//);
    assert.ok(!landConsumer.prefix.startsWith("failed/"));
    // From there they go to quarantine; what reads them expects plain text.
    assert.equal(failedRecordsJob.startedBy.prefix, "failed/");
    assert.equal(dig(s3, "bucketArn"), "arn:aws:s3:::LakeBucket");
    assert.equal(dig(s3, "compressionFormat"), "UNCOMPRESSED");
  });

  it("is watched for records that nobody can read, as the score stage is", () => {
    for (const channel of ["stream", "land"])
      assert.equal(
        alarms().filter(
          ({ inputs }) =>
            inputs["metricName"] === "EventsQuarantined" &&
            isDeepStrictEqual(inputs["dimensions"], { service: "ebb", channel }),
        ).length,
        1,
        channel,
      );
  });

  it("is watched for freshness, delivery, transform, conversion and throttling", () => {
    const name = "ebb-production-land";
    for (const metric of [
      "DeliveryToS3.DataFreshness",
      "DeliveryToS3.Success",
      "ExecuteProcessing.Success",
      "FailedConversion.Records",
      "ThrottledGetRecords",
    ])
      isWatched("AWS/Firehose", metric, name);
  });
});

describe("the front door", () => {
  it("is watched for server errors, throttled writes and the share of refused rows in every channel", () => {
    isWatched("AWS/ApiGateway", "5xx", "ApiApi-id");
    isWatched("AWS/Kinesis", "WriteProvisionedThroughputExceeded", "EventsStream");
    const counts = (channel: string): unknown =>
      (
        graph.one(
          "aws:cloudwatch/metricAlarm:MetricAlarm",
          `Collect${channel[0]!.toUpperCase()}${channel.slice(1)}QuarantineRateAlarm`,
        ).inputs["metricQueries"] as { metric?: { metricName: string; namespace: string; dimensions: unknown } }[]
      ).flatMap(({ metric }) =>
        metric === undefined ? [] : [[metric.namespace, metric.metricName, metric.dimensions]],
      );
    for (const channel of ["http", "social", "upload"])
      assert.deepEqual(counts(channel), [
        ["Ebb/production", "EventsQuarantined", { service: "ebb", channel }],
        ["Ebb/production", "EventsReceived", { service: "ebb", channel }],
      ]);
  });

  it("counts what its alarms read: every metric of our own is named in the code of a handler", () => {
    const functions = path.resolve(import.meta.dirname, "../../packages/functions/src");
    const code = readdirSync(functions, { recursive: true, encoding: "utf8" })
      .filter((file) => file.endsWith(".ts") && !file.endsWith(".test.ts"))
      .map((file) => readFileSync(path.join(functions, file), "utf8"))
      .join("\n");
    const own = alarms().flatMap(({ inputs }) =>
      inputs["namespace"] === "Ebb/production" ? [String(inputs["metricName"])] : [],
    );
    const inRatios = alarms().flatMap(({ inputs }) =>
      ((inputs["metricQueries"] ?? []) as { metric?: { metricName: string } }[]).flatMap(
        ({ metric }) => metric?.metricName ?? [],
      ),
    );
    assert.ok(own.length > 0 && inRatios.length > 0);
    for (const name of [...own, ...inRatios]) assert.ok(code.includes(`count("${name}"`), `no handler counts ${name}`);
  });

  it("has its metrics, and those of every stage, listed for whoever operates it, with their dimensions", () => {
    const operations = readFileSync(path.resolve(import.meta.dirname, "../../docs/operations.md"), "utf8");
    const listed = [...operations.matchAll(/^\| `(\w+)` +\| (.*?) *\|/gm)].map(([, name, dimensions = ""]) => [
      name,
      [...dimensions.matchAll(/`(\w+)`/g)].map(([, dimension]) => dimension),
    ]);
    assert.deepEqual(Object.fromEntries(listed), metricNames);
  });

  it("throttles, and logs every request without what is personal or secret in it", () => {
    const { inputs } = graph.one("aws:apigatewayv2/stage:Stage");
    assert.deepEqual(inputs["defaultRouteSettings"], {
      throttlingRateLimit: 1000,
      throttlingBurstLimit: 2000,
      detailedMetricsEnabled: true,
    });
    const format = String(dig(inputs, "accessLogSettings", "format"));
    assert.match(format, /\$context\.routeKey/);
    // A customer's id and a write key come in paths, keys in queries and headers too; an address is personal.
    assert.doesNotMatch(format, /\$context\.(?:path|protocol|identity|authorizer)|query|header/i);
  });
});

describe("every alarm", () => {
  const operations = readFileSync(path.resolve(import.meta.dirname, "../../docs/operations.md"), "utf8");
  const shortName = ({ inputs }: DeclaredResource): string => String(inputs["name"]).replace("ebb-production-", "");

  it("tells the topic, says what to do, and has its section in docs/operations.md", () => {
    assert.ok(alarms().length >= 15);
    for (const each of alarms()) {
      assert.deepEqual(each.inputs["alarmActions"], ["arn:aws:sns:us-east-1:123456789012:AlarmsTopic"]);
      const [todo = ""] = String(each.inputs["alarmDescription"]).split(" See docs/operations.md");
      assert.ok(todo.length > 40, each.name);
      assert.ok(
        operations.includes(`\n### ${shortName(each)}\n`),
        `docs/operations.md has no section ${shortName(each)}`,
      );
    }
  });

  it("that has a section exists", () => {
    // Those of a source exist where one is declared: sources.test.ts.
    const names = new Set([...alarms().map(shortName), "monthly", "source-failed", "source-errors", "source-late"]);
    for (const [, name = ""] of operations.matchAll(/^### (.+)$/gm)) assert.ok(names.has(name), name);
  });

  it("is quiet while nothing happens", () => {
    // A day without a run that succeeded is what must not go unnoticed.
    for (const { name, inputs } of alarms())
      assert.equal(inputs["treatMissingData"], name === "ModelRunLateAlarm" ? "breaching" : "notBreaching", name);
  });

  it("and the budget reach the topic, and no other account does", () => {
    const policy = String(graph.one("aws:sns/topicPolicy:TopicPolicy").inputs["policy"]);
    for (const service of ["cloudwatch.amazonaws.com", "budgets.amazonaws.com"]) assert.ok(policy.includes(service));
    assert.match(policy, /"aws:SourceAccount":\["123456789012"\]/);
    const budget = graph.one("aws:budgets/budget:Budget");
    for (const notification of budget.inputs["notifications"] as Record<string, unknown>[])
      assert.deepEqual(notification["subscriberSnsTopicArns"], ["arn:aws:sns:us-east-1:123456789012:AlarmsTopic"]);
    assert.deepEqual(dig(budget.inputs, "costFilters", 0, "values"), ["user:ebb:cost$ebb-production"]);
  });
});
