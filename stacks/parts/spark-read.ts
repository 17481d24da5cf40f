/**
 * What a large table has besides its function: a Spark application of its own that reaches the database and one prefix of
 * the lake, the driver's jar, the password as a secret of Secrets Manager, and a rule that starts the function when a job ends.
 */
import path from "node:path";
import type { Source } from "@ebb/functions/collect/sources";
import { portOf } from "@ebb/functions/collect/sources/port";
import { READS_PREFIX, driverJars, jarPath, readParameters } from "@ebb/ports/aws/read-parameters";
import { lakeBucket, type Grant } from "../shared.ts";
import { wordsOf } from "./function.ts";
import { dataKey } from "./keys.ts";
import { sparkPlaceIn } from "./network.ts";
import { mavenRepository, namePrefix, sparkRelease } from "./settings.ts";
import { sparkProgram, sparkRole } from "./spark-role.ts";

type Relational = Extract<Source, { kind: "relational" }>;
type Spark = NonNullable<Relational["spec"]["read"]>["spark"];

export interface SparkRead {
  readonly environment: Readonly<Record<string, $util.Input<string>>>;
  /** What the function may do besides what every source's does. */
  readonly grants: readonly Grant[];
  /** Has the function started when a job of the source ended. */
  readonly wakes: (run: sst.aws.Function) => void;
}

/** Memory of a worker with two cores, and of the driver, as EMR Serverless counts it. */
const WORKER_GB = 10;
const DRIVER_GB = 6;

const inLake = (prefix: string) => $interpolate`${lakeBucket.arn}/${prefix}*`;

const made = new Map<string, unknown>();
/** Once for all sources that share it. */
const once = <Made>(name: string, make: () => Made): Made => {
  if (!made.has(name)) made.set(name, make());
  return made.get(name) as Made;
};

const program = () => once("program", () => sparkProgram("SparkReadProgram", "read_table"));

/** Fetched from Maven Central by the deployment; the program runs none whose SHA-256 is another. */
const jarOf = (kind: keyof typeof driverJars) =>
  once(`jar ${kind}`, () => {
    const jar = driverJars[kind];
    return new aws.s3.BucketObjectv2(`SparkDriver${wordsOf(kind)}`, {
      bucket: lakeBucket.name,
      key: `spark/${path.basename(jarPath(jar))}`,
      source: new $util.asset.RemoteAsset(`${mavenRepository}/${jarPath(jar)}`),
    });
  });

/** EMR Serverless puts it in the place of its name when a job begins: no argument, no log and no object ever holds it. */
const secretOf = (name: string, password: $util.Output<string>): aws.secretsmanager.Secret =>
  once(`secret ${name}`, () => {
    const secret = new aws.secretsmanager.Secret(`Spark${wordsOf(name)}`, {
      name: `${namePrefix}-spark-${name}`,
      description: `Password with which Spark reads declared sources: ${name}`,
      kmsKeyId: dataKey.arn,
      recoveryWindowInDays: 0,
    });
    new aws.secretsmanager.SecretVersion(`Spark${wordsOf(name)}Value`, { secretId: secret.id, secretString: password });
    return secret;
  });

const applicationOf = ({ connection, spec }: Relational, { partitions }: Spark): aws.emrserverless.Application => {
  const workers = Math.ceil(partitions / 2);
  const name = `Read${wordsOf(spec.name)}`;
  return new aws.emrserverless.Application(name, {
    name: `${namePrefix}-read-${spec.name}`,
    type: "spark",
    releaseLabel: sparkRelease,
    architecture: "ARM64",
    autoStartConfiguration: { enabled: true },
    autoStopConfiguration: { enabled: true, idleTimeoutMinutes: 1 },
    maximumCapacity: {
      cpu: `${2 * workers + 1} vCPU`,
      memory: `${WORKER_GB * workers + DRIVER_GB} GB`,
      disk: `${20 * (workers + 1)} GB`,
    },
    schedulerConfiguration: { maxConcurrentRuns: 1, queueTimeoutMinutes: 360 },
    // What a driver of a database says may hold a value of a row: no log is kept, and the result says why a job failed.
    monitoringConfiguration: { managedPersistenceMonitoringConfiguration: { enabled: false } },
    // Declared, or the deployment had been refused.
    networkConfiguration: sparkPlaceIn(name, spec.name, connection.vpc!, portOf(connection)),
  });
};

