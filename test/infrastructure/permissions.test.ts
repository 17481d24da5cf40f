/**
 * Least privilege. What every role may do is a committed table, `permissions.json`; a change of it is a change to
 * review. After an intended one: EBB_WRITE_PERMISSIONS=1 node --test test/infrastructure/permissions.test.ts
 */
import assert from "node:assert/strict";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { before, describe, it } from "node:test";
import { functions, type Need } from "@ebb/functions/declarations";
import { dig, evaluateStacks, type ResourceGraph } from "./evaluate.ts";
import { allPermissions, lambdaOf, listOf, statementsOf, type Permissions } from "./iam.ts";

const tableFile = path.join(import.meta.dirname, "permissions.json");
const adapters = path.resolve(import.meta.dirname, "../../packages/ports/src/aws");

let graph: ResourceGraph;
let actual: Readonly<Record<string, Permissions>>;
before(async () => {
  graph = await evaluateStacks({ stage: "production" });
  actual = allPermissions(graph);
  if (process.env["EBB_WRITE_PERMISSIONS"] === "1") writeFileSync(tableFile, `${JSON.stringify(actual, null, 2)}\n`);
});

/** X-Ray's two actions take no resource, and EMR Serverless and CloudWatch ask for the others so. Nothing else may reach "everything". */
const allowedEverywhere = new Set([
  "xray:PutTraceSegments",
  "xray:PutTelemetryRecords",
  "logs:DescribeLogGroups",
  "cloudwatch:GetMetricData",
]);
/** `logs:CreateLogGroup`, `logs:CreateLogStream`, `logs:PutLogEvents` on every log group: the wildcards AWS manages. */
const allowedManaged = new Set([
  "service-role/AWSLambdaBasicExecutionRole",
  // And the checkpoints of durable executions.
  "service-role/AWSLambdaBasicDurableExecutionRolePolicy",
]);

/** Declared for one machine alone. */
const standsInForS3 = "collect/upload-content";
/** Those of sources are in source-permissions.test.ts. */
const ofOneSource = new Set(functions.flatMap(({ handler, each }) => (each === undefined ? [] : [handler])));
const permissionsOfHandler = (handler: string): Permissions =>
  actual[lambdaOf(graph, handler).name.replace(/Function$/, "Role")]!;

describe("least privilege", () => {
  it("every role may do what the committed table says, no more and no less", () => {
    assert.deepEqual(actual, JSON.parse(readFileSync(tableFile, "utf8")));
  });

  it("no action is a wildcard, and none reaches everything but X-Ray's", () => {
    for (const [role, { actions, managed }] of Object.entries(actual)) {
      for (const [action, resources] of Object.entries(actions)) {
        assert.doesNotMatch(action, /\*/, role);
        if (!allowedEverywhere.has(action)) assert.ok(!resources.includes("*"), `${role}: ${action} on "*"`);
      }
      for (const policy of managed) assert.ok(allowedManaged.has(policy), `${role}: ${policy}`);
    }
  });

  it("a wildcard in a resource stands only at its end: under a prefix, or for the objects of one bucket", () => {
    for (const [role, { actions }] of Object.entries(actual))
      for (const resource of Object.values(actions).flat())
        if (resource !== "*")
          assert.match(resource, /^[^*]+(?:\/(?:rcp_land_)?\*|:log-stream:\*)?$/, `${role}: ${resource}`);
  });

  const services: Readonly<Record<string, string>> = {
    LandRole: "firehose.amazonaws.com",
    SparkRole: "emr-serverless.amazonaws.com",
    DailyRunRole: "scheduler.amazonaws.com",
    WeeklyUpkeepRole: "scheduler.amazonaws.com",
  };
  it("only Lambda, Firehose, Spark and the scheduler may take on a role, each only its own", () => {
    for (const { name, inputs } of graph.ofType("aws:iam/role:Role")) {
      const statements = statementsOf(inputs["assumeRolePolicy"]);
      assert.equal(statements.length, 1, name);
      const principal = statements[0]!.Principal;
      assert.ok(typeof principal === "object", name);
      assert.deepEqual(Object.keys(principal), ["Service"], name);
      assert.deepEqual(listOf(principal["Service"]), [services[name] ?? "lambda.amazonaws.com"], name);
    }
  });

  it("personal data is open only to the functions that declare it", () => {
    const personal = ["profiles:read", "profiles:put", "profiles:erase"] satisfies Need[];
    for (const { handler, needs } of functions) {
      if (handler === standsInForS3 || ofOneSource.has(handler)) continue;
      const { actions } = permissionsOfHandler(handler);
      const reaches = Object.values(actions).flat().includes("dynamodb:table/ProfilesTable");
      assert.equal(
        reaches,
        needs.some((need) => (personal as readonly Need[]).includes(need)),
        handler,
      );
    }
  });

  it("a function gets a secret only where it uses it", () => {
    const holders = (variable: string): string[] =>
      graph
        .ofType("aws:lambda/function:Function")
        .filter(({ inputs }) => dig(inputs, "environment", "variables", variable) !== undefined)
        .map(({ inputs }) => String(inputs["description"]).replace("Ebb ", ""))
        .sort();
    assert.deepEqual(holders("EBB_CUSTOMER_SECRET"), [
      "collect/events",
      "collect/process-upload",
      "collect/replay-quarantined",
      "collect/social",
      "serve/customer",
      "serve/customer-export",
      "serve/customer-timeline",
      "serve/erasures",
    ]);
    assert.deepEqual(holders("EBB_HOOK_SECRETS"), ["collect/social"]);
  });
});

