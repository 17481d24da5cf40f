/**
 * The environment of a function in AWS: every name that the adapters read, and nothing else. `stacks/` sets them, this
 * file parses them.
 *
 * | name                        | what                                                                        | read by           |
 * | --------------------------- | --------------------------------------------------------------------------- | ----------------- |
 * | EBB_STREAM                  | Kinesis stream, name                                                        | log               |
 * | EBB_STREAM_BUCKETS          | buckets of customers on the stream, 1 to 1,024; 64 where absent             | log               |
 * | EBB_LEDGER_TABLE            | DynamoDB table: pk (S), sk (N); index `newest`: shard (S), at (S)           | log, ledger       |
 * | EBB_QUARANTINE_BUCKET       | S3 bucket: JSON Lines under `quarantine/`, to expire after 30 days          | log, quarantine   |
 * | EBB_CUSTOMER_TABLE          | DynamoDB table: pk (S), sk (S)                                              | customers         |
 * | EBB_PROFILE_TABLE           | DynamoDB table: pk (S); the only place of personal data                     | profiles          |
 * | EBB_ORDER_BOOK_TABLE        | DynamoDB table: pk (S)                                                      | orderBook         |
 * | EBB_ORDER_BOOK_BUCKET       | S3 bucket: large orders under `order-book/`, never to expire                | orderBook         |
 * | EBB_UPLOAD_TABLE            | DynamoDB table: pk (S); index `newest`: shard (S), at (S)                   | uploads           |
 * | EBB_UPLOAD_BUCKET           | S3 bucket of uploaded files and spools, to expire after 7 days              | objects           |
 * | EBB_LAKE_BUCKET             | S3 bucket of the lake: what Firehose failed on under `failed/`              | lakeFailures      |
 * | EBB_PROCESS_UPLOAD_FUNCTION | Lambda function, name or ARN                                                | jobs              |
 * | EBB_ATHENA_WORKGROUP        | Athena workgroup that sets the result location and the scan cap             | queries           |
 * | EBB_GLUE_DATABASE           | Glue database of the lake's tables                                          | queries           |
 * | EBB_SCORE_FUNCTION          | Lambda function of the score stage, name                                    | pulse             |
 * | EBB_DELIVERY_STREAM         | Firehose delivery stream of the land stage, name                            | pulse             |
 * | EBB_RUN_TABLE               | DynamoDB table: pk (S); index `newest`: shard (S), at (S)                   | runs              |
 * | EBB_SOURCE_TABLE            | DynamoDB table: pk (S), sk (S)                                              | sources           |
 * | EBB_LOAD_SOURCE_FUNCTION    | Lambda function of the source, name                                         | sourceJobs        |
 * | EBB_SPARK_APPLICATION       | EMR Serverless application, id                                              | runner            |
 * | EBB_SPARK_ROLE              | role that Spark jobs run with, ARN                                          | runner            |
 * | EBB_SPARK_ENTRY_POINT       | URI of packages/lake/spark/run_sql.py                                       | runner            |
 * | EBB_SPARK_PARAMETERS        | `sparkSubmitParameters` of a job                                            | runner            |
 * | EBB_CUSTOMER_SECRET         | secret of the pseudonyms, at least 32 characters, never rotated             | pseudonyms        |
 * | EBB_KEY_TABLE               | DynamoDB table: pk (S); keys, hashed (`ebb keys --table` writes it)         | keys              |
 * | EBB_SUPPRESSION_TABLE       | DynamoDB table: pk (S), sk (S); index `newest`: who is erased, and erasures | suppressions, erasures |
 * | EBB_SUPPRESSION_SECRET      | secret of the suppression keys, at least 32 characters, never rotated       | suppressions      |
 * | EBB_ERASE_FUNCTION          | Lambda function of the erasures' workflow, with its alias                   | erasing           |
 * | EBB_SETTINGS                | JSON of the settings (below)                                                | settings          |
 * | EBB_SETTINGS_FILE           | instead: path of a file with that JSON (a function's environment ends at 4 KB) | settings       |
 * | EBB_HOOK_SECRETS            | JSON `{"platform": "secret"}`; none where absent                            | settings          |
 * | EBB_METRICS_NAMESPACE       | CloudWatch namespace; `Ebb` where absent                                    | metrics           |
 * | AWS_REGION                  | set by Lambda                                                               | every client      |
 * | AWS_ENDPOINT_URL[_SERVICE]  | the SDK's own names, for emulators                                          | every client      |
 *
 * EBB_SETTINGS: `{"rates": {"reportingCurrency": "EUR", "rates": {"GBP": {"2026-01-01": 1.15}}}, "corsOrigins": [],
 * "allowedProperties": [], "allowedTraits": [], "model": {"horizonDays": 90}}`; only `rates.reportingCurrency` must be there.
 *
 * A function is given the names of the ports it uses and no others; a port that is touched without its names throws
 * `EnvironmentError`. What is there must be well-formed: all faults are told at once, at the first event.
 */
