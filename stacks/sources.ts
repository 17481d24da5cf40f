/**
 * Sources: databases, DynamoDB tables and buckets that are declared in `ebb.sources.json` are loaded by their schedules,
 * each by a function of its own that may reach that source and no other. Where none is declared, nothing is made.
 */
import path from "node:path";
import type { Source } from "@ebb/functions/collect/sources";
import { portOf } from "@ebb/functions/collect/sources/port";
import { functions, type Need } from "@ebb/functions/declarations";
import { STAGED_TABLE, STAGING_PREFIX } from "@ebb/ports/aws/source-statements";
import { alarm, counted } from "./parts/alarm.ts";
import { lambdaOf, wordsOf } from "./parts/function.ts";
import { dataKey } from "./parts/keys.ts";
import { placeIn } from "./parts/network.ts";
import { scheduled } from "./parts/schedule.ts";
import { namePrefix, sourcesFile } from "./parts/settings.ts";
import { type SparkRead, sparkReadOf } from "./parts/spark-read.ts";
import { declarations, sources, states } from "./parts/sources.ts";
import {
  database,
  defaultDatabase,
  glueArn,
  queryResults,
  resultsOfStatements,
  statements,
  workgroup,
} from "./land.ts";
import { deadLetterBucket, lakeBucket, type Grant } from "./shared.ts";

const HANDLER = "collect/load-source";

// ── what each function may reach ───────────────────────────────────────────────────────────────────────────────────

const region = aws.getRegionOutput().region;
const account = aws.getCallerIdentityOutput().accountId;
const inLake = (prefix: string) => $interpolate`${lakeBucket.arn}/${prefix}*`;

/** Statements of Athena's over what is staged and the tables of sources; they run with the rights of who starts them. */
const lake: readonly Grant[] = [
  statements,
  {
    actions: ["glue:GetDatabase", "glue:GetTable", "glue:GetTables", "glue:GetPartitions"],
    resources: [
      glueArn("catalog"),
      glueArn($interpolate`database/${database.name}`),
      glueArn($interpolate`table/${database.name}/*`),
    ],
  },
  defaultDatabase,
  {
    actions: ["glue:CreateTable", "glue:UpdateTable", "glue:DeleteTable"],
    resources: [
      glueArn("catalog"),
      glueArn($interpolate`database/${database.name}`),
      glueArn($interpolate`table/${database.name}/ebb_source_*`),
      glueArn($interpolate`table/${database.name}/source_*`),
    ],
  },
  { actions: ["s3:ListBucket", "s3:GetBucketLocation"], resources: [lakeBucket.arn, queryResults.arn] },
  {
    actions: ["s3:GetObject", "s3:PutObject", "s3:AbortMultipartUpload", "s3:DeleteObject"],
    resources: [inLake("sources/"), inLake("tables/ebb_source_")],
  },
  resultsOfStatements,
  { actions: ["kms:Decrypt", "kms:GenerateDataKey"], resources: [dataKey.arn] },
];

/** What it reads: docs/sources.md shows the same for whoever runs it on one machine. */
const readingOf = (source: Source): readonly Grant[] => {
  if (source.kind === "relational") return [];
  const objectsOf = (bucket: string, prefix: string, actions: readonly string[]): Grant[] => [
    { actions: ["s3:ListBucket"], resources: [`arn:aws:s3:::${bucket}`] },
    { actions, resources: [`arn:aws:s3:::${bucket}/${prefix}*`] },
  ];
  if (source.kind === "objects") return objectsOf(source.connection.bucket!, source.spec.prefix, ["s3:GetObject"]);
  const { connection, spec } = source;
  const arn = $interpolate`arn:aws:dynamodb:${connection.region ?? region}:${account}:table/${spec.table}`;
  if ("scan" in spec.read) return [{ actions: ["dynamodb:DescribeTable", "dynamodb:Scan"], resources: [arn] }];
  const { bucket, prefix, request } = spec.read.export;
  if (!request) return objectsOf(bucket, prefix, ["s3:GetObject"]);
  return [
    { actions: ["dynamodb:DescribeTable", "dynamodb:ExportTableToPointInTime"], resources: [arn] },
    { actions: ["dynamodb:DescribeExport"], resources: [$interpolate`${arn}/export/*`] },
    ...objectsOf(bucket, prefix, ["s3:GetObject", "s3:PutObject"]),
  ];
};

