/**
 * What the connectors need of the world: a reader of one source's rows, a memory of where each source stands, and the
 * lake's tables that sources fill. Values of rows travel as the text in which their database writes them: nothing is
 * rounded on the way.
 */

/** Text of a value, UTC where it is an instant; null where there is none. */
export type Cell = string | null;
export type Row = readonly Cell[];

/** Types of columns of the lake that a source fills. A timestamp is UTC without a zone, to the microsecond. */
export type SourceType =
  "string" | "int" | "bigint" | "double" | "boolean" | "timestamp" | "date" | `decimal(${number},${number})`;

/** A field as its source declares it. */
export interface SourceField {
  readonly name: string;
  /** In the source's own words, such as `numeric(12,2)`. */
  readonly type: string;
  readonly lake: SourceType;
}

export const sourceProblems = [
  "access",
  "secret",
  "tls",
  "unreachable",
  "no_table",
  "no_field",
  "type_changed",
  "not_unique",
  "bad_value",
  "unsupported",
  "job",
] as const;
export type SourceProblemCode = (typeof sourceProblems)[number];

/** Why a source cannot be read. The message names the source and, where one is at fault, the field; never a value. */
export class SourceProblem extends Error {
  override readonly name = "SourceProblem";
  readonly code: SourceProblemCode;
  readonly source: string;
  readonly field: string | undefined;

  constructor(
    code: SourceProblemCode,
    source: string,
    message: string,
    options: { readonly field?: string | undefined; readonly cause?: unknown } = {},
  ) {
    super(`Source "${source}": ${message}`, { cause: options.cause });
    this.code = code;
    this.source = source;
    this.field = options.field;
  }

  /** A lost connection: the load goes on where it stopped when it is tried again. */
  get mayRetry(): boolean {
    return this.code === "unreachable";
  }
}

/** What a load reads is still being made, by a job that wakes the load when it ends. */
export class SourceWaiting extends Error {
  override readonly name = "SourceWaiting";
}

/** A commit has begun a statement that takes longer than the call has: it runs on, and the next call waits for it. */
export class StatementUnderWay extends Error {
  override readonly name = "StatementUnderWay";
}

// ── reading ────────────────────────────────────────────────────────────────────────────────────────────────────────

/** Rows that are read together: fields of one table or query, in the order of its key. */
export interface ReadPlan {
  /** Schema and table, or a SELECT. */
  readonly from: { readonly table: string } | { readonly query: string };
  readonly fields: readonly string[];
  readonly key: readonly string[];
  /** Rows are read by it first where it is given, and only those from `since` on. */
  readonly watermark?: string | undefined;
  /** Zone of times that carry none: an IANA name for PostgreSQL, an offset for MySQL. UTC where absent. */
  readonly timezone?: string | undefined;
}

/** Where a page begins: after the row with these values of watermark and key. Rows without a watermark come first. */
export interface Position {
  readonly watermark?: Cell;
  readonly key: readonly string[];
}

export interface Page {
  readonly since?: string | undefined;
  readonly after?: Position | undefined;
  readonly limit: number;
  /** Whose rows they are: what a reader has made for a load it finds again. */
  readonly loadId?: string;
}

/** Where a page ended that is not in the order of a key. */
export interface PageEnd {
  /** The next page begins here: opaque to whoever keeps it. */
  readonly after: Position;
  /** There is nothing more. */
  readonly complete: boolean;
  /** Items of the page that belong to something else: without the declared key, or beside what was asked for. */
  readonly passed: number;
}

/** Rows of a page; nothing is asked for before they are. */
export interface PageRows extends AsyncIterable<readonly Row[]> {
  /**
   * Instead of the rows, where their database has it cheaper: their text, in pieces that end anywhere. A line a row with
   * its break, tabs between cells, `\N` for null, quotes (doubled within) round a cell with a quote, a tab or a line
   * break, and round the text `\N`. Times are days of the calendar, or words.
   */
  readonly asText?: () => AsyncIterable<Buffer>;
}