import { readFileSync } from "node:fs";
import { QualityLimit } from "@ebb/core/quality-limits";
import { z } from "zod";
import type { Settings } from "../ports.ts";

/** The function was deployed with a wrong or incomplete environment. Values are never part of the message. */
export class EnvironmentError extends Error {
  override readonly name = "EnvironmentError";
}

/** JSON text, then a schema; faults of both are told under the variable's name. */
const json = <Schema extends z.ZodType>(schema: Schema) =>
  z
    .string()
    .transform((text, context): unknown => {
      try {
        return JSON.parse(text);
      } catch {
        context.issues.push({ code: "custom", message: "is not JSON", input: undefined });
        return z.NEVER;
      }
    })
    .pipe(schema);

const name = z.string().min(1).optional();

const StoredSettings = z.strictObject({
  rates: z.strictObject({
    reportingCurrency: z.string().regex(/^[A-Z]{3}$/, "must be an ISO 4217 code"),
    rates: z.record(z.string(), z.record(z.iso.date(), z.number().positive())).default({}),
  }),
  corsOrigins: z.array(z.string()).default([]),
  allowedProperties: z.array(z.string()).default([]),
  allowedTraits: z.array(z.string()).default([]),
  model: z
    .strictObject({
      horizonDays: z.int().min(7).max(730).optional(),
      contactCostMinor: z.number().nonnegative().optional(),
      saveRate: z.number().gt(0).max(1).optional(),
      margin: z.number().gt(0).max(1).optional(),
    })
    .default({}),
  quality: z.array(QualityLimit).default([]),
});

const Environment = z.object({
  EBB_STREAM: name,
  EBB_STREAM_BUCKETS: z.coerce.number().int().min(1).max(1024).default(64),
  EBB_LEDGER_TABLE: name,
  EBB_QUARANTINE_BUCKET: name,
  EBB_CUSTOMER_TABLE: name,
  EBB_PROFILE_TABLE: name,
  EBB_ORDER_BOOK_TABLE: name,
  EBB_ORDER_BOOK_BUCKET: name,
  EBB_UPLOAD_TABLE: name,
  EBB_UPLOAD_BUCKET: name,
  EBB_LAKE_BUCKET: name,
  EBB_PROCESS_UPLOAD_FUNCTION: name,
  EBB_ATHENA_WORKGROUP: name,
  EBB_GLUE_DATABASE: name,
  EBB_SCORE_FUNCTION: name,
  EBB_DELIVERY_STREAM: name,
  EBB_RUN_TABLE: name,
  EBB_SOURCE_TABLE: name,
  EBB_LOAD_SOURCE_FUNCTION: name,
  EBB_SPARK_APPLICATION: name,
  EBB_SPARK_ROLE: name,
  EBB_SPARK_ENTRY_POINT: name,
  EBB_SPARK_PARAMETERS: name,
  EBB_CUSTOMER_SECRET: z.string().min(32, "must have at least 32 characters").optional(),
  EBB_KEY_TABLE: name,
  EBB_ERASE_FUNCTION: name,
  EBB_SUPPRESSION_TABLE: name,
  EBB_SUPPRESSION_SECRET: z.string().min(32, "must have at least 32 characters").optional(),
  EBB_SETTINGS: json(StoredSettings).optional(),
  EBB_HOOK_SECRETS: json(z.record(z.string(), z.string().min(1))).default({}),
  EBB_METRICS_NAMESPACE: z.string().min(1).default("Ebb"),
});
export type Environment = z.infer<typeof Environment>;
export type Variable = keyof Environment;

