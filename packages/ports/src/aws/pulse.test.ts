import assert from "node:assert/strict";
import { test } from "node:test";
import type {
  CloudWatchClient,
  GetMetricDataCommandInput,
  GetMetricDataCommandOutput,
} from "@aws-sdk/client-cloudwatch";
import { CloudWatchPulse } from "./pulse.ts";

const names = { namespace: "Ebb/test", service: "ebb", scoreFunction: "fold-orders", deliveryStream: "raw-events" };
const NOON_MS = Date.parse("2026-11-22T12:00:30Z");

/** A client that answers in the form that the API reference gives for GetMetricData, and keeps what it was asked. */
const answering = (results: GetMetricDataCommandOutput["MetricDataResults"]) => {
  const asked: GetMetricDataCommandInput[] = [];
  const client = {
    send: (command: { input: GetMetricDataCommandInput }) => {
      asked.push(command.input);
      return Promise.resolve({ MetricDataResults: results });
    },
  } as unknown as CloudWatchClient;
  return { client, asked };
};

test("channels add up by minute, minutes without a point are 0, and the newest age of each stage is told", async () => {
  const minute = (text: string) => new Date(`2026-11-22T${text}:00Z`);
  const { client, asked } = answering([
    { Id: "received_http", Timestamps: [minute("11:58"), minute("12:00")], Values: [5, 7] },
    { Id: "received_upload", Timestamps: [minute("12:00")], Values: [100] },
    { Id: "quarantined_social", Timestamps: [minute("11:58")], Values: [2] },
    { Id: "score_age", Timestamps: [minute("11:59"), minute("12:00")], Values: [900, 120] },
    { Id: "land_age", Timestamps: [minute("12:00")], Values: [61] },
  ]);
  const pulse = await new CloudWatchPulse(client, names).read(NOON_MS, 3);
  assert.deepEqual(pulse, {
    minutes: [
      { atMs: minute("11:58").getTime(), received: 5, quarantined: 2 },
      { atMs: minute("11:59").getTime(), received: 0, quarantined: 0 },
      { atMs: minute("12:00").getTime(), received: 107, quarantined: 0 },
    ],
    stages: [
      { stage: "score", lagMs: 120 },
      { stage: "land", lagMs: 61_000 },
    ],
  });
  const dimensions = new Map(
    asked[0]!.MetricDataQueries!.map(({ Id, MetricStat }) => [
      Id,
      MetricStat!.Metric!.Dimensions!.map(({ Name, Value }) => `${Name}=${Value}`).join(),
    ]),
  );
  assert.equal(dimensions.get("received_http"), "service=ebb,channel=http");
  assert.equal(dimensions.get("score_age"), "FunctionName=fold-orders");
});

test("a stage of which CloudWatch knows nothing has no age", async () => {
  const { client } = answering([]);
  const { stages, minutes } = await new CloudWatchPulse(client, names).read(NOON_MS, 1);
  assert.deepEqual(stages, [{ stage: "score" }, { stage: "land" }]);
  assert.deepEqual(minutes, [{ atMs: Date.parse("2026-11-22T12:00:00Z"), received: 0, quarantined: 0 }]);
});