/** Looks at one moment of a database: what others commit after `begin` is not seen. */
export interface RowReader {
  /** @throws SourceProblem that names a table or field that is not there */
  describe(plan: ReadPlan): Promise<readonly SourceField[]>;
  /** Begins the look; answers the database's clock in the form of the watermark, where that is a time. */
  begin(plan: ReadPlan): Promise<{ readonly clock?: string }>;
  /**
   * `watermark` less the overlap, in seconds for a time and in units for a number. `undefined` where what followed it is
   * no longer to be had: everything is read.
   */
  before(plan: ReadPlan, watermark: string, overlap: number): Promise<string | undefined>;
  /** Of readers that have others make what a page is read from. @throws SourceWaiting until it is there */
  prepare?(plan: ReadPlan, page: Page): Promise<void>;
  /** Rows of a page as they arrive, with a bounded number in memory. */
  page(plan: ReadPlan, page: Page): PageRows;
  /** Of pages whose rows have no order: how the one that was read last ended. Others go on behind their last row. */
  pageEnd?(): PageEnd | undefined;
  /** Rows whose `field` is one of `values`. */
  rowsOf(plan: ReadPlan, field: string, values: readonly string[]): AsyncIterable<readonly Row[]>;
  /** Forgets what was made for a load. */
  discard?(loadId: string): Promise<void>;
  close(): Promise<void>;
}

/** An object that others write. */
export interface SourceObject {
  readonly key: string;
  readonly bytes: number;
  /** Another one where its content is another: an ETag, or the time and size of a file. */
  readonly version: string;
  readonly modifiedAtMs: number;
}

/** A bucket, or a folder, that others write to: it is read and nothing else. */
export interface SourceObjects {
  /** Each key once, in any order. */
  list(prefix: string): AsyncIterable<SourceObject>;
  /** @throws ObjectNotFound */
  read(key: string): Promise<AsyncIterable<Uint8Array>>;
}

/** A file that says of itself that it is Parquet and cannot be read as such. */
export class ParquetUnreadable extends Error {
  override readonly name = "ParquetUnreadable";
}

// ── where each source stands ───────────────────────────────────────────────────────────────────────────────────────

export interface SourceCounts {
  /** Rows that were read; those that a resumed load reads again count again. */
  readonly read: number;
  /** Events that were appended to the log, and rows that went to quarantine. */
  readonly events: number;
  readonly quarantined: number;
  /** Items that belong to something else, where a table holds more than one kind. */
  readonly passed?: number;
  /** Values that no calendar or number type holds (zero dates, infinity) and that are null in the lake, by field. */
  readonly nulled: Readonly<Record<string, number>>;
}

/** A load that is under way, or stopped half-way. */
export interface LoadUnderWay {
  readonly loadId: string;
  /** Digest of the declaration that it began with: another one begins anew. */
  readonly plan: string;
  readonly startedAtMs: number;
  readonly attempts: number;
  /** Everything is read and staged; what is left is the commit. */
  readonly complete?: boolean;
  /** Of the commit, the keys that exist are staged. */
  readonly keysStaged?: boolean;
  /** Of the commit, the log was told which rows are gone: events. */
  readonly removed?: number;
  /** The database's clock when the load first looked. */
  readonly clock?: string | undefined;
  readonly since?: string | undefined;
  readonly after?: Position | undefined;
  /** The highest watermark seen. */
  readonly seen?: string | undefined;
  /** Parts that are staged; the next one has this number. */
  readonly parts: number;
  readonly counts: SourceCounts;
}

export interface LoadEnd {
  readonly loadId: string;
  readonly startedAtMs: number;
  readonly endedAtMs: number;
  readonly attempts: number;
  readonly outcome: "loaded" | "failed";
  readonly counts: SourceCounts;
  readonly tables?: readonly CommittedTable[];
  readonly problem?: { readonly code: string; readonly message: string; readonly field?: string | undefined };
  /** Of a prefix of objects. */
  readonly objects?: LoadedObjects;
}

export interface LoadedObjects {
  readonly taken: number;
  /** Taken, or failed, by a load before. */
  readonly before: number;
  /** Too young to be whole, or changed while they were read: the next load looks again. */
  readonly young: number;
  /** Handed on, but not at their end when the load had waited long enough. */
  readonly unfinished: number;
  readonly failed: number;
  /** The first ones, by key. */
  readonly failures: readonly { readonly key: string; readonly message: string }[];
}

