/** The land stage's thread: brings the log into Parquet. DuckDB is loaded here alone. */
import path from "node:path";
import { type MessagePort, workerData } from "node:worker_threads";
import { landConsumer } from "@ebb/functions/declarations";
import { logger } from "@ebb/functions/runtime/logger";
import { openLand } from "@ebb/ports/embedded";
import { LakeWriter } from "@ebb/ports/embedded/lake-writer";
import { release } from "@ebb/ports/release";
import { EmbeddedSuppressions } from "@ebb/ports/embedded/suppressions";
import type { CommonData } from "../home-ports.ts";
import { Progress } from "../progress.ts";
import { leave, pause, report, takeOrders, workerMetrics } from "./worker.ts";

const BATCH_RECORDS = 1_000;
const BATCH_BYTES = 4_000_000;
/**
 * JSON of one file. Firehose converts from 64 MB on; here a query, or the end of the home, waits for the file that is not
 * full yet, half of one on average. Hours that are over become one file.
 */
const BUFFER_MB = 32;
/** How often the age of the open file is looked at. */
const TICK_MS = 1_000;
const RETRY_MS = 5_000;

const data = workerData as CommonData & { readonly log: MessagePort };
let flushes: number[] = [];
let wake: () => void = () => undefined;
const { signal, stopped } = takeOrders((order) => {
  if (order.type !== "flush") return;
  flushes.push(order.id);
  wake();
});
const progress = new Progress(data.progress);
const stores = openLand(data.folder, data.log);
const suppressions = new EmbeddedSuppressions(data.folder, data.secrets.suppressionSecret);
const writer = await LakeWriter.open({
  folder: path.join(data.folder, "lake"),
  bufferMb: BUFFER_MB,
  bufferSeconds: landConsumer.bufferSeconds,
  compression: landConsumer.compression,
  quarantine: stores.quarantine,
  metrics: workerMetrics,
  suppressions,
  now: Date.now,
});
let taken = writer.offset;

/** Takes what the log has on disk; true when that was something. */
const take = async (): Promise<boolean> => {
  const records = stores.reader.read(taken, BATCH_RECORDS, BATCH_BYTES, progress.get("head"));
  if (records.length === 0) return false;
  await writer.add(records);
  taken = records.at(-1)!.seq;
  let bytes = 0;
  for (const { data: record } of records) {
    bytes += record.length;
    release(record);
  }
  stores.checkpoint.appended(bytes);
  return true;
};

const publish = (): void => {
  progress.set("land", taken);
  progress.set("landed", writer.offset);
};

const answerFlushes = async (): Promise<void> => {
  const ids = flushes;
  flushes = [];
  try {
    const seq = progress.get("head");
    while (taken < seq && (await take()));
    await writer.flush();
    for (const id of ids) report({ type: "flushed", id });
  } catch (error) {
    const failure = error instanceof Error ? error.message : String(error);
    for (const id of ids) report({ type: "flushed", id, failure });
    throw error;
  }
};

publish();
report({ type: "ready" });
while (!signal.aborted) {
  try {
    if (flushes.length > 0) await answerFlushes();
    else if (!(await take())) {
      await writer.tick();
      publish();
      const called = new Promise<void>((resolve) => (wake = resolve));
      await Promise.race([progress.reached("head", taken + 1, TICK_MS), called, stopped]);
    }
    publish();
  } catch (error) {
    logger.error("landing failed and is tried again", error instanceof Error ? error : new Error(String(error)));
    workerMetrics.count("LandRunsFailed", 1);
    await pause(RETRY_MS, signal);
  }
}
await writer.flush();
await writer.close();
suppressions.close();
stores.close();
leave();