/** Objects become uploads, which have a pipeline of their own; rows go into the lake and onto the stream. */
const ofObjects: readonly Need[] = [
  "uploads:read",
  "uploads:write",
  "objects:read",
  "objects:write",
  "jobs:process-upload",
];
const needsOf = ({ kind }: Source): readonly Need[] => {
  const all = functions.find(({ handler }) => handler === HANDLER)!.needs;
  const own: readonly Need[] = ["jobs:load-source", "sources:write"];
  return kind === "objects"
    ? all.filter((need) => ofObjects.includes(need) || own.includes(need))
    : all.filter((need) => !ofObjects.includes(need));
};

// ── the functions ──────────────────────────────────────────────────────────────────────────────────────────────────

/** Staged rows as Athena sees them: a query names the load and the table, and reads nothing else. */
const stagedTable = (): aws.glue.CatalogTable =>
  new aws.glue.CatalogTable("SourceStaging", {
    databaseName: database.name,
    name: STAGED_TABLE,
    description: "Rows that loads of sources have read and not committed yet",
    tableType: "EXTERNAL_TABLE",
    parameters: {
      EXTERNAL: "TRUE",
      "projection.enabled": "true",
      "projection.load.type": "injected",
      "projection.name.type": "injected",
      "storage.location.template": $interpolate`s3://${lakeBucket.name}/${STAGING_PREFIX}load=\${load}/name=\${name}/`,
    },
    partitionKeys: [
      { name: "load", type: "string" },
      { name: "name", type: "string" },
    ],
    storageDescriptor: {
      location: $interpolate`s3://${lakeBucket.name}/${STAGING_PREFIX}`,
      inputFormat: "org.apache.hadoop.mapred.TextInputFormat",
      outputFormat: "org.apache.hadoop.hive.ql.io.HiveIgnoreKeyTextOutputFormat",
      serDeInfo: { serializationLibrary: "org.openx.data.jsonserde.JsonSerDe" },
      columns: [
        { name: "p", type: "int", comment: "the part that brought the row" },
        { name: "c", type: "array<string>", comment: "its cells" },
      ],
    },
  });

/** A value of `sst secret set`, of the same name in words: SHOP_DB_PASSWORD is ShopDbPassword. */
const passwords = new Map<string, sst.Secret>();
const passwordOf = (name: string): $util.Output<string> => {
  const known = passwords.get(name) ?? new sst.Secret(wordsOf(name));
  passwords.set(name, known);
  return known.value;
};

/** What only the function of a relational source has: its password, the authority of its TLS, a place beside it. */
const besideDatabase = (source: Source) => {
  if (source.kind !== "relational") return { environment: {}, copyFiles: [], vpc: undefined };
  const { connection, spec } = source;
  const { password, ca_file: ca, vpc } = connection;
  return {
    environment: {
      // Where Lambda keeps the authorities of Amazon RDS, which Node does not know of itself.
      NODE_EXTRA_CA_CERTS: "/var/runtime/ca-cert.pem",
      ...(password === undefined ? {} : { [password.secret]: passwordOf(password.secret) }),
    },
    copyFiles: ca === undefined ? [] : [{ from: path.join(path.dirname(sourcesFile), ca), to: ca }],
    vpc: vpc === undefined ? undefined : placeIn(`Load${wordsOf(spec.name)}`, spec.name, vpc, portOf(connection)),
  };
};

/** What reads a table that is too large for the function. */
const sparkOf = (source: Source): SparkRead | undefined => {
  if (source.kind !== "relational" || source.spec.read === undefined) return undefined;
  const { password } = source.connection;
  return sparkReadOf(source, source.spec.read.spark, password === undefined ? undefined : passwordOf(password.secret));
};

