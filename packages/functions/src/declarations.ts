/**
 * Every route, consumer and job, once, as data: `stacks/` reads it to declare AWS resources, the embedded home reads it
 * to dispatch. A handler named `collect/events` is the file `collect/events.ts`; it exports `make(ports)` and `handler`
 * (the same made with the AWS adapters).
 */

import type { Scope } from "@ebb/core/scopes";

/** What a function may reach, in the words of the ports. The stacks turn each into explicit IAM actions. */
export type Need =
  | "keys:check"
  | "log:append"
  | "ledger:read"
  | "quarantine:read"
  | "quarantine:put"
  | "customers:read"
  | "customers:write"
  | "profiles:read"
  | "profiles:put"
  | "order-book:write"
  | "uploads:read"
  | "uploads:write"
  | "objects:read"
  | "objects:write"
  | "objects:upload-url"
  | "jobs:process-upload"
  | "lake-failures:read"
  | "scores:read"
  | "scores:write"
  | "sources:write"
  | "source-tables:write"
  | "jobs:load-source"
  | "runs:read"
  | "runs:write"
  | "customers:scan"
  | "arrivals:read"
  | "runner:run"
  | "documents:read"
  | "documents:write"
  | "queries:read"
  | "metrics:read"
  | "suppressions:read"
  | "suppressions:write"
  | "erasures:write"
  | "jobs:erase"
  | "customers:erase"
  | "profiles:erase"
  | "order-book:erase"
  | "quarantine:erase";

/** A list: a key that has any of these scopes. */
export type Auth = readonly Scope[] | "hook-signature" | "upload-url" | "none";

/** Whether a route asks for a key. */
export const isKeyed = (auth: Auth): auth is readonly Scope[] => typeof auth !== "string";

export interface FunctionDeclaration {
  readonly handler: string;
  readonly needs: readonly Need[];
  readonly memoryMb: number;
  readonly timeoutSeconds: number;
  /** One function for each source that is declared: none where none is. */
  readonly each?: "source";
}

export interface Route {
  readonly method: "GET" | "POST" | "PUT" | "DELETE";
  /** API Gateway v2 path syntax. */
  readonly path: string;
  readonly handler: string;
  readonly auth: Auth;
  /** Only where there is no S3 to take the content. */
  readonly only?: "embedded";
  /** Largest body in bytes; the direct-upload limit where absent. */
  readonly bodyBytes?: number;
}

export interface StreamConsumer {
  readonly name: "score";
  readonly handler: string;
  /** Stream records a batch. */
  readonly batchSize: number;
  readonly windowSeconds: number;
  readonly parallelizationFactor: number;
  readonly maximumRetryAttempts: number;
  readonly maximumRecordAgeSeconds: number;
  readonly bisectBatchOnFunctionError: boolean;
  readonly startingPosition: "TRIM_HORIZON";
}

export interface LandConsumer {
  readonly name: "land";
  /** Transforms records before conversion: Firehose's transform Lambda. */
  readonly handler: string;
  readonly bufferMb: number;
  readonly bufferSeconds: number;
  readonly prefix: string;
  readonly compression: "SNAPPY";
}

export interface Job {
  readonly name: "process-upload" | "quarantine-failed";
  readonly handler: string;
  readonly maximumRetryAttempts: number;
  /** In AWS: a new object with such a key starts it. */
  readonly startedBy: { readonly prefix: string; readonly suffix?: string };
}

/** Something that happens by the clock. */
export interface Schedule {
  readonly name: "daily-run" | "weekly-upkeep";
  readonly handler: string;
  /** `HH:MM`. In AWS in the time zone of the deployment, on one machine in that of the machine. */
  readonly at: string;
  /** Every day where absent. */
  readonly onDay?: "SUN";
  /** Starts of the handler that fail are made again this often, for this long. */
  readonly maximumRetryAttempts: number;
  readonly maximumEventAgeSeconds: number;
  /** A workflow runs in pieces: each at most as long as the function, all of it at most this. */
  readonly executionTimeoutSeconds: number;
  /** Only where there is anything to do. */
  readonly only?: "aws";
}

