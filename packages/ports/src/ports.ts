/**
 * What the program needs of the world. Few and small; each has an `aws` and an `embedded` adapter, and one contract
 * suite in `contracts/` that both pass. Nothing here names a service.
 */
import type { CustomerAggregate, CustomerTotals } from "@ebb/core/customers";
import type { CustomerKey, ReceiptId } from "@ebb/core/ids";
import type { OrderKey, OrderRecord } from "@ebb/core/orders";
import type { RateTable } from "@ebb/core/money";
import type { CutPoints } from "@ebb/core/rfm";
import type { QualityLimit } from "@ebb/core/quality-limits";
import type { Refusal } from "@ebb/core/reasons";
import type { Scope } from "@ebb/core/scopes";
import type { Pseudonymizer } from "@ebb/core/ids";
import type { Dialect } from "@ebb/lake/dialect";
import type { BatchPorts, ModelSettings } from "./batch-ports.ts";
import type { ErasureWorkPorts } from "./erasure-ports.ts";
import type { MetricName } from "./metric-names.ts";

/** Throttling, a timeout, a lost connection: the same call may succeed later. Everything else is a bug or bad input. */
export class TransientError extends Error {
  override readonly name = "TransientError";
}

/** A list's cursor that was not handed out for that list: the client's mistake. */
export class InvalidCursor extends Error {
  override readonly name = "InvalidCursor";
}

// ── event log ──────────────────────────────────────────────────────────────────────────────────────────────────────

/** An event as it will travel: serialised once, at the front door. */
export interface EncodedEvent {
  readonly eventId: string;
  /** Events with the same key keep to one bucket: customer key, else anonymous key, else event id. */
  readonly partitionKey: string;
  /** JSON of a StreamEvent, one line, UTF-8. */
  readonly json: string;
}

/** A refused event or row, whole. */
export interface QuarantinedItem extends Refusal {
  readonly receiptId: ReceiptId;
  /** Row number in the file (the header is row 1), or index in the batch from 0. */
  readonly rowNumber: number;
  readonly source: string;
  /** The original bytes. */
  readonly original: Uint8Array;
  readonly schemaVersion: number;
  /** Epoch milliseconds. */
  readonly quarantinedAtMs: number;
  /** What became of it when it was sent again; absent while it never was. */
  readonly replayed?: Replayed;
}

export interface Replayed {
  /** The line of the ledger under which it was sent again. */
  readonly receiptId: ReceiptId;
  /** A refused one is in quarantine anew, under that receipt. */
  readonly outcome: "appended" | "refused";
  readonly atMs: number;
}
export type ReplayMark = Pick<QuarantinedItem, "receiptId" | "rowNumber"> & { readonly replayed: Replayed };

/** One line of the ledger. received = appended + quarantined, always. */
export interface ReceiptPart {
  readonly receiptId: ReceiptId;
  /** Uploads commit in parts; a request is part 0. Committing a part again changes nothing and answers as the first time. */
  readonly part: number;
  readonly channel: "http" | "social" | "upload" | "source";
  readonly source: string;
  /** Events (http, social) or rows (upload) that arrived. */
  readonly received: number;
  readonly quarantined: number;
  readonly receivedAtMs: number;
}

export interface Appended {
  /** Events of this part that are durable now, those already on the log included: appended = accepted + duplicate. */
  readonly appended: number;
  /**
   * Ids of the events that were already on the log. `undefined` where the log cannot know at once (Kinesis): they are
   * settled when the day is curated.
   */
  readonly duplicates: readonly string[] | undefined;
}

export interface EventLog {
  /**
   * Makes one part durable, whole: its events, its quarantined items and its ledger line. When it resolves nothing of
   * it can be lost; when it rejects the caller must not acknowledge, and may try again.
   * @throws TransientError
   */
  append(
    part: ReceiptPart,
    events: readonly EncodedEvent[],
    quarantined: readonly QuarantinedItem[],
  ): Promise<Appended>;
}

// ── ledger and quarantine, read side ───────────────────────────────────────────────────────────────────────────────

export interface LedgerLine {
  readonly receiptId: ReceiptId;
  readonly channel: ReceiptPart["channel"];
  readonly source: string;
  readonly received: number;
  readonly appended: number;
  readonly quarantined: number;
  /** Settled: appended = accepted + duplicate. Absent while unsettled. */
  readonly accepted?: number;
  readonly duplicate?: number;
  readonly receivedAtMs: number;
}

