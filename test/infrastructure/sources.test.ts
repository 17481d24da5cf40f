/** Sources in AWS, by a declaration of every kind; what each function may do is in source-permissions.test.ts. */
import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { before, describe, it } from "node:test";
import { parseEnvironment, variablesOf } from "@ebb/ports/aws/environment";
import { metricNames } from "@ebb/ports/metric-names";
import { dig, evaluateStacks, type DeclaredResource, type ResourceGraph } from "./evaluate.ts";
import { environmentIn, evaluateSources, loadIn, names } from "./source-stack.ts";

let graph: ResourceGraph;
let without: ResourceGraph;
before(async () => {
  [graph, without] = await evaluateSources();
});

const loadOf = (name: string): DeclaredResource => loadIn(graph, name);
const environmentOf = (name: string): Record<string, string> => environmentIn(graph, name);
const alarms = (): readonly DeclaredResource[] => {
  const known = new Set(without.ofType("aws:cloudwatch/metricAlarm:MetricAlarm").map(({ name }) => name));
  return graph.ofType("aws:cloudwatch/metricAlarm:MetricAlarm").filter(({ name }) => !known.has(name));
};
const alarmOf = (name: string): DeclaredResource => {
  const found = alarms().find(({ inputs }) => inputs["name"] === `ebb-production-${name}`);
  assert.ok(found !== undefined, name);
  return found;
};

describe("where no source is declared", () => {
  it("nothing is made: no function, no table, no schedule, no network", () => {
    for (const type of ["aws:ec2/securityGroup:SecurityGroup", "aws:ec2/vpcEndpoint:VpcEndpoint"])
      assert.deepEqual(without.ofType(type), []);
    const made = without.resources.filter(({ name }) =>
      /(?:^|Collect)(?:Load|Sources)|^Source(?:Failed|Errors|Late)/.test(name),
    );
    assert.deepEqual(made, []);
  });
});

describe("where no table is large", () => {
  it("nothing is made for Spark to read by: no application, no secret, no rule", () => {
    for (const type of [
      "aws:emrserverless/application:Application",
      "aws:secretsmanager/secret:Secret",
      "aws:cloudwatch/eventRule:EventRule",
    ])
      assert.deepEqual(
        graph.ofType(type).filter(({ name }) => /^(?:Read|Spark.)/.test(name)),
        [],
        type,
      );
  });
});

describe("a declaration that cannot work in AWS", () => {
  const declared = (value: unknown): Promise<ResourceGraph> => {
    const root = path.resolve(import.meta.dirname, "../..");
    const folder = mkdtempSync(path.join(root, "node_modules/.cache/ebb-declared-"));
    writeFileSync(path.join(folder, "sources.json"), JSON.stringify(value));
    const file = path.relative(root, path.join(folder, "sources.json"));
    return evaluateStacks({ stage: "dev", settings: { EBB_SOURCES_FILE: file } }).finally(() =>
      rmSync(folder, { recursive: true, force: true }),
    );
  };

  it("stops the deployment, and every fault is told", async () => {
    const connections = {
      drops: { kind: "objects", folder: "inbox" },
      here: {
        ...{ kind: "postgres", host: "localhost", database: "shop", user: "ebb", tls: "off" },
        password: { secret: "AWS_SECRET" },
      },
    };
    const table = { maps: "products", table: "products", key: ["id"], mode: "snapshot", fields: { product_id: "id" } };
    await assert.rejects(
      declared({
        connections,
        sources: [
          { name: "receipts", connection: "drops", schedule: { every: "90s" } },
          { name: "products", connection: "here", ...table, schedule: { every: "3d" } },
        ],
      }),
      (error: Error) => {
        for (const fault of [
          /source "receipts": its connection is a folder/,
          /source "receipts": schedule\.every is not of whole minutes/,
          /source "products": its connection is to this machine itself/,
          /source "products": AWS_SECRET is no name/,
          /source "products": schedule\.every is more than two days/,
        ])
          assert.match(error.message, fault);
        return true;
      },
    );
    await assert.rejects(
      declared({ connections, sources: [{ name: "x", connection: "none" }] }),
      /source "x": connection names none of the connections/,
    );
  });

  it("stops it where a database is in a VPC whose routes are not named", async () => {
    const vpc = { id: "vpc-0123456789abcdef0", subnets: ["subnet-0123456789abcdef0"] };
    await assert.rejects(
      declared({
        connections: { db: { kind: "mysql", host: "db.example.com", database: "shop", user: "ebb", vpc } },
        sources: [],
      }),
      /connections\.db\.vpc\.route_tables are needed for the endpoints of S3 and DynamoDB/,
    );
  });
});

