/**
 * The customer store out of the lake: every order event that was ever landed, from the curated tables and, where no run has
 * curated them yet, from the raw files, folded by the code that folds the stream. What the log holds beyond the lake comes
 * from the log. Mapping and profiles are not in the lake: they come from a backup.
 */
import { existsSync } from "node:fs";
import { mkdir, rm } from "node:fs/promises";
import path from "node:path";
import type { CustomerAggregate } from "@ebb/core/customers";
import type { CustomerKey } from "@ebb/core/ids";
import { orderKinds } from "@ebb/core/kinds";
import type { OrderEvent } from "@ebb/core/orders";
import { foldBatch } from "@ebb/functions/score/fold-batch";
import { type ReceivedEvent, readRecord } from "@ebb/functions/score/read-events";
import { recordInProcess } from "@ebb/functions/runtime/stream-records";
import type { CustomerStore, SqlValue } from "@ebb/ports";
import { batchTables } from "@ebb/ports/embedded/batch-manifest";
import { type CustomerReader, openCustomerReader } from "@ebb/ports/embedded/customer-reader";
import { EmbeddedCustomerStore } from "@ebb/ports/embedded/customer-store";
import { openSecrets } from "@ebb/ports/embedded/configuration";
import { LakeManifest } from "@ebb/ports/embedded/lake-manifest";
import { LogReader } from "@ebb/ports/embedded/log-reader";
import { EmbeddedMetrics } from "@ebb/ports/embedded/metrics";
import { readJsonFile, writePrivateJson } from "@ebb/ports/embedded/private-file";
import { DuckDbQueryEngine } from "@ebb/ports/embedded/query-engine";
import { EmbeddedSuppressions } from "@ebb/ports/embedded/suppressions";
import { z } from "zod";
import { STREAM_ARN, sequenceNumberOf } from "./stream-consumer.ts";

export class RebuildError extends Error {
  override readonly name = "RebuildError";
}

/** How far a rebuild has come: what it has folded of the customers up to one, and the record its lake reached at first. */
const Checkpoint = z.object({ landed: z.int(), lastCustomerKey: z.string(), events: z.int() });
type Checkpoint = z.infer<typeof Checkpoint>;

export interface Rebuilt {
  readonly events: number;
  readonly customers: number;
  /** The last record of the log that the store knows. */
  readonly offset: number;
  readonly resumed: boolean;
}

/** Events of one transaction; whole customers, unless one alone has more. */
const BATCH_EVENTS = 2_000;
const MOST_EVENTS = 50_000;
const CONSUMER = "score";
/** Nobody else writes here: a write that fails is a fault, not a conflict. */
const patience = { attempts: 1, backoff: async () => undefined };
const metrics = new EmbeddedMetrics();

const COLUMNS = `event_id, kind, source, epoch_ms(occurred_at) AS occurred_ms, customer_key, order_id, order_rank, order_version,
  refund_id, full_refund, reporting_minor`;

/** Order events of known customers after a customer, by customer. */
const eventsSql = (curated: boolean, after: string): string => {
  const some = `kind IN (${[...orderKinds].map((kind) => `'${kind}'`).join(", ")}) AND customer_key > '${after}'`;
  const raw = `SELECT ${COLUMNS} FROM raw_events AS r WHERE ${some}`;
  if (!curated) return `${raw} ORDER BY customer_key`;
  return `
    SELECT ${COLUMNS} FROM curated_order_events WHERE ${some}
    UNION ALL ${raw} AND NOT EXISTS (
      SELECT 1 FROM curated_order_events AS c WHERE c.event_id = r.event_id AND c.occurred_at = r.occurred_at)
    ORDER BY customer_key`;
};

const eventOf = (row: readonly SqlValue[]): ReceivedEvent => {
  const [id, kind, source, occurredMs, customer, order, rank, version, refund, full, minor] = row;
  const event = {
    event_id: id as string,
    kind: kind as OrderEvent["kind"],
    source: source as string,
    occurred_at: new Date(Number(occurredMs)).toISOString(),
    customer_key: customer as string,
    ...(order === null ? {} : { order_id: order as string }),
    ...(rank === null ? {} : { order_rank: Number(rank) }),
    ...(version === null ? {} : { order_version: Number(version) }),
    ...(refund === null ? {} : { refund_id: refund as string }),
    ...(full === null ? {} : { full_refund: full as boolean }),
    ...(minor === null ? {} : { reporting_minor: Number(minor) }),
  };
  return { customerKey: customer as CustomerKey, event, sequenceNumber: "" };
};