export interface Ledger {
  /** Sum over the parts of one receipt. */
  read(receiptId: ReceiptId): Promise<LedgerLine | undefined>;
  /** Newest first. */
  list(query: { limit: number; cursor?: string | undefined }): Promise<{ lines: LedgerLine[]; cursor?: string }>;
}

export interface Quarantine {
  /** Writes outside an append: a stream record that cannot be read, a failed conversion. Idempotent by (receipt, row). */
  put(items: readonly QuarantinedItem[]): Promise<void>;
  /** In the order of receipt and row. */
  list(query: {
    receiptId?: ReceiptId | undefined;
    code?: string | undefined;
    /** Quarantined at or after this instant, epoch milliseconds. */
    sinceMs?: number | undefined;
    /** True: only those that were never sent again. */
    open?: boolean | undefined;
    limit: number;
    cursor?: string | undefined;
  }): Promise<{ items: QuarantinedItem[]; cursor?: string }>;
  /** Counts by reason. */
  counts(query: { receiptId?: ReceiptId | undefined }): Promise<Record<string, number>>;
  /** Notes down what became of items that were sent again. Idempotent; the last word stands. */
  markReplayed(marks: readonly ReplayMark[]): Promise<void>;
}

// ── customer store ─────────────────────────────────────────────────────────────────────────────────────────────────

export interface CustomerRead {
  readonly customerKey: CustomerKey;
  readonly orderKeys: readonly OrderKey[];
}
export interface CustomerState {
  /** Absent = not stored. */
  readonly customer?: CustomerAggregate;
  /** The stored ones among the order keys asked for. */
  readonly orders: ReadonlyMap<OrderKey, OrderRecord>;
}
export interface CustomerWrite {
  /** `customer.version` is one above the version that was read (1 for a new customer). */
  readonly customer: CustomerAggregate;
  /**
   * At most `limits.customerWriteOrders`. Whoever has more folds and writes them in turns: any subset of the events
   * gives a state that is consistent by itself, and the next turn goes on from there.
   */
  readonly orders: readonly OrderRecord[];
}

export interface Profile {
  readonly customerKey: CustomerKey;
  /** The producer's own id: personal. */
  readonly customerId: string;
  readonly traits: Readonly<Record<string, unknown>>;
  readonly updatedAtMs: number;
}

export interface CustomerStore {
  /**
   * Consistent reads; a customer and its orders as they stood together. Every customer asked for is in the answer.
   * @throws TransientError, and RangeError for more than `limits.customerWriteOrders` orders of one customer
   */
  read(requests: readonly CustomerRead[]): Promise<Map<CustomerKey, CustomerState>>;
  /**
   * Each write is one transaction: all its orders and its aggregate, only if the stored version is still
   * `customer.version - 1`. Writes of different customers are independent; at most one write a customer a call.
   * A write that meets a moved version is `conflict` and leaves nothing behind; `failed` may be tried again.
   * @throws RangeError for a write of more than `limits.customerWriteOrders` orders
   */
  write(writes: readonly CustomerWrite[]): Promise<Map<CustomerKey, "written" | "conflict" | "failed">>;
  /**
   * All orders of one customer, each as of now; one that is being written for the first time by somebody else may be
   * missing for a moment after its aggregate is there.
   * @throws TransientError
   */
  orders(customerKey: CustomerKey): Promise<OrderRecord[]>;
  /** Every customer without its months, for reconciliation and replay; unordered. */
  scan(): AsyncIterable<CustomerTotals>;
  /** The published cut points; `undefined` before any were published. */
  cutPoints(): Promise<CutPoints | undefined>;
  publishCutPoints(cuts: CutPoints): Promise<void>;
}

/** Personal data lives here alone. */
export interface ProfileStore {
  /** Merges traits; an older `updatedAtMs` than the stored one never overwrites a trait that the newer one set. */
  put(profiles: readonly Profile[]): Promise<void>;
  get(customerKey: CustomerKey): Promise<Profile | undefined>;
}

// ── uploads ────────────────────────────────────────────────────────────────────────────────────────────────────────

