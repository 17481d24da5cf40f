/** Watch: one CloudWatch dashboard, a row a stage and one of what grows the bill. */
import { scoreConsumer } from "@ebb/functions/declarations";
import type { MetricName } from "@ebb/ports/metric-names";
import type { Metric } from "./parts/alarm.ts";
import { counted } from "./parts/alarm.ts";
import { api } from "./parts/api.ts";
import { namePrefix } from "./parts/settings.ts";
import { delivery, workgroup } from "./land.ts";
import { foldOrders } from "./score.ts";
import { customerTable, ledgerTable, stream } from "./shared.ts";
import { sources } from "./parts/sources.ts";

/** A line of a graph: a metric under the name that it has there. */
type Line = readonly [label: string, metric: Metric];
interface Graph {
  readonly title: string;
  readonly lines: readonly Line[];
}

/** Of 24 columns. */
const HEIGHT = 6;
const region = aws.getRegionOutput().region;

const metric = (
  namespace: string,
  metricName: string,
  dimensions: NonNullable<Metric["dimensions"]>,
  statistic: Metric["statistic"] = "Sum",
): Metric => ({ namespace, metricName, dimensions, statistic });

const channels = ["http", "social", "upload"];
const ofStream = { StreamName: stream.name };
const ofScore = { FunctionName: foldOrders.name };
const ofDelivery = { DeliveryStreamName: delivery.name };
const ofApi = { ApiId: api.nodes.api.id };
const ofQueries = { QueryState: "SUCCEEDED", QueryType: "DML", WorkGroup: workgroup.name };
const writes = (table: sst.aws.Dynamo) =>
  metric("AWS/DynamoDB", "ConsumedWriteCapacityUnits", { TableName: table.name });

const ofSources = (name: MetricName): Line[] =>
  sources.map(({ spec }) => [spec.name, counted(name, { source: spec.name })]);

const rows: readonly (readonly [stage: string, graphs: readonly Graph[]])[] = [
  [
    "Collect",
    [
      { title: "Events received", lines: channels.map((channel) => [channel, counted("EventsReceived", { channel })]) },
      {
        title: "Events quarantined",
        lines: [
          ...[...channels, "stream", "land", "firehose"].map((channel): Line => [
            channel,
            counted("EventsQuarantined", { channel }),
          ]),
          ["uploads refused whole", counted("UploadsFailed")],
        ],
      },
      {
        title: "Stream: writes refused, answers 5xx",
        lines: [
          ["writes refused", metric("AWS/Kinesis", "WriteProvisionedThroughputExceeded", ofStream)],
          ["5xx", metric("AWS/ApiGateway", "5xx", ofApi)],
        ],
      },
    ],
  ],
  ...(sources.length === 0
    ? []
    : [
        [
          "Sources",
          [
            { title: "Rows read", lines: ofSources("SourceRowsRead") },
            { title: "Loads done", lines: ofSources("SourceLoadsDone") },
            { title: "Loads failed", lines: ofSources("SourceLoadsFailed") },
          ],
        ] as const,
      ]),
  [
    "Score",
    [
      {
        title: "Lag, milliseconds",
        lines: [["oldest record", metric("AWS/Lambda", "IteratorAge", ofScore, "Maximum")]],
      },
      {
        title: "Order events, conflicts",
        lines: [
          ["order events", counted("OrderEventsRead")],
          ["conflicts", counted("CustomerWriteConflicts")],
        ],
      },
      {
        title: "Failures",
        lines: [
          ["records again", counted("RecordsFailed", { consumer: scoreConsumer.name })],
          ["batches", metric("AWS/Lambda", "Errors", ofScore)],
        ],
      },
    ],
  ],
  [
    "Land",
    [
      {
        title: "Freshness, seconds",
        lines: [["oldest record", metric("AWS/Firehose", "DeliveryToS3.DataFreshness", ofDelivery, "Maximum")]],
      },
      {
        title: "Records landed",
        lines: [["landed", metric("AWS/Firehose", "SucceedConversion.Records", ofDelivery)]],
      },
      {
        title: "Failures",
        lines: [
          ["not converted", metric("AWS/Firehose", "FailedConversion.Records", ofDelivery)],
          ["reads refused", metric("AWS/Firehose", "ThrottledGetRecords", ofDelivery)],
        ],
      },
    ],
  ],
  [
    "Model",
    [
      {
        title: "Runs",
        lines: [
          ["failed", counted("RunsFailed")],
          ["without a model", counted("RunsWithoutModel")],
        ],
      },
      { title: "Drift: customers unlike the lake", lines: [["customers", counted("CustomersDrifted")]] },
    ],
  ],
  [
    "Serve",
    [
      { title: "Requests", lines: [["requests", metric("AWS/ApiGateway", "Count", ofApi)]] },
      {
        title: "Latency, milliseconds",
        lines: [
          ["mean", metric("AWS/ApiGateway", "Latency", ofApi, "Average")],
          ["longest", metric("AWS/ApiGateway", "Latency", ofApi, "Maximum")],
        ],
      },
    ],
  ],
  [
    "Cost",
    [
      { title: "Stream, bytes", lines: [["in", metric("AWS/Kinesis", "IncomingBytes", ofStream)]] },
      {
        title: "Tables, write units",
        lines: [
          ["customers", writes(customerTable)],
          ["ledger", writes(ledgerTable)],
        ],
      },
      { title: "Athena, bytes scanned", lines: [["scanned", metric("AWS/Athena", "ProcessedBytes", ofQueries)]] },
    ],
  ],
];

const graph = ({ title, lines }: Graph, place: { x: number; y: number; width: number }) => ({
  type: "metric",
  ...place,
  height: HEIGHT,
  properties: {
    title,
    region,
    view: "timeSeries",
    period: 300,
    metrics: lines.map(([label, { namespace, metricName, dimensions = {}, statistic }]) => [
      namespace,
      metricName,
      ...Object.entries(dimensions).flat(),
      { label, stat: statistic },
    ]),
  },
});

const widgets = rows.flatMap(([stage, graphs], row) => {
  const y = row * (HEIGHT + 1);
  const width = 24 / graphs.length;
  return [
    { type: "text", x: 0, y, width: 24, height: 1, properties: { markdown: `## ${stage}`, background: "transparent" } },
    ...graphs.map((each, index) => graph(each, { x: index * width, y: y + 1, width })),
  ];
});

new aws.cloudwatch.Dashboard("Pipeline", {
  dashboardName: `${namePrefix}-pipeline`,
  dashboardBody: $jsonStringify({ start: "-P1D", periodOverride: "inherit", widgets }),
});