export interface SourceState {
  readonly name: string;
  /** Loads that came to their end; events of a load that did not are sent again under the same one. */
  readonly generation: number;
  /** Digest of the declaration that it was last loaded with: under another one everything is read again. */
  readonly plan?: string;
  readonly watermark?: string | undefined;
  /** What the fields were when the table was first loaded: another type stops the load until it is accepted. */
  readonly fields?: readonly SourceField[];
  readonly underWay?: LoadUnderWay | undefined;
  readonly loadedAtMs?: number;
}

export interface SourceStore {
  get(name: string): Promise<SourceState | undefined>;
  put(state: SourceState): Promise<void>;
  /** Takes or renews the right to load for `leaseMs`; false when another has it. 0 gives it back. */
  lease(name: string, owner: string, leaseMs: number, nowMs: number): Promise<boolean>;
  ended(name: string, end: LoadEnd): Promise<void>;
  /** Newest first. */
  ends(name: string, limit: number): Promise<readonly LoadEnd[]>;
}

// ── tables of the lake ─────────────────────────────────────────────────────────────────────────────────────────────

export interface SourceTable {
  /** As SQL names it: `source_…`. */
  readonly name: string;
  readonly columns: readonly { readonly name: string; readonly type: SourceType }[];
  /** Columns that identify a row. */
  readonly key: readonly string[];
  /** Staged rows have one more cell: "true" where the source marks the row as deleted. */
  readonly marksDeleted?: boolean;
}

/** What a load leaves: readers see all of it or nothing. */
export interface SourceCommit {
  /** For messages. */
  readonly source: string;
  readonly loadId: string;
  /** `snapshot`: what was staged is all there is. `merge`: it goes over what is there by key. */
  readonly mode: "snapshot" | "merge";
  readonly table: SourceTable;
  /** Every key that exists was staged with `stageKeys`: rows of the table without theirs are deleted. */
  readonly keysStaged: boolean;
  /** A table of parts of the rows: those of a row whose key is in `parent` come and go with it. */
  readonly lines?: { readonly table: SourceTable; readonly parent: string; readonly parentKey: string } | undefined;
}

export interface CommittedTable {
  readonly name: string;
  readonly rows: number;
  readonly inserted: number;
  readonly updated: number;
  readonly deleted: number;
  readonly unchanged: number;
  /** What it holds now; absent where the load changed nothing. */
  readonly columns?: readonly HeldColumn[];
}

export interface HeldColumn {
  readonly name: string;
  /** Of all rows, 0 to 1. */
  readonly missing: number;
  /** Of numbers that are no part of the key, with their standard deviation (n − 1). */
  readonly mean?: number;
  readonly sd?: number;
}

export interface SourceTables {
  /** Makes a part of the rows of a table durable, in the order of its columns; the same part again replaces it. */
  stage(loadId: string, table: SourceTable, part: number, rows: AsyncIterable<readonly Row[]>): Promise<number>;
  /**
   * As `stage`, of rows that are in the text of `PageRows` already; each piece stands until the next is asked for. Cheaper where
   * text is what is staged, and absent elsewhere: rows then come by `stage`, and the table is the same.
   */
  stageText?(loadId: string, table: SourceTable, part: number, text: AsyncIterable<Buffer>): Promise<void>;
  /** Keys that exist, for `keysStaged`. */
  stageKeys(loadId: string, table: SourceTable, rows: AsyncIterable<readonly Row[]>): Promise<number>;
  /**
   * Parts below this number are not staged again: what the commit makes of them may be made from now on, beside what the load
   * goes on with. Answers at once.
   */
  settled?(commit: SourceCommit, parts: number): void;
  /** The load stops for now, its parts stay: what `settled` began comes to its end. */
  stopped?(loadId: string): Promise<void>;
  /**
   * Rows that the commit will take away, of the columns asked for.
   * @param remainingMs how long it may take; without an end where absent
   * @throws SourceProblem `not_unique`, StatementUnderWay
   */
  removed(commit: SourceCommit, columns: readonly string[], remainingMs?: () => number): AsyncIterable<readonly Row[]>;
  /**
   * What is staged must stay as it is from the first call on until one comes to its end.
   * @throws SourceProblem `not_unique`, `bad_value`; StatementUnderWay
   */
  commit(commit: SourceCommit, remainingMs?: () => number): Promise<readonly CommittedTable[]>;
  /** Forgets what was staged. */
  discard(loadId: string): Promise<void>;
}