/** The state of one order as the files that named it left it. */
export interface FileOrder {
  /** source␟customer␟order, hashed by the store as it likes. */
  readonly key: string;
  /** Raised by one with every change; part of the event id of its snapshot. */
  readonly version: number;
  /** Opaque to the store. */
  readonly content: string;
}

export interface OrderBook {
  /** @throws TransientError */
  read(keys: readonly string[]): Promise<Map<string, FileOrder>>;
  /** Each only if the stored version is `order.version - 1`. Durable by the next `settled`. */
  write(orders: readonly FileOrder[]): Promise<Map<string, "written" | "conflict">>;
  /**
   * Resolves when everything that was written before the call is durable.
   * @throws TransientError
   */
  settled(): Promise<void>;
}

export type UploadState = "awaiting_content" | "queued" | "processing" | "done" | "failed";

export interface Upload {
  readonly uploadId: ReceiptId;
  readonly state: UploadState;
  readonly source: string;
  readonly filename?: string;
  /** Where the content lies in the object store. */
  readonly objectKey: string;
  readonly options: Readonly<Record<string, unknown>>;
  readonly createdAtMs: number;
  readonly updatedAtMs: number;
  /** Where processing goes on after a stop: opaque to the store. */
  readonly checkpoint?: unknown;
  readonly progress?: { readonly rowsRead: number; readonly bytesRead: number; readonly bytesTotal?: number };
  /** received = accepted + duplicate + quarantined, once `done`. */
  readonly ledger?: {
    readonly received: number;
    readonly accepted: number;
    readonly duplicate: number;
    /** Of the duplicates: rows with the id of another row of the file that say something else. Absent where there are none. */
    readonly conflicting?: number;
    readonly quarantined: number;
    /** False where the log cannot know duplicates at once (Kinesis): accepted then holds those of other uploads too. */
    readonly settled?: boolean;
    /** How many rows were quarantined for each reason. */
    readonly reasons?: Readonly<Record<string, number>>;
  };
  /** Set when `failed`: the file as a whole was refused. */
  readonly problem?: Refusal;
}

export interface UploadStore {
  put(upload: Upload): Promise<void>;
  get(uploadId: ReceiptId): Promise<Upload | undefined>;
  /** Newest first. */
  list(query: { limit: number; cursor?: string | undefined }): Promise<{ uploads: Upload[]; cursor?: string }>;
  /** Takes the right to process for `leaseMs`; false when another run holds it. */
  lease(uploadId: ReceiptId, owner: string, leaseMs: number, nowMs: number): Promise<boolean>;
}

// ── objects, jobs, queries ─────────────────────────────────────────────────────────────────────────────────────────

export interface ObjectStore {
  /** Durable when it resolves. */
  put(key: string, body: Uint8Array | AsyncIterable<Uint8Array>): Promise<void>;
  /** From byte `start` on, at most `bytes` (1 or more) of them. The chunks are the caller's. @throws ObjectNotFound */
  get(key: string, start?: number, bytes?: number): Promise<AsyncIterable<Uint8Array>>;
  size(key: string): Promise<number | undefined>;
  /** Keys under a prefix, in order. */
  list(prefix: string): AsyncIterable<string>;
  delete(keys: readonly string[]): Promise<void>;
  /** Where a client may PUT the content of `key` until `expiresAtMs`, and the headers it must send. */
  uploadUrl(key: string, expiresAtMs: number): Promise<{ url: string; headers: Record<string, string> }>;
}
export class ObjectNotFound extends Error {
  override readonly name = "ObjectNotFound";
}

/** Asks for work that happens outside the request. At least once. */
export interface JobQueue {
  processUpload(uploadId: ReceiptId): Promise<void>;
}

export type SqlValue = string | number | bigint | boolean | null | SqlValue[] | { [key: string]: SqlValue };
export interface QueryResult {
  readonly columns: readonly { readonly name: string; readonly type: string }[];
  readonly rows: readonly (readonly SqlValue[])[];
}
/** Read-only SQL over the lake: `raw_events`, the views over it and what runs have written. */
export interface QueryEngine {
  /** Whose SQL it reads. */
  readonly dialect: Dialect;
  query(sql: string): Promise<QueryResult>;
  /**
   * Differs whenever what runs and erasures have written is another, also from that of every other process; absent where
   * the engine does not know: there tables change by runs alone.
   */
  version?(): Promise<string>;
}

