/** The embedded adapters of one home, opened for what a thread does. */
import { existsSync, mkdirSync } from "node:fs";
import path from "node:path";
import type { MessagePort } from "node:worker_threads";
import type { EventLog, Ledger, Quarantine } from "../ports.ts";
import { openCustomerReader, type CustomerReader } from "./customer-reader.ts";
import { EmbeddedCustomerStore } from "./customer-store.ts";
import { EmbeddedEventLog } from "./event-log.ts";
import { RemoteEventLog } from "./event-log-remote.ts";
import { LAKE_MANIFEST_FILE, LakeManifest } from "./lake-manifest.ts";
import { LogCheckpoint } from "./log-checkpoint.ts";
import { LogReader } from "./log-reader.ts";
import { EmbeddedObjectStore, type ObjectStoreOptions } from "./object-store.ts";
import { EmbeddedOrderBook } from "./order-book.ts";
import { EmbeddedProfileStore } from "./profile-store.ts";
import { EmbeddedRunStore } from "./run-store.ts";
import { EmbeddedScoreStore } from "./score-store.ts";
import { EmbeddedUploadStore } from "./upload-store.ts";

export * from "./configuration.ts";
export { openCustomerReader, type CustomerReader } from "./customer-reader.ts";
export { EmbeddedCustomerStore } from "./customer-store.ts";
export { EmbeddedEventLog, type LogHead } from "./event-log.ts";
export { RemoteEventLog, eventLogServer, remoteEventLog, type EventLogServer } from "./event-log-remote.ts";
export { embeddedJobQueue } from "./job-queue.ts";
export { EmbeddedKeyRing } from "./key-ring.ts";
export { LogReader, type LogRecord } from "./log-reader.ts";
export { EmbeddedMetrics, type Counter } from "./metrics.ts";
export { EmbeddedObjectStore, uploadUrlIsValid, type ObjectStoreOptions } from "./object-store.ts";
export { EmbeddedOrderBook } from "./order-book.ts";
export { EmbeddedProfileStore } from "./profile-store.ts";
export { EmbeddedRunStore } from "./run-store.ts";
export { EmbeddedScoreStore } from "./score-store.ts";
export { EmbeddedUploadStore } from "./upload-store.ts";

export interface EmbeddedOptions {
  readonly now?: () => number;
  readonly objects?: ObjectStoreOptions;
}

interface Closable {
  close(): void;
}
interface LogSide extends Closable {
  readonly reader: LogReader;
  readonly ledger: Ledger;
  readonly quarantine: Quarantine;
}

/** The thread that takes requests: it owns the log, the profiles and, beside the upload worker, the uploads. */
export interface FrontStores extends LogSide {
  readonly log: EmbeddedEventLog;
  readonly profiles: EmbeddedProfileStore;
  readonly uploads: EmbeddedUploadStore;
  readonly objects: EmbeddedObjectStore;
  readonly customers: CustomerReader;
  /** Written by the process of a run. */
  readonly runs: EmbeddedRunStore;
  readonly scores: EmbeddedScoreStore;
}

/** Opens a home's folder for the thread that takes requests. It is the first to open it: it makes every file. */
export const openFront = async (folder: string, options: EmbeddedOptions = {}): Promise<FrontStores> => {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  new EmbeddedCustomerStore(folder).close(); // made, and brought to this release's schema, before it is read
  const objects = objectsOf(folder, options);
  await objects.sweep();
  const log = new EmbeddedEventLog(folder, {
    continueAfter: await furthestOffset(folder),
    ...(options.now === undefined ? {} : { now: options.now }),
  });
  const profiles = new EmbeddedProfileStore(folder);
  const uploads = new EmbeddedUploadStore(folder);
  const customers = openCustomerReader(folder);
  const reader = new LogReader(folder);
  const quarantine = reader.quarantine({
    put: (items) => log.quarantine(items),
    markReplayed: (marks) => log.markReplayed(marks),
  });
  const runs = new EmbeddedRunStore(folder);
  const scores = new EmbeddedScoreStore(folder);
  const stores = {
    log,
    profiles,
    uploads,
    objects,
    customers,
    reader,
    ledger: reader.ledger(),
    quarantine,
    runs,
    scores,
  };
  return { ...stores, close: () => closeAll([scores, runs, reader, customers, uploads, profiles, log]) };
};

/** The last record that a consumer has taken. */
const furthestOffset = async (folder: string): Promise<number> => {
  const customers = openCustomerReader(folder);
  const lake = path.join(folder, "lake");
  // To write: a home that was killed while it made the file has left one without tables, which a reader cannot read.
  const manifest = existsSync(path.join(lake, LAKE_MANIFEST_FILE))
    ? new LakeManifest(lake, { readOnly: false })
    : undefined;
  try {
    return Math.max(await customers.offset("score"), manifest?.offset() ?? 0);
  } finally {
    manifest?.close();
    customers.close();
  }
};

/** The thread that scores: it owns the customer store. `port` leads to the log's thread (`eventLogServer`). */
export interface ScoreStores extends LogSide {
  readonly log: EventLog;
  readonly customers: EmbeddedCustomerStore;
}

export const openScore = (folder: string, port: MessagePort): ScoreStores => {
  const customers = new EmbeddedCustomerStore(folder, { derived: true });
  const side = remoteSide(folder, port);
  return { ...side, customers, close: () => closeAll([customers, side]) };
};

/** The thread that lands: it reads the log, writes Parquet, and has the time for the log's checkpoints. */
export interface LandStores extends LogSide {
  readonly log: EventLog;
  readonly checkpoint: LogCheckpoint;
}

export const openLand = (folder: string, port: MessagePort): LandStores => {
  const side = remoteSide(folder, port);
  const checkpoint = new LogCheckpoint(folder);
  return { ...side, checkpoint, close: () => closeAll([checkpoint, side]) };
};

/** The thread that works uploads off. */
export interface UploadStores extends LogSide {
  readonly log: EventLog;
  readonly objects: EmbeddedObjectStore;
  readonly uploads: EmbeddedUploadStore;
  readonly orderBook: EmbeddedOrderBook;
}

export const openUpload = (folder: string, port: MessagePort, options: EmbeddedOptions = {}): UploadStores => {
  const side = remoteSide(folder, port);
  const uploads = new EmbeddedUploadStore(folder);
  const orderBook = new EmbeddedOrderBook(folder);
  const objects = objectsOf(folder, options);
  return { ...side, objects, uploads, orderBook, close: () => closeAll([orderBook, uploads, side]) };
};

const objectsOf = (folder: string, options: EmbeddedOptions): EmbeddedObjectStore =>
  new EmbeddedObjectStore(path.join(folder, "objects"), options.objects);

const remoteSide = (folder: string, port: MessagePort): LogSide & { readonly log: RemoteEventLog } => {
  const log = new RemoteEventLog(port);
  const reader = new LogReader(folder);
  const quarantine = reader.quarantine({
    put: (items) => log.quarantine(items),
    markReplayed: (marks) => log.markReplayed(marks),
  });
  return { log, reader, ledger: reader.ledger(), quarantine, close: () => closeAll([reader, log]) };
};

const closeAll = (stores: readonly Closable[]): void => {
  for (const store of stores) store.close();
};