/** The names behind each port. `stacks/` gives a function those of the ports it uses. */
export const variablesOf = {
  log: ["EBB_STREAM", "EBB_LEDGER_TABLE", "EBB_QUARANTINE_BUCKET"],
  ledger: ["EBB_LEDGER_TABLE"],
  quarantine: ["EBB_QUARANTINE_BUCKET"],
  customers: ["EBB_CUSTOMER_TABLE"],
  profiles: ["EBB_PROFILE_TABLE"],
  orderBook: ["EBB_ORDER_BOOK_TABLE", "EBB_ORDER_BOOK_BUCKET"],
  uploads: ["EBB_UPLOAD_TABLE"],
  objects: ["EBB_UPLOAD_BUCKET"],
  lakeFailures: ["EBB_LAKE_BUCKET"],
  jobs: ["EBB_PROCESS_UPLOAD_FUNCTION"],
  queries: ["EBB_ATHENA_WORKGROUP", "EBB_GLUE_DATABASE"],
  pulse: ["EBB_SCORE_FUNCTION", "EBB_DELIVERY_STREAM"],
  runner: [
    "EBB_LAKE_BUCKET",
    "EBB_ATHENA_WORKGROUP",
    "EBB_GLUE_DATABASE",
    "EBB_SPARK_APPLICATION",
    "EBB_SPARK_ROLE",
    "EBB_SPARK_ENTRY_POINT",
    "EBB_SPARK_PARAMETERS",
  ],
  arrivals: ["EBB_LEDGER_TABLE", "EBB_QUARANTINE_BUCKET", "EBB_ATHENA_WORKGROUP", "EBB_GLUE_DATABASE"],
  runs: ["EBB_RUN_TABLE"],
  sources: ["EBB_SOURCE_TABLE"],
  sourceTables: ["EBB_LAKE_BUCKET", "EBB_ATHENA_WORKGROUP", "EBB_GLUE_DATABASE"],
  sourceJobs: ["EBB_LOAD_SOURCE_FUNCTION"],
  scores: ["EBB_CUSTOMER_TABLE"],
  suppressions: ["EBB_SUPPRESSION_TABLE", "EBB_SUPPRESSION_SECRET"],
  erasures: ["EBB_SUPPRESSION_TABLE"],
  erasing: ["EBB_ERASE_FUNCTION"],
  receipts: ["EBB_SUPPRESSION_SECRET"],
  pseudonyms: ["EBB_CUSTOMER_SECRET"],
  keys: ["EBB_KEY_TABLE"],
  settings: ["EBB_SETTINGS"],
} as const satisfies Record<string, readonly Variable[]>;
export type ConfiguredPort = keyof typeof variablesOf;

/** @throws EnvironmentError naming every malformed variable */
export const parseEnvironment = (env: NodeJS.ProcessEnv): Environment => {
  const file = env["EBB_SETTINGS_FILE"];
  const settings = env["EBB_SETTINGS"] ?? (file === undefined ? undefined : readFileSync(file, "utf8"));
  const parsed = Environment.safeParse({ ...env, EBB_SETTINGS: settings });
  if (parsed.success) return parsed.data;
  const faults = parsed.error.issues.map((issue) => `${issue.path.join(".")}: ${issue.message}`);
  throw new EnvironmentError(`The environment is wrong.\n${faults.join("\n")}`);
};

type Present<Port extends ConfiguredPort> = {
  [Name in (typeof variablesOf)[Port][number]]: NonNullable<Environment[Name]>;
};

/** The variables of one port. @throws EnvironmentError naming every missing one */
export const variablesFor = <Port extends ConfiguredPort>(environment: Environment, port: Port): Present<Port> => {
  const names: readonly Variable[] = variablesOf[port];
  const missing = names.filter((variable) => environment[variable] === undefined);
  if (missing.length > 0) {
    throw new EnvironmentError(`The port "${port}" was used, but its environment lacks ${missing.join(", ")}.`);
  }
  return Object.fromEntries(names.map((variable) => [variable, environment[variable]])) as Present<Port>;
};

export const settingsOf = (environment: Environment): Settings => ({
  ...variablesFor(environment, "settings").EBB_SETTINGS,
  hookSecrets: environment.EBB_HOOK_SECRETS,
});
