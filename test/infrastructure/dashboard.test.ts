import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { before, describe, it } from "node:test";
import { metricNames } from "@ebb/ports/metric-names";
import { evaluateStacks } from "./evaluate.ts";

interface Widget {
  readonly type: "text" | "metric";
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
  readonly properties: {
    readonly markdown?: string;
    readonly title?: string;
    readonly region?: string;
    readonly metrics?: readonly (readonly (string | { readonly label: string; readonly stat: string })[])[];
  };
}

let widgets: readonly Widget[];
let name: unknown;
/** Namespace and metric of every alarm, those of a ratio too. */
let alarmed: ReadonlySet<string>;
before(async () => {
  const graph = await evaluateStacks({ stage: "production" });
  const { inputs } = graph.one("aws:cloudwatch/dashboard:Dashboard");
  name = inputs["dashboardName"];
  ({ widgets } = JSON.parse(inputs["dashboardBody"] as string) as { widgets: readonly Widget[] });
  alarmed = new Set(
    graph.ofType("aws:cloudwatch/metricAlarm:MetricAlarm").flatMap(({ inputs: alarm }) => {
      const queries = (alarm["metricQueries"] ?? []) as { metric?: { namespace: string; metricName: string } }[];
      const own = alarm as { namespace?: string; metricName?: string };
      return [own, ...queries.flatMap(({ metric }) => metric ?? [])].map(
        (each) => `${each.namespace} ${each.metricName}`,
      );
    }),
  );
});
const lines = () => widgets.flatMap(({ properties }) => properties.metrics ?? []);

describe("the dashboard", () => {
  it("has a row a stage under its heading; nothing overlaps or leaves the 24 columns", () => {
    assert.equal(name, "ebb-production-pipeline");
    const headings = widgets.flatMap(({ properties }) => properties.markdown ?? []);
    assert.deepEqual(headings, ["## Collect", "## Score", "## Land", "## Model", "## Serve", "## Cost"]);
    const taken = new Set<string>();
    for (const { x, y, width, height } of widgets) {
      assert.ok(x >= 0 && x + width <= 24 && Number.isInteger(x) && Number.isInteger(width));
      for (let column = x; column < x + width; column++)
        for (let row = y; row < y + height; row++) {
          assert.ok(!taken.has(`${column} ${row}`), `two widgets at ${column}, ${row}`);
          taken.add(`${column} ${row}`);
        }
    }
  });

  it("names every metric whole: namespace, name, pairs of dimensions, none left open", () => {
    assert.ok(lines().length > 25);
    for (const line of lines()) {
      const [options, ...words] = line.toReversed();
      assert.ok(typeof options === "object" && options.label !== "" && options.stat !== "");
      assert.equal(words.length % 2, 0, JSON.stringify(line));
      for (const word of words) assert.ok(typeof word === "string" && /^[\w./-]+$/.test(word), JSON.stringify(line));
    }
    for (const { type, properties } of widgets) if (type === "metric") assert.equal(properties.region, "us-east-1");
  });

  it("shows every metric that functions count in AWS, with the dimensions by which they count", () => {
    const source = path.resolve(import.meta.dirname, "../../packages/functions/src");
    const code = readdirSync(source, { recursive: true, encoding: "utf8" })
      .filter((file) => file.endsWith(".ts") && !file.endsWith(".test.ts"))
      // Those of sources are shown where one is declared: sources.test.ts.
      .filter((file) => !/collect\/(?:load-)?source/.test(file))
      .map((file) => readFileSync(path.join(source, file), "utf8"))
      .join("\n");
    const counted = Object.entries(metricNames).filter(([metric]) => code.includes(`count("${metric}"`));
    assert.ok(counted.length >= 8);
    for (const [metric, dimensions] of counted) {
      const shown = lines().filter(([namespace, named]) => namespace === "Ebb/production" && named === metric);
      assert.ok(shown.length > 0, `${metric} is not shown`);
      for (const line of shown)
        assert.deepEqual(
          line.slice(2, -1).filter((_, index) => index % 2 === 0),
          ["service", ...dimensions],
        );
    }
  });

  it("shows what the alarms of lag, freshness, throttling and cost are on", () => {
    const shown = new Set(lines().map(([namespace, metric]) => `${namespace as string} ${metric as string}`));
    for (const metric of [
      "AWS/Lambda IteratorAge",
      "AWS/Firehose DeliveryToS3.DataFreshness",
      "AWS/Kinesis WriteProvisionedThroughputExceeded",
      "AWS/ApiGateway 5xx",
      "AWS/Athena ProcessedBytes",
      "Ebb/production CustomersDrifted",
    ])
      assert.ok(alarmed.has(metric) && shown.has(metric), metric);
  });
});