export const functions: readonly FunctionDeclaration[] = [
  {
    handler: "collect/events",
    needs: ["keys:check", "log:append", "profiles:put", "suppressions:read"],
    memoryMb: 1024,
    timeoutSeconds: 29,
  },
  { handler: "collect/sdk-settings", needs: ["keys:check"], memoryMb: 256, timeoutSeconds: 10 },
  { handler: "collect/social", needs: ["log:append", "suppressions:read"], memoryMb: 512, timeoutSeconds: 29 },
  {
    handler: "collect/uploads",
    needs: [
      "keys:check",
      "uploads:read",
      "uploads:write",
      "objects:write",
      "objects:upload-url",
      "jobs:process-upload",
    ],
    memoryMb: 1024,
    timeoutSeconds: 29,
  },
  {
    handler: "collect/upload-content",
    needs: ["uploads:read", "uploads:write", "objects:write"],
    memoryMb: 512,
    timeoutSeconds: 900,
  },
  {
    handler: "collect/process-upload",
    needs: [
      "log:append",
      "uploads:read",
      "uploads:write",
      "objects:read",
      "objects:write",
      "order-book:write",
      "jobs:process-upload",
      "suppressions:read",
    ],
    memoryMb: 1769,
    timeoutSeconds: 900,
  },
  // No route and no event starts it: an operator does, and again until it is done (docs/operations.md).
  {
    handler: "collect/replay-quarantined",
    needs: [
      "log:append",
      "profiles:put",
      "ledger:read",
      "quarantine:read",
      "quarantine:put",
      "objects:read",
      "objects:write",
      "uploads:read",
      "uploads:write",
      "jobs:process-upload",
      "suppressions:read",
    ],
    memoryMb: 1024,
    timeoutSeconds: 900,
  },
  {
    handler: "collect/load-source",
    needs: [
      "log:append",
      "profiles:put",
      "order-book:write",
      "uploads:read",
      "uploads:write",
      "objects:read",
      "objects:write",
      "jobs:process-upload",
      "jobs:load-source",
      "suppressions:read",
      "sources:write",
      "source-tables:write",
    ],
    memoryMb: 1024,
    timeoutSeconds: 900,
    each: "source",
  },
  {
    handler: "score/fold-orders",
    needs: ["customers:read", "customers:write", "quarantine:put", "suppressions:read"],
    memoryMb: 1024,
    timeoutSeconds: 60,
  },
  {
    handler: "land/transform-records",
    needs: ["quarantine:put", "suppressions:read"],
    memoryMb: 512,
    timeoutSeconds: 300,
  },
  {
    handler: "land/quarantine-failed",
    needs: ["lake-failures:read", "quarantine:put"],
    memoryMb: 1024,
    timeoutSeconds: 900,
  },
  {
    handler: "serve/customer",
    needs: ["keys:check", "customers:read", "scores:read", "suppressions:read"],
    memoryMb: 512,
    timeoutSeconds: 10,
  },
  {
    handler: "model/run-model",
    needs: [
      "customers:read",
      "customers:scan",
      "customers:write",
      "scores:write",
      "runs:read",
      "runs:write",
      "arrivals:read",
      "runner:run",
      "documents:read",
      "documents:write",
    ],
    // A fit holds the features of a million customers as doubles.
    memoryMb: 4096,
    timeoutSeconds: 900,
  },
  { handler: "model/keep-up-tables", needs: ["runner:run"], memoryMb: 512, timeoutSeconds: 900 },
  {
    handler: "serve/sales",
    needs: ["keys:check", "runs:read", "queries:read", "suppressions:read"],
    memoryMb: 512,
    timeoutSeconds: 29,
  },
  {
    handler: "serve/products",
    needs: ["keys:check", "runs:read", "queries:read", "suppressions:read"],
    memoryMb: 512,
    timeoutSeconds: 29,
  },
  {
    handler: "serve/customers",
    needs: ["keys:check", "runs:read", "queries:read", "suppressions:read"],
    memoryMb: 1024,
    timeoutSeconds: 29,
  },
  {
    handler: "serve/customer-timeline",
    needs: ["keys:check", "runs:read", "queries:read", "suppressions:read"],
    memoryMb: 512,
    timeoutSeconds: 29,
  },
  {
    handler: "serve/segments",
    needs: ["keys:check", "runs:read", "queries:read", "suppressions:read"],
    memoryMb: 512,
    timeoutSeconds: 29,
  },
  {
    handler: "serve/quality",
    needs: ["keys:check", "runs:read", "queries:read", "suppressions:read"],
    memoryMb: 512,
    timeoutSeconds: 29,
  },
  { handler: "serve/catalogue", needs: ["keys:check"], memoryMb: 512, timeoutSeconds: 10 },
  {
    handler: "serve/churn",
    needs: ["keys:check", "runs:read", "queries:read", "documents:read", "suppressions:read"],
    memoryMb: 512,
    timeoutSeconds: 29,
  },
  { handler: "serve/model", needs: ["keys:check", "documents:read"], memoryMb: 512, timeoutSeconds: 10 },
  { handler: "serve/pipeline", needs: ["keys:check", "metrics:read"], memoryMb: 512, timeoutSeconds: 29 },
  { handler: "serve/runs", needs: ["keys:check", "runs:read"], memoryMb: 512, timeoutSeconds: 10 },
  {
    handler: "serve/ledger",
    needs: ["keys:check", "ledger:read", "uploads:read"],
    memoryMb: 512,
    timeoutSeconds: 10,
  },
  { handler: "serve/quarantine", needs: ["keys:check", "quarantine:read"], memoryMb: 512, timeoutSeconds: 29 },
  { handler: "serve/openapi", needs: [], memoryMb: 256, timeoutSeconds: 10 },
  { handler: "serve/health", needs: ["customers:read"], memoryMb: 256, timeoutSeconds: 10 },
  {
    handler: "serve/customer-export",
    needs: ["keys:check", "suppressions:read", "profiles:read", "customers:read", "scores:read", "queries:read"],
    memoryMb: 1024,
    timeoutSeconds: 29,
  },
  {
    handler: "serve/erase-customers",
    needs: [
      "suppressions:write",
      "erasures:write",
      "arrivals:read",
      "runs:write",
      "runner:run",
      "queries:read",
      "customers:erase",
      "profiles:erase",
      "order-book:erase",
      "quarantine:erase",
    ],
    memoryMb: 1024,
    timeoutSeconds: 900,
  },
  {
    handler: "serve/erasures",
    needs: ["keys:check", "suppressions:write", "erasures:write", "profiles:read", "jobs:erase"],
    memoryMb: 512,
    timeoutSeconds: 29,
  },
];

