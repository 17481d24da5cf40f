/**
 * Large tables in AWS: what Spark may reach, with what it is started.
 * After an intended change of rights: EBB_WRITE_PERMISSIONS=1 node --test test/infrastructure/spark-sources.test.ts
 */
import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { before, describe, it } from "node:test";
import { driverJars, jarPath } from "@ebb/ports/aws/read-parameters";
import { dig, evaluateStacks, type DeclaredResource, type ResourceGraph } from "./evaluate.ts";
import { allPermissions, listOf, statementsOf, type Permissions } from "./iam.ts";
import { environmentIn, loadIn } from "./source-stack.ts";

const fixture = "test/infrastructure/fixtures/spark-source/ebb.sources.json";
const tableFile = path.join(import.meta.dirname, "spark-source-permissions.json");
const secrets = { SST_SECRET_ShopDbPassword: "password of the shop", SST_SECRET_CrmPassword: "password of the crm" };

let graph: ResourceGraph;
let rights: Record<string, Permissions>;
before(async () => {
  graph = await evaluateStacks({ stage: "production", settings: { EBB_SOURCES_FILE: fixture, ...secrets } });
  const roles = Object.entries(allPermissions(graph)).filter(([role]) => /^Read.*Role$/.test(role));
  // The program's name changes with its text.
  const text = JSON.stringify(Object.fromEntries(roles)).replaceAll(/read_table-[0-9a-f]{12}/g, "read_table");
  rights = JSON.parse(text) as Record<string, Permissions>;
  if (process.env["EBB_WRITE_PERMISSIONS"] === "1") writeFileSync(tableFile, `${JSON.stringify(rights, null, 2)}\n`);
});

const applications = (): readonly DeclaredResource[] =>
  graph.ofType("aws:emrserverless/application:Application").filter(({ name }) => name.startsWith("Read"));

