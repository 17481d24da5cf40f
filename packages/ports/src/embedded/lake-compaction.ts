/**
 * Small files of an hour that is over become one: at a low rate a file a minute is written, and a query opens every
 * file. Rows do not change; the old files stay for queries that have begun.
 */
import path from "node:path";
import { fileName, moveDurably } from "./lake-files.ts";
import { COLUMNS_ID, type LakeFile, type LakeManifest } from "./lake-manifest.ts";
import { type ConversionOptions, parquetOptions, quoted, rowGroupRows, withDuckDb } from "./parquet-conversion.ts";

/** Files above this are left alone, and a merged one does not grow much beyond it. Bytes. */
const LARGE_BYTES = 32_000_000;
/** A batch of the hour may be written this long after the hour: late flushes, a consumer that catches up. */
const SETTLE_MS = 15 * 60_000;
const HOUR_MS = 3_600_000;
/** Parquet with Snappy is about a third of the JSON lines it was made from (31 of 96 MB of orders). */
const JSON_PER_PARQUET = 3;

const hourEndMs = (file: LakeFile): number => {
  const [, day, hour] = /dt=(\d{4}-\d{2}-\d{2})\/hour=(\d{2})/.exec(file.path) ?? [];
  return Date.parse(`${day}T${hour}:00:00Z`) + HOUR_MS;
};

/** The small files of one closed hour, in the order of the log; the first such hour, or none. */
export const mergeable = (files: readonly LakeFile[], nowMs: number): LakeFile[] => {
  const byHour = new Map<string, LakeFile[]>();
  for (const file of files) {
    // Only files with all of today's columns are merged, so that the result has them too.
    if (file.bytes >= LARGE_BYTES || file.columns !== COLUMNS_ID || hourEndMs(file) + SETTLE_MS > nowMs) continue;
    const hour = path.posix.dirname(file.path);
    byHour.set(hour, [...(byHour.get(hour) ?? []), file]);
  }
  for (const small of byHour.values()) {
    const picked: LakeFile[] = [];
    for (let bytes = 0; picked.length < small.length && bytes < LARGE_BYTES; bytes += picked.at(-1)!.bytes)
      picked.push(small[picked.length]!);
    if (picked.length > 1) return picked;
  }
  return [];
};

/** Merges the small files of one closed hour. Answers whether there was one. */
export const compactClosedHour = async (
  folder: string,
  manifest: LakeManifest,
  options: ConversionOptions,
  nowMs: number,
): Promise<boolean> => {
  const old = mergeable(manifest.files(), nowMs);
  const first = old[0];
  if (first === undefined) return false;
  const rows = old.reduce((sum, file) => sum + file.rows, 0);
  const oldBytes = old.reduce((sum, file) => sum + file.bytes, 0);
  const groupRows = rowGroupRows(oldBytes * JSON_PER_PARQUET, rows);
  const staged = path.join(options.scratchFolder, "merged.parquet");
  await withDuckDb(options.scratchFolder, async (run) => {
    const paths = old.map((file) => quoted(path.join(folder, file.path))).join(", ");
    await run(
      `COPY (SELECT * FROM read_parquet([${paths}], hive_partitioning = false))
       TO ${quoted(staged)} (${parquetOptions(options.compression, groupRows)})`,
    );
    const [counts] = await run(`SELECT count(*) FROM read_parquet(${quoted(staged)}, hive_partitioning = false)`);
    if (Number(counts?.[0]) !== rows)
      throw new Error(`merging ${old.length} files kept ${String(counts?.[0])} of ${rows} rows`);
  });
  const [firstSeq, lastSeq] = [first.firstSeq, Math.max(...old.map((file) => file.lastSeq))];
  const name = `${path.posix.dirname(first.path)}/${fileName(firstSeq, lastSeq)}`;
  const bytes = await moveDurably(staged, folder, name);
  manifest.replace(old, { path: name, rows, bytes, firstSeq, lastSeq, columns: COLUMNS_ID }, nowMs);
  return true;
};
