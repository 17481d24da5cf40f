/** An uploaded file becomes order events and a ledger. Safe to run again after a stop at any instant. */
import type { Context, S3Event } from "aws-lambda";
import type { ReceiptId } from "@ebb/core/ids";
import type { Ports, Upload } from "@ebb/ports";
import { logger } from "../runtime/logger.ts";
import { onAws } from "../runtime/on-aws.ts";
import { FileProblem } from "./files/file-problem.ts";
import { addSums, noSums } from "./files/part-sums.ts";
import { removeOldOriginals } from "./files/originals.ts";
import { partitionsFor, spoolRows } from "./files/spool-rows.ts";
import { Spool } from "./files/spool.ts";
import { shapeOfUpload } from "./files/shape-of-upload.ts";
import type { UploadPorts } from "./files/upload-run.ts";
import { Checkpoint, UploadRun } from "./files/upload-run.ts";
import { writePartition } from "./files/write-partition.ts";

/** Asked for by the job queue, or by S3 when the content of an upload has arrived. */
export type ProcessUploadEvent = { readonly uploadId: string } | S3Event;

type JobContext = Pick<Context, "awsRequestId" | "getRemainingTimeInMillis">;

export const make =
  (ports: UploadPorts) =>
  async (event: ProcessUploadEvent, context: JobContext): Promise<void> => {
    for (const uploadId of uploadIdsOf(event)) await processUpload(ports, uploadId, context);
  };

export const handler = onAws((ports: Ports) => make(ports));

const uploadIdsOf = (event: ProcessUploadEvent): ReceiptId[] => {
  if ("uploadId" in event) return [event.uploadId as ReceiptId];
  return event.Records.flatMap(({ s3 }) => {
    const key = decodeURIComponent(s3.object.key.replaceAll("+", " "));
    const id = /(?:^|\/)(upl_[^/]+)\/content$/.exec(key)?.[1] as ReceiptId | undefined;
    return id === undefined ? [] : [id];
  });
};

/** @throws TransientError: the same job may succeed later, and goes on where this run stopped */
const processUpload = async (ports: UploadPorts, uploadId: ReceiptId, context: JobContext): Promise<void> => {
  const upload = await ports.uploads.get(uploadId);
  if (upload === undefined) return logger.warn("a job names an upload that does not exist", { uploadId });
  if (upload.state === "done" || upload.state === "failed") return removeSpool(ports, upload);
  const run = new UploadRun(ports, upload, context.awsRequestId, context);
  await run.lease();
  try {
    const ended = await work(run);
    await run.release();
    if (!ended) await ports.jobs.processUpload(uploadId);
  } catch (error) {
    if (error instanceof FileProblem) return await fail(run, error);
    // Whoever tries again need not wait until the lease has run out.
    await run.release().catch(() => undefined);
    throw error;
  }
};

/** Answers whether the upload came to its end; if not, a next run goes on. */
const work = async (run: UploadRun): Promise<boolean> => {
  const { objects } = run.ports;
  const upload = await run.reload();
  if (upload.state === "done" || upload.state === "failed") return true;
  const from = upload.checkpoint === undefined ? await start(run) : Checkpoint.parse(upload.checkpoint);
  if (from === undefined) return true;

  const { checkpoint: spooled, spool } = await spoolRows(run, from);
  if (spool === undefined) return false;
  let checkpoint = spooled;
  while (checkpoint.done < checkpoint.partitions) {
    if (run.timeIsShort) return false;
    // The first partition has a part even without rows: a file of none has a line in the ledger as well.
    const isEmpty = checkpoint.done > 0 && (await spool.sizeOf(checkpoint.done)) === 0;
    const sums = isEmpty ? checkpoint : addSums(checkpoint, await writePartition(run, spool, checkpoint));
    spool.drop(checkpoint.done);
    checkpoint = { ...checkpoint, ...sums, done: checkpoint.done + 1 };
    // What lies in memory alone is read again by a next run, from the start of the file.
    const { spooled: whole, position, rows, ...rest } = checkpoint;
    const place =
      checkpoint.runs > 0
        ? { spooled: whole, position, rows }
        : { spooled: false, position: checkpoint.shape.start, rows: 0 };
    if (checkpoint.done < checkpoint.partitions) await run.save({ checkpoint: { ...rest, ...place } });
  }
  await finish(run, checkpoint);
  await spool.remove();
  await removeOldOriginals(objects, run.ports.now());
  return true;
};

/** `undefined` where the content has not arrived. @throws FileProblem */
const start = async (run: UploadRun): Promise<Checkpoint | undefined> => {
  const bytes = await run.ports.objects.size(run.upload.objectKey);
  if (bytes === undefined) {
    if (run.upload.state === "awaiting_content") return undefined;
    throw new FileProblem("unreadable_file", "The content of the upload is gone: originals are kept for seven days.");
  }
  const shape = await shapeOfUpload(run.ports.objects, run.upload.objectKey, bytes, run.options);
  const checkpoint: Checkpoint = {
    shape,
    partitions: partitionsFor(bytes, shape.gzip || shape.format === "xlsx"),
    runs: 0,
    position: shape.start,
    rows: 0,
    spooled: false,
    done: 0,
    ...noSums,
  };
  const progress = {
    rowsRead: 0,
    bytesRead: 0,
    ...(shape.gzip || shape.format === "xlsx" ? {} : { bytesTotal: bytes }),
  };
  await run.save({ state: "processing", checkpoint, progress });
  return checkpoint;
};

const finish = async (run: UploadRun, checkpoint: Checkpoint): Promise<void> => {
  const { received, accepted, duplicate, conflicting, quarantined, settled, reasons } = checkpoint;
  if (received !== accepted + duplicate + quarantined || received !== checkpoint.rows)
    throw new Error(
      `the ledger of ${run.upload.uploadId} does not balance: ${checkpoint.rows} rows, ${received} received, ${accepted} accepted, ${duplicate} duplicate, ${quarantined} quarantined`,
    );
  await run.save({
    state: "done",
    ledger: {
      ...{ received, accepted, duplicate, quarantined, reasons },
      ...(conflicting === 0 ? {} : { conflicting }),
      ...(settled ? {} : { settled }),
    },
    checkpoint: undefined,
  });
  const { metrics } = run.ports;
  metrics.count("EventsReceived", received, { channel: "upload" });
  metrics.count("EventsQuarantined", quarantined, { channel: "upload" });
};

const fail = async (run: UploadRun, problem: FileProblem): Promise<void> => {
  await run.save({ state: "failed", problem: problem.refusal, checkpoint: undefined });
  await removeSpool(run.ports, run.upload);
  run.ports.metrics.count("UploadsFailed", 1);
};

const removeSpool = async ({ objects }: UploadPorts, upload: Upload): Promise<void> =>
  new Spool(objects, `spool/${upload.uploadId}`, 0, 0).remove();
