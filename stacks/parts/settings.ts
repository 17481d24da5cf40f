import { readFileSync } from "node:fs";
import path from "node:path";
import { SOURCES_FILE } from "@ebb/functions/collect/sources/declared";
import { EMR_ICEBERG_JAR } from "@ebb/ports/aws/spark-parameters";

/** What a deployment may set by environment variables of `sst deploy`; each has a default that works. */
const setting = (name: string, fallback: string): string => {
  const value = process.env[name];
  return value === undefined || value === "" ? fallback : value;
};

const positive = (name: string, fallback: string): number => {
  const value = Number(setting(name, fallback));
  if (!Number.isFinite(value) || value <= 0)
    throw new Error(`${name} must be a number above 0, not "${process.env[name]}".`);
  return value;
};

export const production = $app.stage === "production";

/** Prefix of the names that must be known before a resource exists, or that people read: `ebb-production`. */
export const namePrefix = `${$app.name}-${$app.stage}`;

/**
 * The settings of the program (rates, allowed properties and traits, CORS origins) as packages/ports/src/aws/environment.ts
 * reads them. A file of them travels with each function's code, for a table of daily rates outgrows the 4 KB that Lambda
 * gives to an environment; without a file the few defaults go in the environment.
 */
export const settingsFile = setting("EBB_SETTINGS_FILE", "");
const programSettings = (): Record<string, unknown> => {
  if (settingsFile === "")
    return { rates: { reportingCurrency: setting("EBB_REPORTING_CURRENCY", "EUR") }, corsOrigins: ["*"] };
  return JSON.parse(readFileSync(path.join($cli.paths.root, settingsFile), "utf8")) as Record<string, unknown>;
};
const parsedSettings = programSettings();
export const settingsJson = JSON.stringify(parsedSettings);

/** Origins whose browsers may call the API: `*`, or exact origins. None where the settings file names none. */
export const corsOrigins = (parsedSettings["corsOrigins"] ?? []) as string[];

/** The declarations of sources, from the project's root; none where there is no such file. */
export const sourcesFile = setting("EBB_SOURCES_FILE", SOURCES_FILE);

/** CloudWatch namespace of the program's own metrics, one a stage, so that a trial stage never wakes production's alarms. */
export const metricsNamespace = `Ebb/${$app.stage}`;

/** Gets every alarm; none when empty: alarms then show in CloudWatch alone. */
export const alarmEmail = setting("EBB_ALARM_EMAIL", "");

export const monthlyBudgetUsd = positive("EBB_MONTHLY_BUDGET_USD", "100");

/** An Athena query that would read more is cancelled. 100 GB is 0.50 USD at 5 USD a terabyte. */
export const queryScanLimitBytes = positive("EBB_QUERY_SCAN_LIMIT_GB", "100") * 1_000_000_000;

/** IANA time zone of the schedules. */
export const scheduleTimeZone = setting("EBB_TIME_ZONE", "UTC");

/** EMR Serverless release; the 7 line runs Spark 3.5 and keeps Iceberg's runtime where its documentation says. */
export const sparkRelease = setting("EBB_SPARK_RELEASE", "emr-7.13.0");
/** Where that release has Iceberg's runtime. */
export const icebergJar = setting("EBB_SPARK_ICEBERG_JAR", EMR_ICEBERG_JAR);
/** Where a deployment fetches the drivers of databases that Spark reads: Maven Central, or a mirror of it. */
export const mavenRepository = setting("EBB_MAVEN_REPOSITORY", "https://repo1.maven.org/maven2");
/** The most that all Spark jobs together may have. 32 vCPU for an hour are about 2 USD. */
export const sparkVcpus = positive("EBB_SPARK_VCPUS", "32");

/** Hours after which a day without a run that succeeded is an alarm. */
export const latestRunHours = 30;

/** Steady requests a second and burst that API Gateway lets through before it answers 429. */
export const requestsPerSecond = positive("EBB_REQUESTS_PER_SECOND", "1000");
export const requestBurst = positive("EBB_REQUEST_BURST", "2000");

/** Days that raw events stay in the lake; what is curated from them never expires. */
export const rawDays = positive("EBB_RAW_DAYS", "730");

export const logRetention = production ? "3 months" : "1 month";
export const logRetentionDays = production ? 90 : 30;