const roleOf = (
  source: string,
  application: aws.emrserverless.Application,
  reads: readonly $util.Output<string>[],
  secret: aws.secretsmanager.Secret | undefined,
): aws.iam.Role => {
  const own = inLake(`${READS_PREFIX}${source}/`);
  const grants: readonly Grant[] = [
    { actions: ["s3:ListBucket", "s3:GetBucketLocation"], resources: [lakeBucket.arn] },
    { actions: ["s3:GetObject"], resources: [own, ...reads] },
    { actions: ["s3:PutObject", "s3:AbortMultipartUpload", "s3:DeleteObject"], resources: [own] },
    { actions: ["kms:Decrypt", "kms:GenerateDataKey"], resources: [dataKey.arn] },
    ...(secret === undefined ? [] : [{ actions: ["secretsmanager:GetSecretValue"], resources: [secret.arn] }]),
  ];
  return sparkRole(`Read${wordsOf(source)}Role`, application, { name: `read-${source}`, policy: "read", grants });
};

/** @param password of the connection, where it has one */
export const sparkReadOf = (
  source: Relational,
  spark: Spark,
  password: $util.Output<string> | undefined,
): SparkRead => {
  const { connection, spec } = source;
  const { name } = spec;
  const words = wordsOf(name);
  const application = applicationOf(source, spark);
  const [entryPoint, jar] = [program(), jarOf(connection.kind)];
  const secret = password === undefined ? undefined : secretOf(connection.password!.secret, password);
  const inBucket = ({ key }: aws.s3.BucketObjectv2) => $interpolate`${lakeBucket.arn}/${key}`;
  const role = roleOf(name, application, [inBucket(entryPoint), inBucket(jar)], secret);
  const uri = ({ key }: aws.s3.BucketObjectv2) => $interpolate`s3://${lakeBucket.name}/${key}`;
  return {
    environment: {
      EBB_SPARK_APPLICATION: application.id,
      EBB_SPARK_ROLE: role.arn,
      EBB_SPARK_ENTRY_POINT: uri(entryPoint),
      EBB_SPARK_DRIVER: uri(jar),
      EBB_SPARK_PARAMETERS: uri(jar).apply((at) => readParameters({ jar: at, partitions: spark.partitions })),
      ...(secret === undefined ? {} : { EBB_SPARK_SECRET: secret.name }),
    },
    grants: [
      {
        actions: ["emr-serverless:StartJobRun", "emr-serverless:GetJobRun"],
        resources: [application.arn, $interpolate`${application.arn}/jobruns/*`],
      },
      { actions: ["iam:PassRole"], resources: [role.arn] },
    ],
    wakes: (run) => {
      const rule = new aws.cloudwatch.EventRule(`Read${words}Ended`, {
        name: `${namePrefix}-read-${name}-ended`,
        description: `Has the load of the source ${name} go on when Spark has read it`,
        eventPattern: application.id.apply((id) =>
          JSON.stringify({
            source: ["aws.emr-serverless"],
            "detail-type": ["EMR Serverless Job Run State Change"],
            detail: { applicationId: [id], state: ["SUCCESS", "FAILED", "CANCELLED"] },
          }),
        ),
      });
      new aws.lambda.Permission(`Read${words}EndedStarts`, {
        action: "lambda:InvokeFunction",
        function: run.name,
        principal: "events.amazonaws.com",
        sourceArn: rule.arn,
      });
      new aws.cloudwatch.EventTarget(`Read${words}EndedTarget`, {
        rule: rule.name,
        arn: run.arn,
        input: JSON.stringify({ source: name, ended: true }),
      });
    },
  };
};