describe("each source", () => {
  it("has a function of its own with the declarations, and the password of its own connection alone", () => {
    const secretsOf = (name: string) =>
      Object.entries(environmentOf(name)).filter(([, value]) => value.startsWith("password of"));
    for (const name of names) {
      const { inputs } = loadOf(name);
      assert.equal(inputs["name"], `ebb-production-load-${name}`);
      assert.equal(inputs["handler"], "packages/functions/src/collect/load-source.handler");
      assert.equal(inputs["timeout"], 900);
      assert.equal(environmentOf(name)["EBB_SOURCES_FILE"], "ebb.sources.json");
      assert.equal(environmentOf(name)["EBB_LOAD_SOURCE_FUNCTION"], `ebb-production-load-${name}`);
    }
    assert.deepEqual(secretsOf("orders"), [["SHOP_DB_PASSWORD", "password of the shop"]]);
    assert.deepEqual(secretsOf("contacts"), [["CRM_PASSWORD", "password of the crm"]]);
    for (const name of ["carts", "exported", "till_receipts"]) assert.deepEqual(secretsOf(name), []);
    assert.equal(environmentOf("till_receipts")["EBB_CUSTOMER_SECRET"], undefined);
  });

  it("has in its environment what its ports need, well-formed", () => {
    const rows = [
      "log",
      "profiles",
      "orderBook",
      "suppressions",
      "sources",
      "sourceTables",
      "sourceJobs",
      "pseudonyms",
      "settings",
    ] as const;
    const objects = ["uploads", "objects", "jobs", "sources", "sourceJobs"] as const;
    for (const name of names) {
      const environment = environmentOf(name);
      const secret = "a secret of at least thirty-two characters";
      for (const each of ["EBB_CUSTOMER_SECRET", "EBB_SUPPRESSION_SECRET"])
        if (each in environment) environment[each] = secret;
      assert.doesNotThrow(() => parseEnvironment(environment), name);
      for (const port of name === "till_receipts" ? objects : rows)
        for (const variable of variablesOf[port])
          assert.ok(environment[variable] !== undefined, `${name}: ${variable}`);
    }
  });

  it("starts by its own clock, and without a schedule by nobody's", () => {
    const expressions = graph
      .ofType("aws:scheduler/schedule:Schedule")
      .filter(({ name }) => name.startsWith("Load"))
      .map(({ name, inputs }) => [
        name.replace(/^Load|ClockSchedule$/g, ""),
        inputs["scheduleExpression"],
        dig(inputs, "target", "input"),
      ])
      .sort();
    assert.deepEqual(expressions, [
      ["Carts", "cron(0 3 * * ? *)", '{"source":"carts"}'],
      ["Customers", "cron(30 2 * * ? *)", '{"source":"customers"}'],
      ["Exported", "rate(1440 minutes)", '{"source":"exported"}'],
      ["Orders", "rate(15 minutes)", '{"source":"orders"}'],
      ["TillReceipts", "rate(15 minutes)", '{"source":"till_receipts"}'],
    ]);
  });

  it("is tried again, its record kept when it is given up, and may go on in a run after its own", () => {
    for (const name of names) {
      const own = (type: string) =>
        graph.ofType(type).filter(({ inputs }) => inputs["functionName"] === loadOf(name).name);
      const [retries] = own("aws:lambda/functionEventInvokeConfig:FunctionEventInvokeConfig");
      assert.equal(
        dig(retries?.inputs, "destinationConfig", "onFailure", "destination"),
        "arn:aws:s3:::DeadLettersBucket",
      );
      const [recursion] = own("aws:lambda/functionRecursionConfig:FunctionRecursionConfig");
      assert.equal(recursion?.inputs["recursiveLoop"], "Allow");
    }
  });
});

describe("what sources leave", () => {
  it("is encrypted under the deployment's own key, and kept when production is removed", () => {
    const key = "arn:aws:kms:us-east-1:123456789012:key/DataKey";
    for (const name of names) {
      assert.equal(loadOf(name).inputs["kmsKeyArn"], key, name);
      const log = graph
        .ofType("aws:cloudwatch/logGroup:LogGroup")
        .find(({ inputs }) => inputs["name"] === `/aws/lambda/ebb-production-load-${name}`);
      assert.equal(log?.inputs["kmsKeyId"], key, name);
    }
    for (const { name, inputs } of graph.ofType("aws:scheduler/schedule:Schedule"))
      assert.equal(inputs["kmsKeyArn"], key, name);
    const table = graph.one("aws:dynamodb/table:Table", "SourcesTable");
    assert.deepEqual(table.inputs["serverSideEncryption"], { enabled: true, kmsKeyArn: key });
    assert.deepEqual([table.inputs["deletionProtectionEnabled"], table.retainOnDelete], [true, true]);
  });
});