/** The IAM actions behind the SDK's commands (service authorization reference). A command not listed fails the test. */
const actionsOfCommand: Readonly<Record<string, readonly string[]>> = {
  PutRecordsCommand: ["kinesis:PutRecords"],
  BatchGetItemCommand: ["dynamodb:BatchGetItem"],
  GetItemCommand: ["dynamodb:GetItem"],
  PutItemCommand: ["dynamodb:PutItem"],
  UpdateItemCommand: ["dynamodb:UpdateItem"],
  QueryCommand: ["dynamodb:Query"],
  paginateQuery: ["dynamodb:Query"],
  paginateScan: ["dynamodb:Scan"],
  ScanCommand: ["dynamodb:Scan"],
  TransactGetItemsCommand: ["dynamodb:GetItem"],
  TransactWriteItemsCommand: ["dynamodb:PutItem"],
  GetObjectCommand: ["s3:GetObject"],
  HeadObjectCommand: ["s3:GetObject"],
  PutObjectCommand: ["s3:PutObject"],
  DeleteObjectCommand: ["s3:DeleteObject"],
  DeleteObjectsCommand: ["s3:DeleteObject"],
  paginateListObjectsV2: ["s3:ListBucket"],
  ListObjectVersionsCommand: ["s3:ListBucketVersions"],
  CreateMultipartUploadCommand: ["s3:PutObject"],
  UploadPartCommand: ["s3:PutObject"],
  CompleteMultipartUploadCommand: ["s3:PutObject"],
  AbortMultipartUploadCommand: ["s3:AbortMultipartUpload"],
  InvokeCommand: ["lambda:InvokeFunction"],
  BatchWriteItemCommand: ["dynamodb:BatchWriteItem"],
  DeleteItemCommand: ["dynamodb:DeleteItem"],
  StartJobRunCommand: ["emr-serverless:StartJobRun", "iam:PassRole"],
  GetJobRunCommand: ["emr-serverless:GetJobRun"],
  StartQueryExecutionCommand: ["athena:StartQueryExecution"],
  GetQueryExecutionCommand: ["athena:GetQueryExecution"],
  StopQueryExecutionCommand: ["athena:StopQueryExecution"],
  paginateGetQueryResults: ["athena:GetQueryResults"],
  GetQueryResultsCommand: ["athena:GetQueryResults"],
  GetMetricDataCommand: ["cloudwatch:GetMetricData"],
  GetTableMetadataCommand: ["athena:GetTableMetadata"],
};
/** What dynamo.ts does for the adapters. */
const sharedHelpers = [
  ["batchGet", "BatchGetItemCommand"],
  ["transactGet", "TransactGetItemsCommand"],
  ["newestFirst", "QueryCommand"],
] as const;