/** Headers of answers that a page of another origin may read: what its reader needs to go on. */
export const exposedHeaders = ["content-disposition", "etag", "link", "location", "retry-after", "x-next-cursor"];

const segment = ["track", "identify", "page", "screen", "group", "alias", "batch", "import"];
const segmentBrowser = ["t", "i", "p", "s", "g", "a", "b"];

export const routes: readonly Route[] = [
  ...[...segment, ...segmentBrowser].map((call): Route => ({
    method: "POST",
    path: `/v1/${call}`,
    handler: "collect/events",
    auth: ["write"],
  })),
  // Segment's browser SDK reports counts of its own calls here, without a key; they are answered and not kept.
  { method: "POST", path: "/v1/m", handler: "collect/events", auth: "none" },
  { method: "POST", path: "/beacon/v1/batch", handler: "collect/events", auth: ["write"] },
  { method: "POST", path: "/api/s/{type}", handler: "collect/events", auth: ["write"] },
  { method: "POST", path: "/api/s/s2s/{type}", handler: "collect/events", auth: ["write"] },
  { method: "GET", path: "/v1/projects/{key}/settings", handler: "collect/sdk-settings", auth: "none" },
  { method: "GET", path: "/sourceConfig", handler: "collect/sdk-settings", auth: "none" },
  { method: "GET", path: "/sourceConfig/", handler: "collect/sdk-settings", auth: "none" },
  // Twitter's challenge-response check of a webhook.
  { method: "GET", path: "/v1/social/{platform}", handler: "collect/social", auth: "none" },
  { method: "POST", path: "/v1/social/{platform}", handler: "collect/social", auth: "hook-signature" },
  { method: "POST", path: "/v1/uploads", handler: "collect/uploads", auth: ["write"] },
  { method: "GET", path: "/v1/uploads", handler: "collect/uploads", auth: ["read:operations", "write"] },
  { method: "GET", path: "/v1/uploads/{id}", handler: "collect/uploads", auth: ["read:operations", "write"] },
  {
    method: "PUT",
    path: "/v1/uploads/{id}/content",
    handler: "collect/upload-content",
    auth: "upload-url",
    only: "embedded",
    bodyBytes: 5_000_000_000,
  },
  { method: "GET", path: "/v1/quarantine", handler: "serve/quarantine", auth: ["read:operations"] },
  { method: "GET", path: "/v1/ledger", handler: "serve/ledger", auth: ["read:operations"] },
  { method: "GET", path: "/v1/ledger/{id}", handler: "serve/ledger", auth: ["read:operations"] },
  { method: "GET", path: "/v1/customers/{id}", handler: "serve/customer", auth: ["read:customers"] },
  { method: "GET", path: "/v1/customers/{id}/timeline", handler: "serve/customer-timeline", auth: ["read:customers"] },
  { method: "GET", path: "/v1/customers/{id}/export", handler: "serve/customer-export", auth: ["export"] },
  { method: "DELETE", path: "/v1/customers/{id}", handler: "serve/erasures", auth: ["erase"] },
  { method: "DELETE", path: "/v1/customers/{id}/suppression", handler: "serve/erasures", auth: ["erase"] },
  { method: "POST", path: "/v1/erasures", handler: "serve/erasures", auth: ["erase"] },
  { method: "GET", path: "/v1/erasures", handler: "serve/erasures", auth: ["erase"] },
  { method: "GET", path: "/v1/erasures/{id}", handler: "serve/erasures", auth: ["erase"] },
  { method: "GET", path: "/v1/customers", handler: "serve/customers", auth: ["read:customers"] },
  { method: "GET", path: "/v1/segments", handler: "serve/segments", auth: ["read:analytics"] },
  { method: "GET", path: "/v1/segments/{name}/customers", handler: "serve/customers", auth: ["read:customers"] },
  { method: "GET", path: "/v1/sales", handler: "serve/sales", auth: ["read:analytics"] },
  { method: "GET", path: "/v1/products", handler: "serve/products", auth: ["read:analytics"] },
  { method: "GET", path: "/v1/churn", handler: "serve/churn", auth: ["read:analytics"] },
  { method: "GET", path: "/v1/models/current", handler: "serve/model", auth: ["read:analytics"] },
  { method: "GET", path: "/v1/quality", handler: "serve/quality", auth: ["read:operations"] },
  { method: "GET", path: "/v1/catalogue", handler: "serve/catalogue", auth: ["read:operations", "read:analytics"] },
  { method: "GET", path: "/v1/pipeline", handler: "serve/pipeline", auth: ["read:operations"] },
  { method: "GET", path: "/v1/runs", handler: "serve/runs", auth: ["read:operations"] },
  { method: "GET", path: "/v1/runs/{id}", handler: "serve/runs", auth: ["read:operations"] },
  { method: "GET", path: "/v1/openapi.json", handler: "serve/openapi", auth: "none" },
  { method: "GET", path: "/v1/docs", handler: "serve/openapi", auth: "none" },
  // For Prometheus; CloudWatch has these figures in AWS.
  { method: "GET", path: "/metrics", handler: "serve/metrics", auth: ["read:operations"], only: "embedded" },
  { method: "GET", path: "/healthz", handler: "serve/health", auth: "none" },
  { method: "GET", path: "/v1/health", handler: "serve/health", auth: "none" },
  { method: "GET", path: "/v1/ready", handler: "serve/health", auth: "none" },
];

