/** First phase of an upload: every row goes to the partition of what it belongs to. Nothing is refused here. */
import { layoutNamed } from "@ebb/core/files/layouts";
import { release } from "@ebb/ports/release";
import { keyColumnsOf, recordHash } from "./record-reader.ts";
import { Spool } from "./spool.ts";
import type { RecordSink } from "./split-records.ts";
import { RecordSplitter } from "./split-records.ts";
import { unpackedFrom } from "./unpacked.ts";
import type { Checkpoint, UploadRun } from "./upload-run.ts";
import { readWorkbook } from "./workbook.ts";

/** Rows kept in memory before they are written as a run. A file below this is never spooled to the store. */
const MEMORY_BYTES = 16_000_000;
/** Memory that the rows of one partition may take; the rows of the file are spread over partitions of this size. */
const PARTITION_BYTES = 4_000_000;
/** A packed table is taken to unpack to this many times its size. */
const PACKED_RATIO = 6;

export const partitionsFor = (bytes: number, packed: boolean): number =>
  Math.min(512, Math.max(1, Math.ceil((bytes * (packed ? PACKED_RATIO : 1)) / PARTITION_BYTES)));

/**
 * Reads the file from the checkpoint's place to its end. Answers the spool and the checkpoint that it stands for, or no
 * spool where the time got short: then all that was read is durable.
 */
export const spoolRows = async (
  run: UploadRun,
  from: Checkpoint,
): Promise<{ readonly checkpoint: Checkpoint; readonly spool: Spool | undefined }> => {
  const { shape, partitions } = from;
  const { objects } = run.ports;
  const spool = new Spool(objects, run.spoolPrefix, partitions, from.runs);
  if (from.spooled && from.runs > 0) return { checkpoint: from, spool };
  let checkpoint = from;
  let rows = from.rows;
  const hashOf = recordHash(shape, keyColumnsOf(shape, layoutNamed(shape.layout)!));
  const sink: RecordSink = (bytes, start, end, rowNumber) => {
    rows++;
    spool.add(hashOf(bytes, start, end) % partitions, bytes, start, end, rowNumber);
  };

  /** Answers whether to stop here. */
  const pause = async (position: Checkpoint["position"]): Promise<boolean> => {
    const stop = run.timeIsShort;
    if (spool.bytes > MEMORY_BYTES || stop) {
      await spool.spill();
      checkpoint = { ...checkpoint, runs: spool.runs, position, rows };
      await run.save({ checkpoint, progress: progressOf(run, checkpoint) });
    } else await run.keepLease();
    return stop;
  };

  if (shape.format === "xlsx") {
    for await (const position of readWorkbook(objects, run.upload.objectKey, from.position, sink))
      if (await pause(position)) return { checkpoint, spool: undefined };
  } else {
    const quoted = { delimiter: shape.delimiter.charCodeAt(0), fields: shape.width };
    const splitter = new RecordSplitter(
      { newline: shape.newline, ...(shape.format === "delimited" ? { quoted } : {}) },
      from.position,
      sink,
    );
    for await (const chunk of await unpackedFrom(objects, run.upload.objectKey, shape, from.position.byte)) {
      splitter.push(chunk);
      release(chunk);
      if (await pause(splitter.position)) return { checkpoint, spool: undefined };
    }
    splitter.end();
    checkpoint = { ...checkpoint, position: splitter.position };
  }
  // A file that fits in memory is read again after a crash: that costs less than making its spool durable.
  if (spool.runs > 0 && spool.bytes > 0) await spool.spill(true);
  checkpoint = { ...checkpoint, runs: spool.runs, rows, spooled: true };
  const kept = spool.runs > 0 ? checkpoint : { ...from, done: checkpoint.done };
  await run.save({ checkpoint: kept, progress: progressOf(run, checkpoint) });
  return { checkpoint, spool };
};

const progressOf = (run: UploadRun, checkpoint: Checkpoint) => {
  const total = run.upload.progress?.bytesTotal;
  return {
    rowsRead: checkpoint.rows,
    bytesRead: checkpoint.position.byte,
    ...(total === undefined ? {} : { bytesTotal: total }),
  };
};
