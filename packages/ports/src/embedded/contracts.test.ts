import { mkdtemp, rm } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import {
  type OpenCustomerStore,
  type OpenEventLog,
  type OpenObjectStore,
  type OpenOrderBook,
  type OpenProfileStore,
  type OpenRunStore,
  type OpenScoreStore,
  type OpenUploadStore,
  customerStoreContract,
  eventLogContract,
  ledgerContract,
  objectStoreContract,
  orderBookContract,
  profileStoreContract,
  quarantineContract,
  runStoreContract,
  scoreStoreContract,
  uploadStoreContract,
} from "../contracts/index.ts";
import { EmbeddedCustomerStore } from "./customer-store.ts";
import { EmbeddedEventLog } from "./event-log.ts";
import { eventLogServer, remoteEventLog } from "./event-log-remote.ts";
import { LogReader } from "./log-reader.ts";
import { EmbeddedObjectStore } from "./object-store.ts";
import { EmbeddedOrderBook } from "./order-book.ts";
import { EmbeddedProfileStore } from "./profile-store.ts";
import { EmbeddedRunStore } from "./run-store.ts";
import { EmbeddedScoreStore } from "./score-store.ts";
import { EmbeddedUploadStore } from "./upload-store.ts";

const newFolder = () => mkdtemp(path.join(os.tmpdir(), "ebb-contract-"));

interface Reopenable<T> {
  readonly reopen: () => Promise<T & Reopenable<T>>;
  readonly close: () => Promise<void>;
}

/** A store in a folder of its own that is removed with it. */
const inFolder = async <T>(open: (folder: string) => { value: T; close: () => void }): Promise<T & Reopenable<T>> => {
  const folder = await newFolder();
  const again = async (): Promise<T & Reopenable<T>> => {
    const { value, close } = open(folder);
    return {
      ...value,
      reopen: async () => {
        close();
        return again();
      },
      close: async () => {
        close();
        await rm(folder, { recursive: true });
      },
    };
  };
  return again();
};

const openLog = (remote: boolean) => (): Promise<OpenEventLog> =>
  inFolder((folder) => {
    const own = new EmbeddedEventLog(folder);
    const server = eventLogServer(own);
    const log = remote ? remoteEventLog(server.connect()) : own;
    const reader = new LogReader(folder);
    const readAll = async () =>
      reader
        .read(0, Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER)
        .flatMap((record) => Buffer.from(record.data).toString("utf8").split("\n"));
    const value = {
      log,
      ledger: reader.ledger(),
      quarantine: reader.quarantine({
        put: (items) => log.quarantine(items),
        markReplayed: (marks) => log.markReplayed(marks),
      }),
      readAll,
    };
    const close = () => {
      reader.close();
      server.close();
      own.close();
    };
    return { value, close };
  });

eventLogContract("embedded", openLog(false));
eventLogContract("embedded, from another thread's side", openLog(true));
ledgerContract("embedded", openLog(false));
quarantineContract("embedded", openLog(false));

customerStoreContract("embedded", (): Promise<OpenCustomerStore> =>
  inFolder((folder) => {
    const store = new EmbeddedCustomerStore(folder);
    return { value: { store }, close: () => store.close() };
  }),
);

profileStoreContract("embedded", (): Promise<OpenProfileStore> =>
  inFolder((folder) => {
    const store = new EmbeddedProfileStore(folder);
    return { value: { store }, close: () => store.close() };
  }),
);

orderBookContract("embedded", (): Promise<OpenOrderBook> =>
  inFolder((folder) => {
    const book = new EmbeddedOrderBook(folder);
    return { value: { book }, close: () => book.close() };
  }),
);

uploadStoreContract("embedded", (): Promise<OpenUploadStore> =>
  inFolder((folder) => {
    const store = new EmbeddedUploadStore(folder);
    return { value: { store }, close: () => store.close() };
  }),
);

runStoreContract("embedded", (): Promise<OpenRunStore> =>
  inFolder((folder) => {
    const store = new EmbeddedRunStore(folder);
    return { value: { store }, close: () => store.close() };
  }),
);

scoreStoreContract("embedded", (): Promise<OpenScoreStore> =>
  inFolder((folder) => {
    const store = new EmbeddedScoreStore(folder);
    return { value: { store }, close: () => store.close() };
  }),
);

objectStoreContract("embedded", (): Promise<OpenObjectStore> =>
  inFolder((folder) => {
    const options = { baseUrl: () => "http://127.0.0.1:4000", uploadUrlSecret: "s".repeat(32) };
    return { value: { store: new EmbeddedObjectStore(folder, options) }, close: () => undefined };
  }),
);