interface Adapter {
  /** The needs that together use all of it. */
  readonly needs: readonly Need[];
  /** What it works on: an action counts only where it reaches one of these. */
  readonly stores: readonly string[];
  /** Actions for jobs that no function is declared for yet. */
  readonly undeclared?: readonly string[];
}
const adapterFiles: Readonly<Record<string, Adapter>> = {
  "event-log.ts": { needs: ["log:append"], stores: ["kinesis:stream/EventsStream"] },
  "ledger.ts": { needs: ["log:append", "ledger:read"], stores: ["dynamodb:table/LedgerTable"] },
  "quarantine.ts": { needs: ["quarantine:read", "quarantine:put"], stores: ["s3:QuarantineBucket"] },
  "customer-store.ts": {
    needs: ["customers:read", "customers:write", "customers:scan"],
    stores: ["dynamodb:table/CustomersTable"],
  },
  "profile-store.ts": {
    needs: ["profiles:put"],
    stores: ["dynamodb:table/ProfilesTable"],
    undeclared: ["dynamodb:GetItem"],
  },
  "order-book.ts": {
    needs: ["order-book:write"],
    stores: ["dynamodb:table/OrderBookTable", "s3:OrderBookFilesBucket"],
  },
  "upload-store.ts": { needs: ["uploads:read", "uploads:write"], stores: ["dynamodb:table/UploadsTable"] },
  "object-store.ts": {
    needs: ["objects:read", "objects:write", "objects:upload-url"],
    stores: ["s3:UploadFilesBucket"],
  },
  "job-runner.ts": { needs: ["runner:run"], stores: ["emr-serverless:", "athena:", "iam:role/"] },
  "query-engine.ts": { needs: ["queries:read"], stores: ["athena:"] },
  "pulse.ts": { needs: ["metrics:read"], stores: ["*"] },
  "arrivals.ts": { needs: ["arrivals:read"], stores: ["dynamodb:table/LedgerTable"] },
  "landing-quarantine.ts": { needs: ["arrivals:read"], stores: ["s3:QuarantineBucket"] },
  "run-store.ts": { needs: ["runs:read", "runs:write"], stores: ["dynamodb:table/RunsTable"] },
  "score-store.ts": { needs: ["scores:read", "scores:write"], stores: ["dynamodb:table/CustomersTable"] },
  "job-queue.ts": {
    needs: ["jobs:process-upload", "jobs:erase"], // "jobs:load-source" with the sources
    stores: ["lambda:function:ebb-production-process-upload", "lambda:function:ebb-production-erase-customers"],
  },
  "suppressions.ts": {
    needs: ["suppressions:read", "suppressions:write"],
    stores: ["dynamodb:table/SuppressionsTable"],
  },
  "key-ring.ts": {
    needs: ["keys:check"],
    stores: ["dynamodb:table/KeysTable"],
    // `ebb keys --table` lists and writes with the rights of whoever calls it.
    undeclared: ["dynamodb:Scan", "dynamodb:PutItem"],
  },
  "erasures.ts": { needs: ["erasures:write"], stores: ["dynamodb:table/SuppressionsTable"] },
  "erasers.ts": {
    needs: ["customers:erase", "profiles:erase", "order-book:erase", "quarantine:erase"],
    stores: [
      "dynamodb:table/CustomersTable",
      "dynamodb:table/ProfilesTable",
      "dynamodb:table/OrderBookTable",
      "s3:OrderBookFilesBucket",
      "s3:QuarantineBucket",
    ],
    // Of named versions: `s3:DeleteObjectVersion`.
    undeclared: ["s3:DeleteObject"],
  },
};

describe("what the adapters call", () => {
  for (const [file, { needs, stores, undeclared = [] }] of Object.entries(adapterFiles)) {
    it(`${file} is allowed by ${needs.join(" and ")}`, () => {
      const text = readFileSync(path.join(adapters, file), "utf8");
      const used = new Set(text.match(/\b(?:[A-Z][A-Za-z]+Command|paginate[A-Z][A-Za-z0-9]+)\b(?=\()/g));
      for (const [helper, command] of sharedHelpers) if (text.includes(`${helper}(`)) used.add(command);
      assert.ok(used.size > 0, `no command was found in ${file}`);
      const holders = functions.filter((each) => needs.some((need) => each.needs.includes(need)));
      const allowed = new Set(
        holders
          .filter(({ handler }) => handler !== standsInForS3 && !ofOneSource.has(handler))
          .flatMap(({ handler }) => Object.entries(permissionsOfHandler(handler).actions))
          .filter(([, resources]) => resources.some((resource) => stores.some((store) => resource.startsWith(store))))
          .map(([action]) => action),
      );
      for (const command of used) {
        const actions = actionsOfCommand[command];
        assert.ok(actions !== undefined, `${file} uses ${command}, whose IAM action is not known here`);
        for (const action of actions)
          if (!undeclared.includes(action)) assert.ok(allowed.has(action), `${file}: ${action}`);
      }
    });
  }

  it("every adapter that calls AWS is looked at", () => {
    const calling = readdirSync(adapters).filter(
      (file) =>
        file.endsWith(".ts") &&
        !file.endsWith(".test.ts") &&
        /import \{[^}]*(?:Command|paginate)/.test(readFileSync(path.join(adapters, file), "utf8")),
    );
    // dynamo.ts holds what the others share; source-bucket.ts runs on one machine, with the rights of who starts it.
    // source-store.ts and spark-reads.ts are looked at with the sources.
    const elsewhere = ["dynamo.ts", "source-bucket.ts", "source-store.ts", "spark-reads.ts"];
    const looked = new Set([...Object.keys(adapterFiles), ...elsewhere]);
    assert.deepEqual(
      calling.filter((file) => !looked.has(file)),
      [],
    );
  });
});