const loadOf = (source: Source, states: sst.aws.Dynamo): void => {
  const { name, schedule } = source.spec;
  const functionName = `${namePrefix}-load-${name}`;
  const arn = $interpolate`arn:aws:lambda:${region}:${account}:function:${functionName}`;
  const { environment, copyFiles, vpc } = besideDatabase(source);
  const spark = sparkOf(source);
  const run = lambdaOf(
    HANDLER,
    [
      {
        actions: [
          "dynamodb:GetItem",
          "dynamodb:PutItem",
          "dynamodb:UpdateItem",
          "dynamodb:DeleteItem",
          "dynamodb:Query",
        ],
        resources: [states.arn],
      },
      { actions: ["lambda:InvokeFunction"], resources: [arn] },
      ...(source.kind === "objects" ? [] : lake),
      ...readingOf(source),
      ...(spark?.grants ?? []),
      { actions: ["s3:PutObject"], resources: [$interpolate`${deadLetterBucket.arn}/*`] },
      { actions: ["s3:ListBucket"], resources: [deadLetterBucket.arn] },
      { actions: ["kms:Decrypt", "kms:GenerateDataKey"], resources: [dataKey.arn] },
    ],
    {
      EBB_SOURCE_TABLE: states.name,
      EBB_LOAD_SOURCE_FUNCTION: functionName,
      EBB_ATHENA_WORKGROUP: workgroup.name,
      EBB_GLUE_DATABASE: database.name,
    },
    {
      of: name,
      functionName,
      needs: needsOf(source),
      configured: source.kind === "objects" ? [] : ["pseudonyms", "settings"],
      environment: { ...declarations.environment, ...environment, ...spark?.environment },
      copyFiles: [...declarations.copyFiles, ...copyFiles],
      vpc,
    },
  );
  const words = wordsOf(name);
  new aws.lambda.FunctionEventInvokeConfig(`Load${words}Retries`, {
    functionName: run.name,
    maximumRetryAttempts: 2,
    maximumEventAgeInSeconds: 3600,
    destinationConfig: { onFailure: { destination: deadLetterBucket.arn } },
  });
  // A long load asks for its own next run, and each goes on behind the checkpoint of the one before.
  new aws.lambda.FunctionRecursionConfig(`Load${words}Continues`, { functionName: run.name, recursiveLoop: "Allow" });
  spark?.wakes(run);
  if (schedule !== undefined)
    scheduled(`Load${words}Clock`, {
      target: run,
      schedule,
      event: { source: name },
      maximumRetryAttempts: 2,
      maximumEventAgeSeconds: 3600,
    });

  // ── alarms ───────────────────────────────────────────────────────────────────────────────────────────────────────

  alarm("source-failed", {
    of: name,
    todo: "Read the function's log for the code and the field, and docs/sources.md for what to do; readers keep the table they had.",
    metric: counted("SourceLoadsFailed", { source: name }),
    above: 0,
  });
  alarm("source-errors", {
    of: name,
    todo: "Read the function's log: it was stopped in its work, or could not reach a service; the next start goes on.",
    metric: {
      namespace: "AWS/Lambda",
      metricName: "Errors",
      dimensions: { FunctionName: run.name },
      statistic: "Sum",
    },
    above: 2,
    periodSeconds: 3600,
  });
  if (schedule !== undefined)
    alarm("source-late", {
      of: name,
      todo: "Look whether loads fail, or whether one takes longer than its schedule allows: the table is older than stated.",
      metric: counted("SourceLoadsDone", { source: name }),
      below: 1,
      periodSeconds: 3600,
      periods: "at" in schedule ? 30 : Math.ceil((3 * schedule.every) / 3600) + 1,
      expected: true,
    });
};

if (states !== undefined) {
  if (sources.some(({ kind }) => kind !== "objects")) stagedTable();
  for (const source of sources) loadOf(source, states);
}