// ── keys, settings, metrics ────────────────────────────────────────────────────────────────────────────────────────

export interface ApiKey {
  /** Shown in logs and answers in place of the key. */
  readonly id: string;
  /** `write` stands alone. */
  readonly scopes: readonly Scope[];
  /** Events sent with this key belong to this source. */
  readonly source: string;
  /** Absent: no limit of its own. */
  readonly limits?: KeyLimits;
}
export interface KeyLimits {
  readonly requestsPerSecond?: number | undefined;
  readonly eventsPerSecond?: number | undefined;
  /** Of a body as it comes. */
  readonly bodyBytes?: number | undefined;
}
export interface KeyRing {
  /**
   * The key that is presented, while it is valid: neither expired nor revoked. The work is the same whether the key is
   * right or wrong, and its digest is compared in constant time. Its last use is noted, to the minute.
   * @throws TransientError
   */
  find(presented: string): Promise<ApiKey | undefined>;
}

export interface Settings {
  readonly rates: RateTable;
  /** `*`, or exact origins. */
  readonly corsOrigins: readonly string[];
  /** Secrets of social hooks by platform. */
  readonly hookSecrets: Readonly<Record<string, string>>;
  /** Property names of own track events that are kept (besides those of the known kinds). */
  readonly allowedProperties: readonly string[];
  readonly allowedTraits: readonly string[];
  readonly model?: ModelSettings;
  /** Limits of data quality besides those that are there without them. */
  readonly quality?: readonly QualityLimit[];
}

export interface Metrics {
  count(name: MetricName, value: number, dimensions?: Readonly<Record<string, string>>): void;
}

/** How the pipeline stands at this moment. */
export interface Pulse {
  /** Events by minute for the last `minutes` up to `nowMs`, the oldest first, those without any included. */
  read(
    nowMs: number,
    minutes: number,
  ): Promise<{
    readonly minutes: readonly { readonly atMs: number; readonly received: number; readonly quarantined: number }[];
    /** How far each is behind what came in: by records where they can be counted, else by age. */
    readonly stages: readonly {
      readonly stage: "score" | "land";
      readonly lagRecords?: number;
      readonly lagMs?: number;
    }[];
  }>;
}

/** One thing without which a home cannot do its work. */
export interface Vital {
  readonly name: string;
  readonly ok: boolean;
  /** One sentence where it is not; no figures that are nobody's business. */
  readonly detail?: string;
}

/** What a home tells of itself besides whether its stores answer. */
export interface Vitals {
  check(): Promise<readonly Vital[]>;
}

/** One figure of a home, by what it is of. */
export interface Measure {
  /** `[a-z_]+`, as Prometheus wants names: a unit at the end, `_total` for a counter. */
  readonly name: string;
  /** A counter never falls while the process lives. */
  readonly type: "counter" | "gauge";
  readonly help: string;
  readonly samples: readonly { readonly labels?: Readonly<Record<string, string>>; readonly value: number }[];
}

/** What one machine measures of itself. In AWS CloudWatch does. */
export interface Measures {
  read(): Promise<readonly Measure[]>;
}

/** Everything a handler may touch. A handler takes the part it needs. */
export interface Ports extends BatchPorts, ErasureWorkPorts {
  readonly now: () => number;
  readonly newId: (prefix: "rcp" | "upl" | "evt" | "era") => string;
  readonly pseudonyms: Pseudonymizer;
  readonly settings: Settings;
  readonly keys: KeyRing;
  readonly log: EventLog;
  readonly ledger: Ledger;
  readonly quarantine: Quarantine;
  readonly customers: CustomerStore;
  readonly profiles: ProfileStore;
  readonly orderBook: OrderBook;
  readonly uploads: UploadStore;
  readonly objects: ObjectStore;
  /** What could not land, as the service that lands left it. On one machine nothing is left: it is quarantined at once. */
  readonly lakeFailures: Pick<ObjectStore, "get">;
  readonly jobs: JobQueue;
  readonly queries: QueryEngine;
  readonly pulse: Pulse;
  readonly vitals: Vitals;
  readonly measures: Measures;
  readonly metrics: Metrics;
}
