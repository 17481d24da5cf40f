/** How the pipeline stands, read off CloudWatch: the metrics that the functions count and those that Kinesis keeps. */
import { type CloudWatchClient, GetMetricDataCommand, type MetricDataQuery } from "@aws-sdk/client-cloudwatch";
import type { MetricName } from "../metric-names.ts";
import type { Pulse } from "../ports.ts";
import { calling } from "./errors.ts";

const MINUTE_MS = 60_000;
/** Channels of the ledger: the counts have them as a dimension, and CloudWatch adds nothing up by itself. */
const CHANNELS = ["http", "social", "upload"];

export interface PulseNames {
  readonly namespace: string;
  readonly service: string;
  readonly scoreFunction: string;
  readonly deliveryStream: string;
}

export class CloudWatchPulse implements Pulse {
  readonly #client: CloudWatchClient;
  readonly #names: PulseNames;

  constructor(client: CloudWatchClient, names: PulseNames) {
    this.#client = client;
    this.#names = names;
  }

  async read(nowMs: number, minutes: number): ReturnType<Pulse["read"]> {
    const endMs = (Math.floor(nowMs / MINUTE_MS) + 1) * MINUTE_MS;
    const startMs = endMs - minutes * MINUTE_MS;
    const found = await calling("reading metrics", () =>
      this.#client.send(
        new GetMetricDataCommand({
          StartTime: new Date(startMs),
          EndTime: new Date(endMs),
          ScanBy: "TimestampAscending",
          MetricDataQueries: this.#queries(),
        }),
      ),
    );
    const series = new Map(
      (found.MetricDataResults ?? []).map(({ Id, Timestamps = [], Values = [] }) => [
        Id!,
        new Map(Timestamps.map((time, index) => [time.getTime(), Values[index] ?? 0])),
      ]),
    );
    const summed = (name: string, atMs: number): number =>
      CHANNELS.reduce((sum, channel) => sum + (series.get(`${name}_${channel}`)?.get(atMs) ?? 0), 0);
    const newest = (name: string): number | undefined => [...(series.get(name)?.values() ?? [])].at(-1);
    const score = newest("score_age");
    const land = newest("land_age");
    return {
      minutes: Array.from({ length: minutes }, (_, index) => {
        const atMs = startMs + index * MINUTE_MS;
        return { atMs, received: summed("received", atMs), quarantined: summed("quarantined", atMs) };
      }),
      stages: [
        { stage: "score", ...(score === undefined ? {} : { lagMs: score }) },
        // Firehose tells seconds.
        { stage: "land", ...(land === undefined ? {} : { lagMs: land * 1_000 }) },
      ],
    };
  }

  #queries(): MetricDataQuery[] {
    const { namespace, service, scoreFunction, deliveryStream } = this.#names;
    const query = (
      Id: string,
      Namespace: string,
      MetricName: string,
      Stat: string,
      dimensions: Readonly<Record<string, string>>,
    ): MetricDataQuery => ({
      Id,
      MetricStat: {
        Period: MINUTE_MS / 1_000,
        Stat,
        Metric: {
          Namespace,
          MetricName,
          Dimensions: Object.entries(dimensions).map(([Name, Value]) => ({ Name, Value })),
        },
      },
    });
    const counted = (name: string, metric: MetricName): MetricDataQuery[] =>
      CHANNELS.map((channel) => query(`${name}_${channel}`, namespace, metric, "Sum", { service, channel }));
    return [
      ...counted("received", "EventsReceived"),
      ...counted("quarantined", "EventsQuarantined"),
      query("score_age", "AWS/Lambda", "IteratorAge", "Maximum", { FunctionName: scoreFunction }),
      query("land_age", "AWS/Firehose", "DeliveryToS3.DataFreshness", "Maximum", {
        DeliveryStreamName: deliveryStream,
      }),
    ];
  }
}
