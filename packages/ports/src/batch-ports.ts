/**
 * What a batch run needs of the world besides the ports of the stream: somewhere to run SQL over the whole history,
 * a memory of the steps that are done, and a trail of the runs.
 */
import type { BatchParameters, BatchTable } from "@ebb/lake/batch-table";
import type { ScalarType } from "@ebb/lake/columns";
import type { Dialect } from "@ebb/lake/dialect";

// ── jobs over the lake ─────────────────────────────────────────────────────────────────────────────────────────────

/** One table written by its own SQL. Writing it again with the same input gives the same rows. */
export interface TableWrite {
  readonly table: BatchTable;
  readonly parameters: BatchParameters;
}

/** Rows of a SELECT, kept as Parquet under a key of the object store for `readColumns`. */
export interface TableExport {
  /** Names the export within its job. */
  readonly name: string;
  readonly sql: (dialect: Dialect) => string;
}

/** Rows that a run computed itself, for the SQL of its job: objects of JSON Lines as a relation of this name. */
export interface TableImport {
  readonly name: string;
  /** A field that a line lacks is NULL. */
  readonly columns: Readonly<Record<string, ScalarType>>;
  /** None is an empty relation. */
  readonly objectKeys: readonly string[];
}

export interface BatchJob {
  readonly name: string;
  /** Only writes of the `spark` engine may read them. */
  readonly imports?: readonly TableImport[];
  /** In order; each may read what those before it wrote. Readers see a table before or after its write, never between. */
  readonly writes: readonly TableWrite[];
  readonly exports?: readonly TableExport[];
  /** Rows of erased people, deleted with their bytes. Where files are rewritten by hand (on one machine) it is refused. */
  readonly erase?: readonly { readonly table: string; readonly column: string; readonly keys: readonly string[] }[];
  /**
   * People of whom the files of raw events are to say only that something came; of `shared`, visitors who are somebody else
   * too, only what they did without a name. On one machine refused, like `erase`.
   */
  readonly eraseRaw?: { readonly keys: readonly string[]; readonly shared: readonly string[] };
  /** Tables whose small files are joined and whose old snapshots are forgotten, where the home's tables have such. */
  readonly upkeep?: readonly string[];
}

export type JobState =
  | { readonly state: "running" }
  | {
      readonly state: "succeeded";
      /** Rows written by table, and the files they lie in. */
      readonly written: Readonly<Record<string, { readonly rows: number; readonly files: number }>>;
      /** Where the exports lie, by name. */
      readonly exports: Readonly<Record<string, string>>;
      /** Bytes read, vCPU seconds and the like, where the engine tells. */
      readonly usage?: Readonly<Record<string, number>>;
    }
  | { readonly state: "failed"; readonly reason: string; readonly mayRetry: boolean };

/** A column of an export. Numbers (NaN = NULL) of any SQL number type, text (undefined = NULL) of the others. */
export type ExportedColumn = Float64Array | readonly (string | undefined)[];

export interface JobRunner {
  /**
   * Starts a job, once per token: the same token again answers with the same id, whatever became of the first call.
   * @throws TransientError
   */
  start(job: BatchJob, token: string): Promise<string>;
  /** @throws TransientError */
  state(jobId: string): Promise<JobState>;
  /** Those of the tables that no job has written. @throws TransientError */
  unwritten(tables: readonly string[]): Promise<string[]>;
  /** Whole columns of an export, in the order of its rows. */
  readColumns(exportKey: string, columns: readonly string[]): Promise<Record<string, ExportedColumn>>;
}

// ── settings ───────────────────────────────────────────────────────────────────────────────────────────────────────

/** How runs score and decide; what is absent has its default. Money in minor units of the reporting currency. */
export interface ModelSettings {
  /** Days without an order that count as leaving; 90. */
  readonly horizonDays?: number | undefined;
  /** What it costs to contact a customer; 100. */
  readonly contactCostMinor?: number | undefined;
  /** Share of leaving customers whom a contact keeps; 0.1. An assumption until a control group has measured it. */
  readonly saveRate?: number | undefined;
  /** Share of net money that is profit; 0.3. */
  readonly margin?: number | undefined;
  /** A team's own cut points, map, money and window: a `SegmentConfiguration`, checked when a run reads it. */
  readonly segments?: unknown;
}

// ── what the lake holds ────────────────────────────────────────────────────────────────────────────────────────────