describe("a source that Spark reads", () => {
  it("has an application of its own, whose workers are no more than its partitions; others have none", () => {
    const made = applications().map(({ name, inputs }) => [name, dig(inputs, "maximumCapacity", "cpu")]);
    assert.deepEqual(made.sort(), [
      ["ReadContacts", "17 vCPU"],
      ["ReadHistory", "9 vCPU"],
    ]);
  });

  it("is in the VPC of its database, and there reaches the database, S3 and its own workers alone", () => {
    const networks = Object.fromEntries(
      applications().map(({ name, inputs }) => [name, inputs["networkConfiguration"]]),
    );
    assert.deepEqual(networks, {
      ReadContacts: { subnetIds: ["subnet-0fedcba9876543210"], securityGroupIds: ["ReadContacts-id"] },
      ReadHistory: {
        subnetIds: ["subnet-0123456789abcdef0", "subnet-0123456789abcdef1"],
        securityGroupIds: ["ReadHistory-id"],
      },
    });
    const to = graph
      .ofType("aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule")
      .filter(({ inputs }) => inputs["securityGroupId"] === "ReadHistory-id")
      .map(({ inputs }) => [inputs["toPort"], inputs["referencedSecurityGroupId"] ?? inputs["prefixListId"]]);
    assert.deepEqual(to.sort(), [
      [443, "pl-SourcesVpc0123456789abcdef0S3"],
      [5432, "sg-0123456789abcdef0"],
      [65_535, "ReadHistory-id"],
    ]);
    const into = graph
      .ofType("aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule")
      .filter(({ inputs }) => inputs["securityGroupId"] === "ReadHistory-id");
    assert.deepEqual(
      into.map(({ inputs }) => inputs["referencedSecurityGroupId"]),
      ["ReadHistory-id"],
    );
    const services = graph.ofType("aws:ec2/vpcEndpoint:VpcEndpoint").map(({ inputs }) => String(inputs["serviceName"]));
    assert.ok(services.includes("com.amazonaws.us-east-1.emr-serverless"), "the function starts jobs from the VPC");
  });

  it("may do what the committed table says: one prefix, the program, the driver and one password", () => {
    assert.deepEqual(rights, JSON.parse(readFileSync(tableFile, "utf8")));
    const trusted = graph.ofType("aws:iam/role:Role").filter(({ name }) => name in rights);
    assert.equal(trusted.length, 2);
    for (const { name, inputs } of trusted) {
      const [statement] = statementsOf(inputs["assumeRolePolicy"]);
      assert.deepEqual(listOf((statement!.Principal as Record<string, string>)["Service"]), [
        "emr-serverless.amazonaws.com",
      ]);
      assert.match(JSON.stringify(statement!.Condition), new RegExp(`/applications/${name.replace(/Role$/, "")}"`));
    }
  });

  it("has its function start and look at its own jobs, and no other source's function does", () => {
    const of = (name: string) => allPermissions(graph)[loadIn(graph, name).name.replace(/Function$/, "Role")]!.actions;
    assert.deepEqual(of("history")["emr-serverless:StartJobRun"], [
      "emr-serverless:/applications/ReadHistory",
      "emr-serverless:/applications/ReadHistory/jobruns/*",
    ]);
    assert.deepEqual(of("history")["iam:PassRole"], ["iam:role/ReadHistoryRole"]);
    const reads = readFileSync(
      path.resolve(import.meta.dirname, "../../packages/ports/src/aws/spark-reads.ts"),
      "utf8",
    );
    const called = new Set(
      [...reads.matchAll(/new (\w+)Command\(/g)].map(([, command]) => `emr-serverless:${command!}`),
    );
    for (const action of called) assert.ok(action in of("history"), action);
    assert.equal(of("people")["emr-serverless:StartJobRun"], undefined);
    assert.equal(environmentIn(graph, "people")["EBB_SPARK_APPLICATION"], undefined);
  });

  it("gets the driver of Maven Central, and the function names the secret and not the password to it", () => {
    const environment = environmentIn(graph, "history");
    assert.match(
      environment["EBB_SPARK_PARAMETERS"]!,
      /spark\.jars=s3:\/\/LakeBucket\/spark\/postgresql-42\.7\.8\.jar /,
    );
    assert.match(environment["EBB_SPARK_PARAMETERS"]!, /maxExecutors=4 .*internode\.enabled=true/);
    assert.equal(environment["EBB_SPARK_SECRET"], "ebb-production-spark-SHOP_DB_PASSWORD");
    for (const [name, value] of Object.entries(environment))
      if (name.startsWith("EBB_SPARK")) assert.doesNotMatch(value, /password of the/);
    const jars = graph
      .ofType("aws:s3/bucketObjectv2:BucketObjectv2")
      .filter(({ name }) => name.startsWith("SparkDriver"));
    assert.equal(jars.length, 2);
    assert.deepEqual(jars.map(({ inputs }) => inputs["key"]).sort(), [
      "spark/mariadb-java-client-3.5.6.jar",
      "spark/postgresql-42.7.8.jar",
    ]);
    assert.equal(jarPath(driverJars.postgres), "org/postgresql/postgresql/42.7.8/postgresql-42.7.8.jar");
    for (const { sha256 } of Object.values(driverJars)) assert.match(sha256, /^[0-9a-f]{64}$/);
    const values = graph
      .ofType("aws:secretsmanager/secretVersion:SecretVersion")
      .map(({ inputs }) => inputs["secretString"]);
    assert.deepEqual(values.sort(), ["password of the crm", "password of the shop"]);
    for (const { inputs } of graph.ofType("aws:secretsmanager/secret:Secret"))
      assert.equal(inputs["kmsKeyId"], "arn:aws:kms:us-east-1:123456789012:key/DataKey");
  });

  it("goes on when the job ends: the function is started with the source, by the application's own events", () => {
    const rule = graph.one("aws:cloudwatch/eventRule:EventRule", "ReadHistoryEnded");
    assert.deepEqual(JSON.parse(String(rule.inputs["eventPattern"])), {
      source: ["aws.emr-serverless"],
      "detail-type": ["EMR Serverless Job Run State Change"],
      detail: { applicationId: ["ReadHistory-id"], state: ["SUCCESS", "FAILED", "CANCELLED"] },
    });
    const target = graph.one("aws:cloudwatch/eventTarget:EventTarget", "ReadHistoryEndedTarget");
    assert.equal(target.inputs["input"], '{"source":"history","ended":true}');
    const permission = graph.one("aws:lambda/permission:Permission", "ReadHistoryEndedStarts");
    assert.equal(permission.inputs["principal"], "events.amazonaws.com");
  });

  it("is not deployed without the VPC of its database", async () => {
    const root = path.resolve(import.meta.dirname, "../..");
    const folder = mkdtempSync(path.join(root, "node_modules/.cache/ebb-declared-"));
    const declared = JSON.parse(readFileSync(path.join(root, fixture), "utf8")) as {
      connections: { crm: { vpc?: object } };
    };
    delete declared.connections.crm.vpc;
    writeFileSync(path.join(folder, "sources.json"), JSON.stringify(declared));
    const file = path.relative(root, path.join(folder, "sources.json"));
    await assert.rejects(
      evaluateStacks({ stage: "dev", settings: { EBB_SOURCES_FILE: file } }),
      /source "contacts": read\.spark needs the vpc of its connection/,
    );
    rmSync(folder, { recursive: true, force: true });
  });

  it("leaves what it read for days at most, and older versions of it for one", () => {
    const lifecycle = graph.one("aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration", "LakeLifecycle");
    const reads = (lifecycle.inputs["rules"] as Record<string, unknown>[]).find(({ id }) => id === "reads");
    assert.equal(dig(reads, "filter", "prefix"), "sources/reads/");
    assert.deepEqual(reads?.["noncurrentVersionExpiration"], { noncurrentDays: 1 });
    assert.ok(Number(dig(reads, "expiration", "days")) <= 7);
  });
});