export interface RebuildOptions {
  readonly onProgress?: (events: number, share: number) => void;
  /** Fires to stop at the next checkpoint; the same call goes on there. */
  readonly signal?: AbortSignal;
}

/**
 * Makes `customers.db` in a folder of its own. Stopped at any instant, the same call goes on where it stopped.
 * @throws RebuildError
 */
export const rebuildCustomers = async (
  home: string,
  target: string,
  options: RebuildOptions = {},
): Promise<Rebuilt> => {
  const lake = path.join(home, "lake");
  if (!existsSync(path.join(lake, "lake.db"))) throw new RebuildError(`There is no lake in ${home}.`);
  await mkdir(target, { recursive: true, mode: 0o700 });
  const checkpointFile = path.join(target, "rebuild.json");
  const found = Checkpoint.safeParse(readJsonFile(checkpointFile));
  const from = found.success && logReaches(home, found.data.landed) ? found.data : undefined;
  if (from === undefined)
    for (const suffix of ["", "-wal", "-shm"]) await rm(path.join(target, `customers.db${suffix}`), { force: true });
  // Read before the files are: what comes into the lake meanwhile is on the log after this record.
  let checkpoint: Checkpoint = from ?? { landed: landedIn(lake), lastCustomerKey: "", events: 0 };
  writePrivateJson(checkpointFile, checkpoint);
  const store = new EmbeddedCustomerStore(target);
  const suppressions = new EmbeddedSuppressions(home, openSecrets(home).suppressionSecret);
  const engine = await DuckDbQueryEngine.open({ folder: lake, memoryMb: 512, timeoutMs: 86_400_000 });
  try {
    const curated = batchTables(lake).some(({ name }) => name === "curated_order_events");
    const sql = eventsSql(curated, checkpoint.lastCustomerKey);
    const { rows: counted } = await engine.query(`SELECT count(*) FROM (${sql})`);
    const total = checkpoint.events + Number(counted[0]![0]);
    let batch: ReceivedEvent[] = [];
    const fold = async (): Promise<void> => {
      const failed = await store.transaction(() => foldBatch(store, batch, patience, metrics));
      if (failed.length > 0) throw new RebuildError(`${failed.length} events could not be folded.`);
      checkpoint = { ...checkpoint, events: checkpoint.events + batch.length };
      options.onProgress?.(checkpoint.events, checkpoint.events / Math.max(1, total));
    };
    const { rows } = await engine.stream(sql);
    for await (const row of rows) {
      const event = eventOf(row);
      // An erasure that is under way may not have reached every file.
      if (suppressions.current().has(event.customerKey)) continue;
      const last = batch.at(-1)?.customerKey;
      if (last !== undefined && last !== event.customerKey && batch.length >= BATCH_EVENTS) {
        await fold();
        batch = [];
        checkpoint = { ...checkpoint, lastCustomerKey: last };
        writePrivateJson(checkpointFile, checkpoint);
        if (options.signal?.aborted === true)
          throw new RebuildError("Stopped. The same command goes on where it stopped.");
      } else if (batch.length >= MOST_EVENTS) {
        await fold();
        batch = [];
      }
      batch.push(event);
    }
    if (batch.length > 0) await fold();
    await copyCutPoints(home, store);
    await store.saveOffset(CONSUMER, checkpoint.landed);
    let customers = 0;
    for await (const _ of store.scan()) customers++;
    await rm(checkpointFile, { force: true });
    return { events: checkpoint.events, customers, offset: checkpoint.landed, resumed: from !== undefined };
  } finally {
    engine.close();
    suppressions.close();
    store.close();
  }
};

const landedIn = (lake: string): number => {
  const manifest = new LakeManifest(lake, { readOnly: true });
  try {
    return manifest.offset();
  } finally {
    manifest.close();
  }
};

/** Whether everything after a record is still on the log. */
const logReaches = (home: string, seq: number): boolean => {
  if (!existsSync(path.join(home, "log.db"))) return false;
  const log = new LogReader(home);
  try {
    const [next] = log.read(seq, 1, 1);
    return next === undefined ? log.head().seq <= seq : next.seq === seq + 1;
  } finally {
    log.close();
  }
};

const copyCutPoints = async (home: string, store: EmbeddedCustomerStore): Promise<void> => {
  let live: CustomerReader | undefined;
  try {
    live = openCustomerReader(home);
    const cuts = await live.cutPoints();
    if (cuts !== undefined) await store.publishCutPoints(cuts);
  } catch {
    // The store that is rebuilt may be the one that cannot be read: the next start publishes the first cut points.
  } finally {
    live?.close();
  }
};