/** Whether landing has caught up with the log. */
export interface Arrivals {
  /**
   * Events that were appended before an instant and are not in `raw_events` yet: 0 when every appended receipt number
   * has landed. On one machine it first has landed what the log holds.
   * @throws TransientError
   */
  missing(appendedBeforeMs: number): Promise<number>;
}

// ── workflow ───────────────────────────────────────────────────────────────────────────────────────────────────────

/**
 * Code that runs for hours in pieces of minutes: what a step answered is remembered, and after a crash or a wait the
 * code runs again from the top with the steps that are done answering from memory. Steps must be safe to repeat:
 * one that crashed before its answer was kept runs again.
 */
export interface WorkflowContext {
  /** Runs `work` unless it is done already. The answer is JSON, at most 200 KB: larger results go to the object store. */
  step<T>(name: string, work: () => Promise<T>): Promise<T>;
  /**
   * Looks until there is an answer, which is JSON too. In AWS every `everySeconds`, and nothing runs, and nothing is paid,
   * between two looks; on one machine, where a look costs nothing, sooner.
   */
  waitFor<T>(name: string, everySeconds: number, look: () => Promise<T | undefined>): Promise<T>;
}

// ── trail of the runs ──────────────────────────────────────────────────────────────────────────────────────────────

export interface RunStep {
  readonly name: string;
  readonly state: "running" | "done" | "failed";
  readonly startedAtMs: number;
  readonly endedAtMs?: number;
  /** Figures worth telling: rows, files, drift, AUC. No personal data. */
  readonly figures?: Readonly<Record<string, number | string>>;
  readonly reason?: string;
}

export interface Run {
  /** The as-of date `YYYY-MM-DD`, with `-2`, `-3`, … for a run of the same day that was asked for again. */
  readonly runId: string;
  /** `YYYY-MM-DD`: nothing from this day's midnight (UTC) on is known to the run. */
  readonly asOf: string;
  readonly horizonDays: number;
  readonly state: "running" | "succeeded" | "failed";
  readonly startedBy: "schedule" | "command" | "api";
  readonly startedAtMs: number;
  readonly endedAtMs?: number;
  readonly steps: readonly RunStep[];
  /** Why it failed, or why it has no churn model. */
  readonly reason?: string;
}

export interface RunStore {
  /** Takes the right to run: false while another run of any day holds it. The holder may take it again. */
  lock(runId: string, nowMs: number, leaseMs: number): Promise<boolean>;
  unlock(runId: string): Promise<void>;
  put(run: Run): Promise<void>;
  get(runId: string): Promise<Run | undefined>;
  /** Newest first. */
  list(query: { limit: number; cursor?: string | undefined }): Promise<{ runs: Run[]; cursor?: string }>;
}

// ── what a run leaves in the customer store ────────────────────────────────────────────────────────────────────────

/** Written by a run alone, in an item of its own, so that it never fights the stream. */
export interface CustomerScores {
  readonly customerKey: string;
  readonly runId: string;
  /** RFC 3339: what the scores knew. */
  readonly asOf: string;
  readonly segment: string;
  readonly cluster?: string;
  /** Probability of no net-positive order within the horizon after `asOf`, 0 to 1. */
  readonly churnProbability?: number;
  /** 1 = the tenth most likely to leave. */
  readonly churnDecile?: number;
  /** At most three, the largest first: the feature and its part of the log-odds, against the average customer. */
  readonly drivers?: readonly {
    readonly feature: string;
    readonly logOdds: number;
    /** Follows "This customer …". */
    readonly inWords?: string;
  }[];
  /** Of the churn probability and of the expected value. */
  readonly horizonDays?: number;
  /** Expected net money within the horizon, reporting minor units. */
  readonly expectedValueMinor?: number;
  readonly probabilityActive?: number;
}

/** Scores as stores keep them: a run writes those of every customer, and no store looks into them. */
export interface ScoresDocument {
  readonly customerKey: string;
  /** The JSON of a `CustomerScores`. */
  readonly document: string;
}

export interface ScoreStore {
  /** Replaces the scores of these customers. Idempotent. @throws TransientError */
  putScores(scores: readonly ScoresDocument[]): Promise<void>;
  scores(customerKey: string): Promise<CustomerScores | undefined>;
}

/** What a batch run touches besides the other ports, and what of it is served. */
export interface BatchPorts {
  readonly runner: JobRunner;
  readonly arrivals: Arrivals;
  readonly runs: RunStore;
  readonly scores: ScoreStore;
}
