/** The ports on AWS. What a function needs of its environment stands in `environment.ts`. */
import { randomBytes } from "node:crypto";
import { Pseudonymizer } from "@ebb/core/ids";
import type { Ports } from "../ports.ts";
import type { SourceStore, SourceTables } from "../source-ports.ts";
import { AthenaArrivals } from "./arrivals.ts";
import { Clients } from "./clients.ts";
import { DynamoCustomerStore } from "./customer-store.ts";
import type { ConfiguredPort } from "./environment.ts";
import { parseEnvironment, settingsOf, variablesFor } from "./environment.ts";
import { KinesisEventLog } from "./event-log.ts";
import { LambdaJobQueue, LambdaSourceJobs, type SourceJobs } from "./job-queue.ts";
import { AwsJobRunner } from "./job-runner.ts";
import { DynamoKeyRing } from "./key-ring.ts";
import { LandingQuarantine } from "./landing-quarantine.ts";
import { DynamoLedger } from "./ledger.ts";
import { PowertoolsMetrics, SERVICE, awsMetrics } from "./metrics.ts";
import { S3ObjectStore } from "./object-store.ts";
import { DynamoOrderBook } from "./order-book.ts";
import { DynamoProfileStore } from "./profile-store.ts";
import { CloudWatchPulse } from "./pulse.ts";
import { S3Quarantine } from "./quarantine.ts";
import { AthenaQueryEngine } from "./query-engine.ts";
import { DynamoRunStore } from "./run-store.ts";
import { DynamoScoreStore } from "./score-store.ts";
import { DynamoSourceStore } from "./source-store.ts";
import { LakeSourceTables } from "./source-tables.ts";
import { ReceiptSigner } from "../receipt-signer.ts";
import { awsErasers, queriedVisitors } from "./erasers.ts";
import { DynamoErasures } from "./erasures.ts";
import { LambdaErasing } from "./job-queue.ts";
import { DynamoSuppressions } from "./suppressions.ts";
import { DynamoUploadStore } from "./upload-store.ts";

export { EnvironmentError, variablesOf } from "./environment.ts";
export { awsMetrics } from "./metrics.ts";

/** API Gateway answers for the function after 30 s. */
const QUERY_TIMEOUT_MS = 25_000;
/** A count over the raw events of a week. */
const COUNT_TIMEOUT_MS = 300_000;

/** 48 bits of time and 80 of chance, in hex: ids made later sort later. */
const newId: Ports["newId"] = (prefix) =>
  `${prefix}_${Date.now().toString(16).padStart(12, "0")}${randomBytes(10).toString("hex")}`;

/** Of statements that nobody waits for in a later run: a function may run for 15 minutes. */
const STATEMENT_TIMEOUT_MS = 600_000;

/** With those that loads of sources need, which one machine opens for each load. */
export interface AwsPorts extends Ports {
  readonly sources: SourceStore;
  readonly sourceTables: SourceTables;
  readonly sourceJobs: SourceJobs;
}

/** Builds a value on first use and keeps it. */
const lazy = <Value>(build: () => Value): (() => Value) => {
  let built: { readonly value: Value } | undefined;
  return () => (built ??= { value: build() }).value;
};

/**
 * All ports, each built on first use from the variables it needs.
 * @throws EnvironmentError now for malformed variables, on first use of a port for missing ones
 */