/** Folds what the log has after the store's offset, up to a record. */
const catchUp = async (
  log: LogReader,
  store: EmbeddedCustomerStore,
  untilSeq: number,
  isErased: (customerKey: string) => boolean,
): Promise<void> => {
  for (let seq = await store.offset(CONSUMER); seq < untilSeq;) {
    const records = log.read(seq, 100, 4_000_000).filter((record) => record.seq <= untilSeq);
    if (records.length === 0) return;
    const events = records
      .flatMap((record) => readRecord(inStream(record.seq, record.data), 0).events)
      .filter(({ customerKey }) => !isErased(customerKey));
    seq = records.at(-1)!.seq;
    await store.transaction(async () => {
      await foldBatch(store, events, patience, metrics);
      await store.saveOffset(CONSUMER, seq);
    });
  }
};

const inStream = (seq: number, data: Uint8Array): Parameters<typeof readRecord>[0] => ({
  ...{ eventID: String(seq), eventName: "aws:kinesis:record", eventSource: "aws:kinesis", eventSourceARN: STREAM_ARN },
  ...{ eventVersion: "1.0", awsRegion: "home", invokeIdentityArn: "" },
  kinesis: recordInProcess(
    {
      kinesisSchemaVersion: "1.0",
      partitionKey: String(seq),
      sequenceNumber: sequenceNumberOf(seq),
      approximateArrivalTimestamp: 0,
    },
    data,
  ),
});

export interface Comparison {
  readonly customers: number;
  /** Customers whose aggregates differ, at most `MOST_LISTED`. */
  readonly differing: readonly string[];
  readonly count: number;
  /** The last record that both know. */
  readonly offset: number;
}

const MOST_LISTED = 1_000;
const ROUNDS = 5;
const AT_ONCE = 200;

/**
 * Every aggregate of a rebuilt store against the live one, in every field but the version. The live one may be moving:
 * whoever differs is looked at again once the rebuilt store has caught up.
 */
export const compareWithLive = async (home: string, target: string): Promise<Comparison> => {
  const live = openCustomerReader(home);
  const rebuilt = new EmbeddedCustomerStore(target);
  const log = new LogReader(home);
  const suppressions = new EmbeddedSuppressions(home, openSecrets(home).suppressionSecret);
  const follow = async (): Promise<void> =>
    catchUp(log, rebuilt, await live.offset(CONSUMER), (key) => suppressions.current().has(key));
  try {
    await follow();
    let customers = 0;
    let suspects: CustomerKey[] = [];
    for (const [one, other] of [[rebuilt, live] as const, [live, rebuilt] as const]) {
      let keys: CustomerKey[] = [];
      const look = async (): Promise<void> => {
        suspects.push(...(await differing(one, other, keys)));
        keys = [];
      };
      for await (const { customerKey } of one.scan()) {
        if (one === rebuilt) customers++;
        if (keys.push(customerKey) >= AT_ONCE) await look();
      }
      await look();
    }
    suspects = [...new Set(suspects)];
    for (let round = 0; suspects.length > 0 && round < ROUNDS; round++) {
      await follow();
      suspects = await differing(rebuilt, live, suspects);
    }
    const offset = await rebuilt.offset(CONSUMER);
    return { customers, differing: suspects.slice(0, MOST_LISTED), count: suspects.length, offset };
  } finally {
    suppressions.close();
    log.close();
    rebuilt.close();
    live.close();
  }
};

const differing = async (
  one: Pick<CustomerStore, "read">,
  other: Pick<CustomerStore, "read">,
  keys: readonly CustomerKey[],
): Promise<CustomerKey[]> => {
  const found: CustomerKey[] = [];
  for (let at = 0; at < keys.length; at += AT_ONCE) {
    const requests = keys.slice(at, at + AT_ONCE).map((customerKey) => ({ customerKey, orderKeys: [] }));
    const [a, b] = [await one.read(requests), await other.read(requests)];
    for (const { customerKey } of requests)
      if (fieldsOf(a.get(customerKey)?.customer) !== fieldsOf(b.get(customerKey)?.customer)) found.push(customerKey);
  }
  return found;
};

/** Every field but the version, which counts writes. */
const fieldsOf = (customer: CustomerAggregate | undefined): string =>
  customer === undefined
    ? ""
    : JSON.stringify([
        ...[customer.customerKey, customer.orders, customer.grossMinor, customer.refundMinor],
        ...[customer.firstOrderAtMs ?? null, customer.lastOrderAtMs ?? null],
        Object.entries(customer.months)
          .sort(([a], [b]) => (a < b ? -1 : 1))
          .map(([month, { orders, grossMinor, refundMinor }]) => [month, orders, grossMinor, refundMinor]),
      ]);
