/** Works uploads off, one after the other; several small ones never wait for more than the one that is under way. */
import { type MessagePort, workerData } from "node:worker_threads";
import type { ReceiptId } from "@ebb/core/ids";
import { make } from "@ebb/functions/collect/process-upload";
import { uploadJob } from "@ebb/functions/declarations";
import { logger } from "@ebb/functions/runtime/logger";
import { embeddedJobQueue, openUpload } from "@ebb/ports/embedded";
import { contextOf } from "../http-event.ts";
import { type CommonData, commonPorts } from "../home-ports.ts";
import { leave, pause, report, takeOrders, workerMetrics } from "./worker.ts";

/** A run on one machine has no time limit; the handler still leaves checkpoints as it goes. */
const RUN_MS = 900_000;
const RETRY_FIRST_MS = 1_000;

const data = workerData as CommonData & { readonly log: MessagePort };
const waiting: ReceiptId[] = [];
let taken = 0;
let active = 0;
let wake: () => void = () => undefined;

const tell = (): void => {
  report({ type: "uploads", taken, active: waiting.length + active });
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
const handle = make({ ...commonPorts(data, workerMetrics), ...stores, jobs: embeddedJobQueue(enqueue) });

/** One run, tried again as often as the job allows, with growing pauses. */
const work = async (uploadId: ReceiptId): Promise<void> => {
  for (let attempt = 0; !signal.aborted; attempt++) {
    const endMs = Date.now() + RUN_MS;
    // Told to stop, the handler is out of time: it leaves a checkpoint and asks for another run.
    const remaining = (): number => (signal.aborted ? 0 : endMs - Date.now());
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

for (const upload of await stores.uploads.unfinished()) enqueue(upload.uploadId);
report({ type: "ready" });
tell();
while (!signal.aborted) {
  const uploadId = waiting.shift();
  if (uploadId === undefined) await new Promise<void>((resolve) => (wake = resolve));
  else {
    active = 1;
    await work(uploadId);
    active = 0;
    tell();
  }
}
stores.close();
leave();