export const awsPorts = (env: NodeJS.ProcessEnv, clients = new Clients(env)): AwsPorts => {
  const environment = parseEnvironment(env);
  const of = <Port extends ConfiguredPort>(port: Port) => variablesFor(environment, port);
  const now = Date.now;

  const statements = (of: { readonly EBB_ATHENA_WORKGROUP: string; readonly EBB_GLUE_DATABASE: string }) =>
    new AthenaQueryEngine(clients.athena, {
      workgroup: of.EBB_ATHENA_WORKGROUP,
      database: of.EBB_GLUE_DATABASE,
      timeoutMs: STATEMENT_TIMEOUT_MS,
      now,
    });

  const ledger = lazy(() => new DynamoLedger(clients.dynamo, of("ledger").EBB_LEDGER_TABLE));
  const quarantine = lazy(() => new S3Quarantine(clients.s3, of("quarantine").EBB_QUARANTINE_BUCKET));
  const log = lazy(
    () =>
      new KinesisEventLog(
        clients.kinesis,
        { stream: of("log").EBB_STREAM, buckets: environment.EBB_STREAM_BUCKETS },
        { ledger: ledger(), quarantine: quarantine() },
      ),
  );
  const customers = lazy(() => new DynamoCustomerStore(clients.dynamo, of("customers").EBB_CUSTOMER_TABLE));
  const profiles = lazy(() => new DynamoProfileStore(clients.dynamo, of("profiles").EBB_PROFILE_TABLE, now));
  const orderBook = lazy(() => {
    const { EBB_ORDER_BOOK_TABLE: table, EBB_ORDER_BOOK_BUCKET: bucket } = of("orderBook");
    return new DynamoOrderBook({ dynamo: clients.dynamo, s3: clients.s3 }, { table, bucket });
  });
  const uploads = lazy(() => new DynamoUploadStore(clients.dynamo, of("uploads").EBB_UPLOAD_TABLE));
  const objects = lazy(() => new S3ObjectStore(clients.s3, of("objects").EBB_UPLOAD_BUCKET, now));
  const lakeFailures = lazy(() => new S3ObjectStore(clients.s3, of("lakeFailures").EBB_LAKE_BUCKET, now));
  const jobs = lazy(() => new LambdaJobQueue(clients.lambda, of("jobs").EBB_PROCESS_UPLOAD_FUNCTION));
  const queries = lazy(() => {
    const { EBB_ATHENA_WORKGROUP: workgroup, EBB_GLUE_DATABASE: database } = of("queries");
    return new AthenaQueryEngine(clients.athena, { workgroup, database, timeoutMs: QUERY_TIMEOUT_MS, now });
  });
  const runner = lazy(() => {
    const variables = of("runner");
    return new AwsJobRunner(
      { emr: clients.emr, athena: clients.athena },
      new S3ObjectStore(clients.s3, variables.EBB_LAKE_BUCKET, now),
      {
        lake: `s3://${variables.EBB_LAKE_BUCKET}`,
        database: variables.EBB_GLUE_DATABASE,
        workgroup: variables.EBB_ATHENA_WORKGROUP,
        spark: {
          applicationId: variables.EBB_SPARK_APPLICATION,
          roleArn: variables.EBB_SPARK_ROLE,
          entryPoint: variables.EBB_SPARK_ENTRY_POINT,
          submitParameters: variables.EBB_SPARK_PARAMETERS,
        },
      },
    );
  });
  const arrivals = lazy(() => {
    const variables = of("arrivals");
    const { EBB_ATHENA_WORKGROUP: workgroup, EBB_GLUE_DATABASE: database } = variables;
    const counts = new AthenaQueryEngine(clients.athena, { workgroup, database, timeoutMs: COUNT_TIMEOUT_MS, now });
    const quarantine = new LandingQuarantine(clients.s3, variables.EBB_QUARANTINE_BUCKET);
    return new AthenaArrivals(clients.dynamo, variables.EBB_LEDGER_TABLE, counts, quarantine);
  });
  const runs = lazy(() => new DynamoRunStore(clients.dynamo, of("runs").EBB_RUN_TABLE));
  const scores = lazy(() => new DynamoScoreStore(clients.dynamo, of("scores").EBB_CUSTOMER_TABLE));
  const pulse = lazy(() => {
    const { EBB_SCORE_FUNCTION: scoreFunction, EBB_DELIVERY_STREAM: deliveryStream } = of("pulse");
    const namespace = environment.EBB_METRICS_NAMESPACE;
    return new CloudWatchPulse(clients.cloudwatch, { namespace, service: SERVICE, scoreFunction, deliveryStream });
  });
  const suppressions = lazy(() => {
    const { EBB_SUPPRESSION_TABLE: table, EBB_SUPPRESSION_SECRET: secret } = of("suppressions");
    return new DynamoSuppressions(clients.dynamo, table, secret, now);
  });
  const erasures = lazy(() => new DynamoErasures(clients.dynamo, of("erasures").EBB_SUPPRESSION_TABLE));
  const erasing = lazy(() => new LambdaErasing(clients.lambda, of("erasing").EBB_ERASE_FUNCTION));
  const erasers = lazy(() => {
    const { EBB_ORDER_BOOK_TABLE, EBB_ORDER_BOOK_BUCKET } = of("orderBook");
    return awsErasers({
      dynamo: clients.dynamo,
      s3: clients.s3,
      tables: {
        customers: of("customers").EBB_CUSTOMER_TABLE,
        profiles: of("profiles").EBB_PROFILE_TABLE,
        orderBook: EBB_ORDER_BOOK_TABLE,
      },
      buckets: { quarantine: of("quarantine").EBB_QUARANTINE_BUCKET, orderBook: EBB_ORDER_BOOK_BUCKET },
      profiles: profiles(),
      documents: new S3ObjectStore(clients.s3, of("runner").EBB_LAKE_BUCKET, now),
      runner: runner(),
      queries: statements(of("queries")),
      now,
    });
  });
  const visitors = lazy(() => {
    const { EBB_ATHENA_WORKGROUP: workgroup, EBB_GLUE_DATABASE: database } = of("queries");
    return queriedVisitors(
      new AthenaQueryEngine(clients.athena, { workgroup, database, timeoutMs: COUNT_TIMEOUT_MS, now }),
    );
  });
  const sources = lazy(() => new DynamoSourceStore(clients.dynamo, of("sources").EBB_SOURCE_TABLE));
  const sourceTables = lazy(() => {
    const variables = of("sourceTables");
    const { EBB_LAKE_BUCKET: bucket } = variables;
    const queries = statements(variables);
    return new LakeSourceTables({
      queries,
      statements: queries,
      objects: new S3ObjectStore(clients.s3, bucket, now),
      lake: `s3://${bucket}`,
      now,
    });
  });
  const sourceJobs = lazy(() => new LambdaSourceJobs(clients.lambda, of("sourceJobs").EBB_LOAD_SOURCE_FUNCTION));
  const receipts = lazy(() => new ReceiptSigner(of("receipts").EBB_SUPPRESSION_SECRET));
  const pseudonyms = lazy(() => new Pseudonymizer(of("pseudonyms").EBB_CUSTOMER_SECRET));
  const keys = lazy(() => new DynamoKeyRing(clients.dynamo, of("keys").EBB_KEY_TABLE));
  const settings = lazy(() => settingsOf(environment));
  const metrics = lazy(() => new PowertoolsMetrics(awsMetrics(environment.EBB_METRICS_NAMESPACE)));

  return {
    now,
    newId,
    // Lag, errors and what waits are CloudWatch's to watch: an address that anybody may call does not ask it.
    vitals: { check: async () => [] },
    // The same: the dashboard of the stacks has them.
    measures: { read: async () => [] },
    get log() {
      return log();
    },
    get ledger() {
      return ledger();
    },
    get quarantine() {
      return quarantine();
    },
    get customers() {
      return customers();
    },
    get profiles() {
      return profiles();
    },
    get orderBook() {
      return orderBook();
    },
    get uploads() {
      return uploads();
    },
    get objects() {
      return objects();
    },
    get lakeFailures() {
      return lakeFailures();
    },
    get jobs() {
      return jobs();
    },
    get queries() {
      return queries();
    },
    get runner() {
      return runner();
    },
    get arrivals() {
      return arrivals();
    },
    get runs() {
      return runs();
    },
    get scores() {
      return scores();
    },
    get pulse() {
      return pulse();
    },
    get suppressions() {
      return suppressions();
    },
    get erasures() {
      return erasures();
    },
    get erasing() {
      return erasing();
    },
    get erasers() {
      return erasers();
    },
    get visitors() {
      return visitors();
    },
    get sources() {
      return sources();
    },
    get sourceTables() {
      return sourceTables();
    },
    get sourceJobs() {
      return sourceJobs();
    },
    get receipts() {
      return receipts();
    },
    get pseudonyms() {
      return pseudonyms();
    },
    get keys() {
      return keys();
    },
    get settings() {
      return settings();
    },
    get metrics() {
      return metrics();
    },
  };
};