/** Kinesis → Lambda: no window (freshness), finite retries and age, bisect; `ReportBatchItemFailures` always. */
export const scoreConsumer: StreamConsumer = {
  name: "score",
  handler: "score/fold-orders",
  batchSize: 100,
  windowSeconds: 0,
  parallelizationFactor: 4,
  maximumRetryAttempts: 20,
  maximumRecordAgeSeconds: 6 * 86_400,
  bisectBatchOnFunctionError: true,
  startingPosition: "TRIM_HORIZON",
};

/** Kinesis → Firehose → Parquet: 64 MB is the least that record conversion takes. */
export const landConsumer: LandConsumer = {
  name: "land",
  handler: "land/transform-records",
  bufferMb: 64,
  bufferSeconds: 60,
  prefix: "raw_events/dt=!{timestamp:yyyy-MM-dd}/hour=!{timestamp:HH}/",
  compression: "SNAPPY",
};

/** Two retries are the most that Lambda's asynchronous invocation takes. Spools lie beside the originals: no start. */
export const uploadJob: Job = {
  name: "process-upload",
  handler: "collect/process-upload",
  maximumRetryAttempts: 2,
  startedBy: { prefix: "uploads/", suffix: "/content" },
};

/**
 * What Firehose could not transform or convert lies under this prefix of the lake's bucket until it expires. In AWS alone:
 * on one machine the lake writer quarantines it itself.
 */
export const failedRecordsJob: Job = {
  name: "quarantine-failed",
  handler: "land/quarantine-failed",
  maximumRetryAttempts: 2,
  startedBy: { prefix: "failed/" },
};

/** The batch run. Its as-of date is the day on which it begins; one that was started twice is one run (`RunStore.lock`). */
export const dailyRun: Schedule = {
  name: "daily-run",
  handler: "model/run-model",
  at: "03:00",
  maximumRetryAttempts: 5,
  maximumEventAgeSeconds: 6 * 3600,
  executionTimeoutSeconds: 20 * 3600,
};

/** Joins small files of the Iceberg tables and forgets old snapshots. On one machine every write leaves whole files. */
export const weeklyUpkeep: Schedule = {
  name: "weekly-upkeep",
  handler: "model/keep-up-tables",
  at: "14:00",
  onDay: "SUN",
  maximumRetryAttempts: 2,
  maximumEventAgeSeconds: 6 * 3600,
  executionTimeoutSeconds: 12 * 3600,
  only: "aws",
};

export const schedules: readonly Schedule[] = [dailyRun, weeklyUpkeep];
