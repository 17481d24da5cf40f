/** Loads one source and ends. What it did not finish goes on behind its last checkpoint with the next start. */
import path from "node:path";
import { type MessagePort, parentPort, workerData } from "node:worker_threads";
import type { Source } from "@ebb/functions/collect/sources";
import { loadRows } from "@ebb/functions/collect/sources/load";
import { loadObjects } from "@ebb/functions/collect/sources/objects";
import { openRows } from "@ebb/functions/collect/sources/open";
import { EmbeddedObjectStore, EmbeddedProfileStore, EmbeddedUploadStore, embeddedJobQueue } from "@ebb/ports/embedded";
import { RemoteEventLog } from "@ebb/ports/embedded/event-log-remote";
import { EmbeddedOrderBook } from "@ebb/ports/embedded/order-book";
import { parquetAsCsv } from "@ebb/ports/embedded/parquet-csv";
import { EmbeddedSourceStore } from "@ebb/ports/embedded/source-store";
import { EmbeddedSourceTables } from "@ebb/ports/embedded/source-tables";
import { EmbeddedSuppressions } from "@ebb/ports/embedded/suppressions";
import type { LoadEnd } from "@ebb/ports/source-ports";
import { type CommonData, commonPorts } from "../home-ports.ts";
import { readSources } from "../source-files.ts";
import { openObjects } from "../source-openers.ts";
import type { FromSourceWorker } from "../sources-stage.ts";

const data = workerData as CommonData & { readonly log: MessagePort; readonly name: string };
const port = parentPort!;
const say = (message: FromSourceWorker): void => port.postMessage(message);

let stopping = false;
port.on("message", () => (stopping = true));

const metrics = {
  count: (name: never, value: number, dimensions?: Readonly<Record<string, string>>) =>
    say({ type: "count", name, value, ...(dimensions === undefined ? {} : { dimensions }) }),
};
const log = new RemoteEventLog(data.log);
const sources = new EmbeddedSourceStore(data.folder);
const common = commonPorts(data, metrics);
const context = {
  // The same name for every load: the lease of one that was killed is its own.
  owner: "home",
  remainingMs: () => (stopping ? 0 : Infinity),
};

const rowsLoad = async (source: Exclude<Source, { kind: "objects" }>): Promise<LoadEnd | undefined> => {
  const orderBook = new EmbeddedOrderBook(data.folder);
  const profiles = new EmbeddedProfileStore(data.folder);
  const suppressions = new EmbeddedSuppressions(data.folder, data.secrets.suppressionSecret);
  const sourceTables = await EmbeddedSourceTables.open({ lakeFolder: path.join(data.folder, "lake"), now: Date.now });
  try {
    const { load, reader } = await openRows(source, data.folder);
    try {
      return await loadRows(
        { ...common, log, orderBook, profiles, sources, sourceTables, suppressions },
        load,
        reader,
        { ...context, onProgress: ({ counts }) => say({ type: "progress", read: counts.read }) },
      );
    } finally {
      await reader.close();
    }
  } finally {
    await sourceTables.close();
    for (const store of [suppressions, profiles, orderBook]) store.close();
  }
};

const objectsLoad = async (source: Extract<Source, { kind: "objects" }>): Promise<LoadEnd | undefined> => {
  const uploads = new EmbeddedUploadStore(data.folder);
  try {
    return await loadObjects(
      {
        ...common,
        sources,
        uploads,
        objects: new EmbeddedObjectStore(path.join(data.folder, "objects")),
        jobs: embeddedJobQueue((uploadId) => say({ type: "upload", uploadId })),
        parquetAsCsv: (bytes) => parquetAsCsv(bytes, path.join(data.folder, "lake", "spill")),
      },
      source.spec,
      await openObjects(source, data.folder),
      { ...context, onProgress: (read) => say({ type: "progress", read }) },
    );
  } finally {
    uploads.close();
  }
};

try {
  const source = readSources(data.folder).find(({ spec }) => spec.name === data.name);
  if (source === undefined) throw new Error(`There is no source "${data.name}".`);
  say({ type: "ended", end: source.kind === "objects" ? await objectsLoad(source) : await rowsLoad(source) });
} catch (error) {
  say({ type: "failed", reason: error instanceof Error ? error.message : String(error) });
} finally {
  for (const store of [sources, log]) store.close();
  port.close();
}
