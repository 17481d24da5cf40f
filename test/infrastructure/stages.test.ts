import assert from "node:assert/strict";
import { before, describe, it } from "node:test";
import { dig, evaluateStacks, type ResourceGraph } from "./evaluate.ts";

let production: ResourceGraph;
let dev: ResourceGraph;
before(async () => {
  [production, dev] = await Promise.all([evaluateStacks({ stage: "production" }), evaluateStacks({ stage: "dev" })]);
});

describe("production", () => {
  it("keeps its data when it is removed, refuses to be, and no table can be deleted", () => {
    assert.equal(production.app.removal, "retain");
    assert.equal(production.app.protect, true);
    for (const { name, inputs, retainOnDelete } of production.ofType("aws:dynamodb/table:Table")) {
      assert.equal(inputs["deletionProtectionEnabled"], true, name);
      assert.equal(retainOnDelete, true, name);
    }
    for (const { name, inputs, retainOnDelete } of production.ofType("aws:s3/bucket:Bucket")) {
      if (name === "DashboardAssetsBucket") continue; // no data: the next deployment makes its files again
      assert.equal(inputs["forceDestroy"], false, name);
      assert.equal(retainOnDelete, true, name);
    }
  });
});

describe("any other stage", () => {
  it("goes without a trace", () => {
    assert.equal(dev.app.removal, "remove");
    assert.equal(dev.app.protect, false);
    for (const { inputs } of dev.ofType("aws:dynamodb/table:Table"))
      assert.equal(inputs["deletionProtectionEnabled"], false);
    for (const { inputs } of dev.ofType("aws:s3/bucket:Bucket")) assert.equal(inputs["forceDestroy"], true);
  });

  it("has the same resources: what is tried is what is deployed", () => {
    const names = (graph: ResourceGraph): string[] => graph.resources.map(({ type, name }) => `${type} ${name}`).sort();
    assert.deepEqual(names(dev), names(production));
  });

  it("shares no name and no metric with production", () => {
    const fixed = (graph: ResourceGraph): string[] =>
      [
        ...graph.ofType("aws:cloudwatch/metricAlarm:MetricAlarm"),
        ...graph.ofType("aws:kms/alias:Alias"),
        ...graph.ofType("aws:athena/workgroup:Workgroup"),
        ...graph.ofType("aws:glue/catalogDatabase:CatalogDatabase"),
        ...graph.ofType("aws:kinesis/firehoseDeliveryStream:FirehoseDeliveryStream"),
        ...graph.ofType("aws:budgets/budget:Budget"),
        ...graph.ofType("aws:iam/role:Role"),
        ...graph.ofType("aws:lambda/function:Function"),
      ].map(({ inputs }) => String(inputs["name"]));
    const taken = new Set(fixed(production));
    for (const name of fixed(dev)) assert.ok(!taken.has(name), name);
    const namespaces = (graph: ResourceGraph): unknown[] =>
      graph
        .ofType("aws:lambda/function:Function")
        .map(({ inputs }) => dig(inputs, "environment", "variables", "EBB_METRICS_NAMESPACE"));
    assert.deepEqual([...new Set(namespaces(dev))], ["Ebb/dev"]);
    assert.deepEqual([...new Set(namespaces(production))], ["Ebb/production"]);
  });
});

describe("every stage", () => {
  it("without settings is open to any origin, named so that credentials may be sent along as one SDK does", () => {
    const cors = production.one("aws:apigatewayv2/api:Api").inputs["corsConfiguration"];
    assert.deepEqual(dig(cors, "allowOrigins"), ["https://*", "http://*"]);
    assert.equal(dig(cors, "allowCredentials"), true);
    assert.ok((dig(cors, "exposeHeaders") as string[]).includes("link"), "a list goes on by its link");
    // What the table of routes has for AWS: a page may also erase.
    assert.deepEqual((dig(cors, "allowMethods") as string[]).toSorted(), ["DELETE", "GET", "OPTIONS", "POST"]);
  });

  it("tags what it makes for the bill", () => {
    for (const graph of [production, dev])
      assert.deepEqual(dig(graph.app.providers, "aws", "defaultTags", "tags"), {
        app: "ebb",
        stage: graph.app.stage,
        "ebb:cost": `ebb-${graph.app.stage}`,
      });
  });
});

describe("the settings of a deployment", () => {
  let graph: ResourceGraph;
  before(async () => {
    graph = await evaluateStacks({
      stage: "dev",
      settings: {
        EBB_SETTINGS_FILE: "test/infrastructure/fixtures/settings.json",
        EBB_ALARM_EMAIL: "ops@shop.example",
        EBB_MONTHLY_BUDGET_USD: "250",
        EBB_QUERY_SCAN_LIMIT_GB: "5",
      },
    });
  });

  it("in a file travel with the code of the functions that read them, and open CORS to their origins", () => {
    const cors = graph.one("aws:apigatewayv2/api:Api").inputs["corsConfiguration"];
    assert.deepEqual(dig(cors, "allowOrigins"), ["https://shop.example"]);
    assert.equal(dig(cors, "allowCredentials"), true);
    // The Fetch standard does not let `*` stand for Authorization.
    assert.ok((dig(cors, "allowHeaders") as string[]).includes("authorization"));
    const variables = (name: string): unknown =>
      dig(graph.one("aws:lambda/function:Function", `${name}Function`).inputs, "environment", "variables");
    assert.equal(dig(variables("CollectEvents"), "EBB_SETTINGS_FILE"), "ebb-settings.json");
    assert.equal(dig(variables("CollectEvents"), "EBB_SETTINGS"), undefined);
    assert.equal(dig(variables("ServeLedger"), "EBB_SETTINGS_FILE"), undefined);
  });

  it("name who is told of alarms, the budget and the cap of a query", () => {
    assert.deepEqual(graph.one("aws:sns/topicSubscription:TopicSubscription").inputs, {
      topic: "arn:aws:sns:us-east-1:123456789012:AlarmsTopic",
      protocol: "email",
      endpoint: "ops@shop.example",
    });
    assert.equal(graph.one("aws:budgets/budget:Budget").inputs["limitAmount"], "250");
    const configuration = graph.one("aws:athena/workgroup:Workgroup").inputs["configuration"];
    assert.equal(dig(configuration, "bytesScannedCutoffPerQuery"), 5_000_000_000);
  });

  it("stop it by name where they are no number", async () => {
    await assert.rejects(
      evaluateStacks({ stage: "dev", settings: { EBB_MONTHLY_BUDGET_USD: "plenty" } }),
      /EBB_MONTHLY_BUDGET_USD must be a number above 0, not "plenty"/,
    );
  });
});