describe("the network of sources", () => {
  it("is only for databases that say where they are: no other function is in a VPC", () => {
    const inVpc = names.filter((name) => dig(loadOf(name).inputs, "vpcConfig") !== undefined);
    assert.deepEqual(inVpc, ["customers", "orders"]);
    for (const name of inVpc)
      assert.deepEqual(dig(loadOf(name).inputs, "vpcConfig", "subnetIds"), [
        "subnet-0123456789abcdef0",
        "subnet-0123456789abcdef1",
      ]);
  });

  it("reaches S3 and DynamoDB by routes, Kinesis, Athena and Lambda by interfaces, one set for a VPC", () => {
    const endpoints = graph
      .ofType("aws:ec2/vpcEndpoint:VpcEndpoint")
      .map(({ inputs }) => `${String(inputs["vpcEndpointType"])} ${String(inputs["serviceName"])}`);
    assert.deepEqual(endpoints.sort(), [
      "Gateway com.amazonaws.us-east-1.dynamodb",
      "Gateway com.amazonaws.us-east-1.s3",
      "Interface com.amazonaws.us-east-1.athena",
      "Interface com.amazonaws.us-east-1.kinesis-streams",
      "Interface com.amazonaws.us-east-1.lambda",
    ]);
  });

  it("lets a function out to its database and to the services alone, and nobody in", () => {
    const ingress = graph.ofType("aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule");
    const egress = graph.ofType("aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule");
    for (const { inputs } of ingress) assert.ok(!/^Load/.test(String(inputs["securityGroupId"])));
    const of = egress.filter(({ inputs }) => inputs["securityGroupId"] === "LoadOrders-id").map(({ inputs }) => inputs);
    const to = of.map((rule) => [rule["fromPort"], rule["referencedSecurityGroupId"] ?? rule["prefixListId"]]);
    assert.deepEqual(to.sort(), [
      [443, "SourcesVpc0123456789abcdef0Endpoints-id"],
      [443, "pl-SourcesVpc0123456789abcdef0Dynamodb"],
      [443, "pl-SourcesVpc0123456789abcdef0S3"],
      [5432, "sg-0123456789abcdef0"],
    ]);
    for (const { inputs } of [...ingress, ...egress]) assert.equal(inputs["cidrIpv4"], undefined);
    const atDatabase = ingress.filter(({ inputs }) => inputs["securityGroupId"] === "sg-0123456789abcdef0");
    assert.deepEqual(
      atDatabase
        .map(({ inputs }) => [inputs["fromPort"], inputs["toPort"], inputs["referencedSecurityGroupId"]])
        .sort(),
      [
        [5432, 5432, "LoadCustomers-id"],
        [5432, 5432, "LoadOrders-id"],
      ],
    );
  });
});

describe("the alarms of a source", () => {
  it("tell of a load that failed, by the metric and the dimension that the code counts", () => {
    assert.deepEqual(metricNames.SourceLoadsFailed, ["source"]);
    for (const name of names) {
      const { inputs } = alarmOf(`source-failed-${name}`);
      assert.equal(inputs["metricName"], "SourceLoadsFailed");
      assert.equal(inputs["namespace"], "Ebb/production");
      assert.deepEqual(inputs["dimensions"], { service: "ebb", source: name });
      assert.deepEqual(inputs["alarmActions"], ["arn:aws:sns:us-east-1:123456789012:AlarmsTopic"]);
    }
  });

  it("tell of a table that is older than its schedule states: no load came to its end, and nothing was heard", () => {
    const late = (name: string) => {
      const { inputs } = alarmOf(`source-late-${name}`);
      assert.deepEqual(
        [inputs["metricName"], inputs["treatMissingData"], inputs["period"]],
        ["SourceLoadsDone", "breaching", 3600],
      );
      assert.deepEqual(inputs["dimensions"], { service: "ebb", source: name });
      return inputs["evaluationPeriods"];
    };
    assert.deepEqual(["orders", "customers", "exported"].map(late), [2, 30, 73]);
    assert.ok(!alarms().some(({ inputs }) => inputs["name"] === "ebb-production-source-late-contacts"));
    // CloudWatch looks back a week at most.
    for (const { inputs } of alarms())
      assert.ok(Number(inputs["period"]) * Number(inputs["evaluationPeriods"]) <= 7 * 86_400);
  });

  it("and what they are on stand on the dashboard, a line a source", () => {
    const bodyOf = (of: ResourceGraph) => String(of.one("aws:cloudwatch/dashboard:Dashboard").inputs["dashboardBody"]);
    for (const name of names)
      for (const metric of ["SourceRowsRead", "SourceLoadsDone", "SourceLoadsFailed"])
        assert.ok(bodyOf(graph).includes(`"${metric}","service","ebb","source","${name}"`), `${metric} of ${name}`);
    assert.doesNotMatch(bodyOf(without), /SourceLoads/);
  });

  it("have their sections in docs/operations.md", () => {
    const operations = readFileSync(path.resolve(import.meta.dirname, "../../docs/operations.md"), "utf8");
    const kinds = new Set(
      alarms().map(({ inputs }) => /See docs\/operations\.md, "(.*)"/.exec(String(inputs["alarmDescription"]))![1]!),
    );
    assert.deepEqual([...kinds].sort(), ["source-errors", "source-failed", "source-late"]);
    for (const kind of kinds) assert.ok(operations.includes(`\n### ${kind}\n`), kind);
  });
});
