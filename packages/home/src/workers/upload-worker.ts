/** Works uploads off, one after the other; several small ones never wait for more than the one that is under way. */
import { type MessagePort, workerData } from "node:worker_threads";
import type { ReceiptId } from "@ebb/core/ids";
import { make } from "@ebb/functions/collect/process-upload";
import { uploadJob } from "@ebb/functions/declarations";
import { logger } from "@ebb/functions/runtime/logger";
import type { Upload } from "@ebb/ports";
import { embeddedJobQueue, openUpload } from "@ebb/ports/embedded";
import { EmbeddedSuppressions } from "@ebb/ports/embedded/suppressions";
import { contextOf } from "../http-event.ts";
import { type CommonData, commonPorts } from "../home-ports.ts";
import { leave, pause, report, takeOrders, workerMetrics } from "./worker.ts";

/** A run on one machine has no time limit; the handler still leaves checkpoints as it goes. */
const RUN_MS = 900_000;
const RETRY_FIRST_MS = 1_000;

const data = workerData as CommonData & {
  readonly log: MessagePort;
  /** Uploads that brought this thread down before. */
  readonly poisoned: readonly string[];
};
const waiting: ReceiptId[] = [];
let taken = 0;
let current: ReceiptId | undefined;
let wake: () => void = () => undefined;

const tell = (): void => {
  const active = waiting.length + (current === undefined ? 0 : 1);
  report({ type: "uploads", taken, active, ...(current === undefined ? {} : { current }) });
  taken = 0;
};
const enqueue = (uploadId: ReceiptId): void => {
  if (!waiting.includes(uploadId)) waiting.push(uploadId);
  wake();
};
const { signal } = takeOrders((order) => {
  if (order.type !== "upload") return;
  taken++;
  enqueue(order.uploadId as ReceiptId);
  tell();
});
signal.addEventListener("abort", () => wake());

const stores = openUpload(data.folder, data.log);
const suppressions = new EmbeddedSuppressions(data.folder, data.secrets.suppressionSecret);
const handle = make({ ...commonPorts(data, workerMetrics), ...stores, suppressions, jobs: embeddedJobQueue(enqueue) });

/** One run, tried again as often as the job allows, with growing pauses. */
const work = async (uploadId: ReceiptId): Promise<void> => {
  for (let attempt = 0; !signal.aborted; attempt++) {
    const endMs = performance.now() + RUN_MS;
    // Told to stop, the handler is out of time: it leaves a checkpoint and asks for another run.
    const remaining = (): number => (signal.aborted ? 0 : endMs - performance.now());
    try {
      // The same name for every run of an upload: a lease that a killed run left behind is its own.
      await handle({ uploadId }, contextOf(uploadJob.handler, `home-${uploadId}`, remaining));
      return;
    } catch (error) {
      const last = attempt >= uploadJob.maximumRetryAttempts;
      const cause = error instanceof Error ? error : new Error(String(error));
      workerMetrics.count("UploadRunsFailed", 1);
      if (last)
        return logger.error("an upload was given up; it is tried again at the next start", { error: cause, uploadId });
      logger.warn("an upload's run failed and is tried again", { error: cause, uploadId });
      await pause(RETRY_FIRST_MS * 2 ** attempt, signal);
    }
  }
};

/** An upload that ends the thread that works at it: most likely it needs more memory than there is. */
const fail = async (upload: Upload): Promise<void> => {
  const message =
    "The file could not be worked off: it needs more memory than the home has. Split it, or send it as CSV.";
  await stores.uploads.put({
    ...upload,
    state: "failed",
    updatedAtMs: Date.now(),
    problem: { code: "too_large", message },
  });
  logger.error("an upload brought its thread down again and again and is failed", { uploadId: upload.uploadId });
};

for (const upload of await stores.uploads.unfinished()) {
  if (data.poisoned.includes(upload.uploadId)) await fail(upload);
  else enqueue(upload.uploadId);
}
report({ type: "ready" });
tell();
while (!signal.aborted) {
  const uploadId = waiting.shift();
  if (uploadId === undefined) await new Promise<void>((resolve) => (wake = resolve));
  else {
    current = uploadId;
    tell();
    await work(uploadId);
    current = undefined;
    tell();
  }
}
suppressions.close();
stores.close();
leave();
