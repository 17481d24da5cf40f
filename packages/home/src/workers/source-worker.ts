/** Loads one source and ends. What it did not finish goes on behind its last checkpoint with the next start. */
import path from "node:path";
import { type MessagePort, parentPort, workerData } from "node:worker_threads";
import { loadRows } from "@ebb/functions/collect/sources/load";
import { EmbeddedProfileStore } from "@ebb/ports/embedded";
import { RemoteEventLog } from "@ebb/ports/embedded/event-log-remote";
import { EmbeddedOrderBook } from "@ebb/ports/embedded/order-book";
import { EmbeddedSourceStore } from "@ebb/ports/embedded/source-store";
import { EmbeddedSourceTables } from "@ebb/ports/embedded/source-tables";
import { EmbeddedSuppressions } from "@ebb/ports/embedded/suppressions";
import { type CommonData, commonPorts } from "../home-ports.ts";
import { readSources, rowsOf } from "../source-files.ts";
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
const orderBook = new EmbeddedOrderBook(data.folder);
const profiles = new EmbeddedProfileStore(data.folder);
const sources = new EmbeddedSourceStore(data.folder);
const suppressions = new EmbeddedSuppressions(data.folder, data.secrets.suppressionSecret);
const sourceTables = await EmbeddedSourceTables.open({ lakeFolder: path.join(data.folder, "lake"), now: Date.now });
try {
  const source = readSources(data.folder).find(({ spec }) => spec.name === data.name);
  if (source === undefined) throw new Error(`There is no source "${data.name}".`);
  if (source.kind === "objects") throw new Error(`Source "${data.name}": prefixes of objects cannot be loaded yet.`);
  const { load, reader } = rowsOf(source, data.folder);
  try {
    const end = await loadRows(
      { ...commonPorts(data, metrics), log, orderBook, profiles, sources, sourceTables, suppressions },
      load,
      reader,
      {
        // The same name for every load: the lease of one that was killed is its own.
        owner: "home",
        remainingMs: () => (stopping ? 0 : Infinity),
        onProgress: ({ counts }) => say({ type: "progress", read: counts.read }),
      },
    );
    say({ type: "ended", end });
  } finally {
    await reader.close();
  }
} catch (error) {
  say({ type: "failed", reason: error instanceof Error ? error.message : String(error) });
} finally {
  await sourceTables.close();
  for (const store of [suppressions, sources, profiles, orderBook, log]) store.close();
  port.close();
}
