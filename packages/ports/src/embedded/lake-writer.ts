/**
 * The land stage of one machine, in the place of Firehose: records of the log become Parquet files by arrival, with
 * the same layout, size and time bounds. What is not yet in a file is read from the log again after a crash: a file and
 * the offset it reaches enter the manifest in one transaction, so no event is lost and none is there twice.
 */
import { mkdir, rm } from "node:fs/promises";
import path from "node:path";
import { partitionOf } from "@ebb/lake/raw-events";
import { linesOf } from "@ebb/lake/landing";
import { type SuppressionList, type Suppressions, lineWithoutErased } from "../erasure-ports.ts";
import type { Metrics, Quarantine } from "../ports.ts";
import { compactClosedHour } from "./lake-compaction.ts";
import { fileName, moveDurably, removeUnnamed } from "./lake-files.ts";
import { COLUMNS_ID, LakeManifest } from "./lake-manifest.ts";
import { convert } from "./parquet-conversion.ts";
import { release } from "../release.ts";
import { StagedLines } from "./staged-lines.ts";

/** A record of the log (`LogRecord` has this shape). */
export interface LandRecord {
  readonly seq: number;
  readonly arrivedAtMs: number;
  /** JSON lines, UTF-8. */
  readonly data: Uint8Array;
}

export interface LakeWriterOptions {
  /** The lake's own folder. */
  readonly folder: string;
  /** A file is closed when this much JSON is in it, or when it is this old. */
  readonly bufferMb: number;
  readonly bufferSeconds: number;
  readonly compression: string;
  readonly quarantine: Pick<Quarantine, "put">;
  readonly metrics: Metrics;
  /** Of people on this list nothing lands but that it came. Absent: there is nobody on it. */
  readonly suppressions?: Suppressions;
  /** Epoch milliseconds. */
  readonly now: () => number;
}

/** Replaced files stay this long for queries that began before: no query runs longer. */
const REPLACED_KEPT_MS = 3_600_000;
const HOUSEKEEPING_MS = 60_000;
/**
 * DuckDB converts 2,048 rows at a time, whatever their size: 64 MB of rows above 8 kB took up to 430 MB of memory, 16 MB of
 * them 160. Batches of such rows are closed at the smaller size.
 */
const LARGE_ROW_BYTES = 8_000;
const LARGE_ROWS_BUFFER_BYTES = 16_000_000;

/** JSON lines that are waiting for their file. All of them arrived in the hour of one partition. */
interface Batch {
  readonly partition: string;
  readonly startedAtMs: number;
  readonly firstSeq: number;
  lastSeq: number;
  lines: number;
}

export class LakeWriter {
  readonly #options: LakeWriterOptions;
  readonly #manifest: LakeManifest;
  readonly #staging: string;
  /** Calls run one after the other. */
  #turn: Promise<unknown> = Promise.resolve();
  #batch: Batch | undefined;
  /** The lines of the batch. */
  readonly #staged: StagedLines;
  #takenSeq: number;
  #cleanedAtMs = 0;

  /** Opens the lake and clears what a crash left behind. */
  static async open(options: LakeWriterOptions): Promise<LakeWriter> {
    await mkdir(path.join(options.folder, "raw_events"), { recursive: true });
    const manifest = new LakeManifest(options.folder, { readOnly: false });
    const writer = new LakeWriter(options, manifest);
    await rm(writer.#staging, { recursive: true, force: true });
    await mkdir(writer.#staging, { recursive: true });
    await removeUnnamed(options.folder, manifest.named());
    return writer;
  }

  private constructor(options: LakeWriterOptions, manifest: LakeManifest) {
    this.#options = options;
    this.#manifest = manifest;
    this.#staging = path.join(options.folder, "staging");
    this.#staged = new StagedLines(this.#staging);
    this.#takenSeq = manifest.offset();
  }

  /** Everything up to this record of the log is in the lake: where reading the log goes on after a restart. */
  get offset(): number {
    return this.#manifest.offset();
  }

  /** Takes records in the order of the log; one that it has already is passed over. May write files. */
  add(records: readonly LandRecord[]): Promise<void> {
    return this.#inTurn(async () => {
      for (const { partition, group } of groups(records, this.#takenSeq)) {
        if (this.#batch !== undefined && this.#batch.partition !== partition) await this.#write();
        await this.#stage(partition, group);
        if (this.#isDue()) await this.#write();
      }
    });
  }

  /** Writes the file when it is old enough, and does some housekeeping once a minute. To be called every second or so. */
  tick(): Promise<void> {
    return this.#inTurn(async () => {
      if (this.#isDue()) await this.#write();
      const now = this.#options.now();
      if (now - this.#cleanedAtMs < HOUSEKEEPING_MS) return;
      this.#cleanedAtMs = now;
      const { folder, compression } = this.#options;
      if (!this.#manifest.isHeld(now))
        await compactClosedHour(folder, this.#manifest, { scratchFolder: this.#staging, compression }, now);
      const removable = this.#manifest.replacedBefore(now - REPLACED_KEPT_MS);
      for (const name of removable) await rm(path.join(folder, name), { force: true });
      if (removable.length > 0) this.#manifest.forget(removable);
    });
  }

  /** Writes all that was added. When it resolves, a query sees it. */
  flush(): Promise<void> {
    return this.#inTurn(() => this.#write());
  }

  /** Does not flush: what is not in a file stays in the log. */
  close(): Promise<void> {
    return this.#inTurn(async () => {
      await this.#staged.close();
      this.#manifest.close();
    });
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#turn.then(work);
    this.#turn = result.catch(() => undefined); // the caller has the error; the next call is not stopped by it
    return result;
  }

  #isDue(): boolean {
    const { bufferMb, bufferSeconds, now } = this.#options;
    if (this.#batch === undefined) return false;
    const { lines, startedAtMs } = this.#batch;
    const { bytes } = this.#staged;
    const hasLargeRows = bytes > lines * LARGE_ROW_BYTES;
    return (
      bytes >= bufferMb * 1_000_000 ||
      (hasLargeRows && bytes >= LARGE_ROWS_BUFFER_BYTES) ||
      now() - startedAtMs >= bufferSeconds * 1000
    );
  }

  /** Appends records of one partition to the batch; on failure nothing of them is taken. */
  async #stage(partition: string, records: readonly LandRecord[]): Promise<void> {
    const erased = await this.#options.suppressions?.current();
    const text = Buffer.concat(records.flatMap(({ data }) => [cleaned(data, erased), newline]));
    await this.#staged.append(text);
    const firstSeq = records[0]!.seq;
    this.#batch ??= { partition, startedAtMs: this.#options.now(), firstSeq, lastSeq: 0, lines: 0 };
    this.#batch.lastSeq = this.#takenSeq = records.at(-1)!.seq;
    this.#batch.lines += countLines(text);
    release(text);
  }

  /** Every step may be repeated after a failure: the batch stays until the manifest has it. */
  async #write(): Promise<void> {
    const batch = this.#batch;
    if (batch === undefined) return;
    const { lines } = batch;
    await this.#staged.close();
    const { folder, compression, quarantine, metrics, now } = this.#options;
    const parquet = path.join(this.#staging, "batch.parquet");
    const options = { scratchFolder: this.#staging, compression };
    const { files, bytes: jsonBytes } = this.#staged;
    const { rows, refused } = await convert({ files, bytes: jsonBytes, lines }, parquet, now(), options);
    if (refused.length > 0) await quarantine.put(refused);
    if (rows > 0) {
      const name = `${batch.partition}/${fileName(batch.firstSeq, batch.lastSeq)}`;
      const bytes = await moveDurably(parquet, folder, name);
      const { firstSeq, lastSeq } = batch;
      this.#manifest.commit({ path: name, rows, bytes, firstSeq, lastSeq, columns: COLUMNS_ID }, lastSeq);
    } else this.#manifest.commit(undefined, batch.lastSeq);
    this.#batch = undefined;
    await this.#staged.remove(); // what has landed is in the lake and nowhere else
    metrics.count("EventsLanded", rows);
    if (refused.length > 0) metrics.count("EventsQuarantined", refused.length, { channel: "land" });
  }
}

const newline = Uint8Array.of(0x0a);

/** The lines of a record without what they say of erased people. */
const cleaned = (data: Uint8Array, erased: SuppressionList | undefined): Uint8Array =>
  erased === undefined || erased.size === 0
    ? data
    : Buffer.concat(
        [...linesOf(data)].flatMap((line, index) => {
          const kept = lineWithoutErased(line, erased);
          return index === 0 ? [kept] : [newline, kept];
        }),
      );

/** Lines that are not empty, in text that ends in a line break. */
const countLines = (text: Buffer): number => {
  let lines = 0;
  for (let from = 0, to = text.indexOf(0x0a); to !== -1; from = to + 1, to = text.indexOf(0x0a, from))
    if (to > from) lines++;
  return lines;
};

/** Bytes that are gathered for one write at most. */
const GROUP_BYTES = 1_000_000;

/** Runs of records after `afterSeq` that arrived in the same hour, in order. */
function* groups(
  records: readonly LandRecord[],
  afterSeq: number,
): Generator<{ partition: string; group: readonly LandRecord[] }> {
  let run: { partition: string; group: LandRecord[]; bytes: number } | undefined;
  let last = afterSeq;
  for (const record of records) {
    if (record.seq <= last) continue;
    last = record.seq;
    const partition = partitionOf(record.arrivedAtMs);
    if (run !== undefined && (run.partition !== partition || run.bytes >= GROUP_BYTES)) {
      yield run;
      run = undefined;
    }
    run ??= { partition, group: [], bytes: 0 };
    run.group.push(record);
    run.bytes += record.data.length;
  }
  if (run !== undefined) yield run;
}
