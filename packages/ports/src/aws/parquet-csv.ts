/**
 * Parquet as CSV with a header, in a function: what is uploaded goes through one pipeline, whatever its format. The rows are
 * those that the embedded home's reader gives (`embedded/parquet-csv.ts`).
 */
import { createWriteStream } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import path from "node:path";
import { Readable, Transform } from "node:stream";
import { pipeline } from "node:stream/promises";
import { brotliDecompressSync, gunzipSync, zstdDecompressSync } from "node:zlib";
import { type FileMetaData, asyncBufferFromFile, parquetMetadataAsync, parquetRead } from "hyparquet";
import { ParquetUnreadable } from "../source-ports.ts";
import { type TextOf, columnText, parsers } from "./parquet-text.ts";

/** A function has 512 MB of disk. */
const MOST_BYTES = 400_000_000;
/** Column data that is unpacked at once, bytes: as objects it takes some eight times that. */
const AT_ONCE_BYTES = 32_000_000;

/** Snappy is the reader's own. */
const compressors = {
  GZIP: (input: Uint8Array) => gunzipSync(input),
  BROTLI: (input: Uint8Array) => brotliDecompressSync(input),
  ZSTD: (input: Uint8Array) => zstdDecompressSync(input),
};
const codecs: ReadonlySet<string> = new Set(["UNCOMPRESSED", "SNAPPY", ...Object.keys(compressors)]);

/**
 * Times are UTC, `YYYY-MM-DD HH:MM:SS`; lists and structs are JSON.
 * @param folder where the file lies meanwhile
 * @throws ParquetUnreadable, and whatever `bytes` throws
 */
export async function* parquetAsCsv(bytes: AsyncIterable<Uint8Array>, folder: string): AsyncGenerator<Uint8Array> {
  const own = await mkdtemp(path.join(folder, "parquet-"));
  try {
    const parquet = path.join(own, "in.parquet");
    await pipeline(Readable.from(bytes), bounded(MOST_BYTES), createWriteStream(parquet, { mode: 0o600 }));
    const rows = rowsOf(parquet);
    for (let read = await nextOf(rows); read.done !== true; read = await nextOf(rows)) yield read.value;
  } finally {
    await rm(own, { recursive: true, force: true });
  }
}

/** Not around the spooling nor around who takes the rows: their errors say nothing of the file. */
const nextOf = async (rows: AsyncGenerator<Uint8Array>): Promise<IteratorResult<Uint8Array>> => {
  try {
    return await rows.next();
  } catch (error) {
    if (error instanceof ParquetUnreadable || isOfTheMachine(error)) throw error;
    // The reader's words may hold a value.
    throw new ParquetUnreadable("The file cannot be read as Parquet: it is damaged, or something else.", {
      cause: error,
    });
  }
};

const bounded = (most: number): Transform => {
  let bytes = 0;
  return new Transform({
    transform(chunk: Uint8Array, _encoding, done) {
      bytes += chunk.length;
      if (bytes > most)
        done(
          new ParquetUnreadable(`A Parquet file of more than ${most / 1_000_000} MB is not read here: write several.`),
        );
      else done(null, chunk);
    },
  });
};

/** Errors of the file system have a number; the reader's are plain. */
const isOfTheMachine = (error: unknown): boolean => error instanceof Error && "errno" in error;

async function* rowsOf(parquet: string): AsyncGenerator<Uint8Array> {
  const file = await asyncBufferFromFile(parquet);
  const found = await parquetMetadataAsync(file, { geoparquet: false });
  const unread = found.row_groups
    .flatMap(({ columns }) => columns.map(({ meta_data: about }) => about?.codec ?? "UNCOMPRESSED"))
    .find((codec) => !codecs.has(codec));
  if (unread !== undefined)
    throw new ParquetUnreadable(`Parquet files compressed by ${unread} are not read here: use Snappy, ZSTD or gzip.`);
  const { metadata, names, texts } = columnsOf(found);
  yield Buffer.from(`${names.map(cell).join(",")}\n`);
  for (const [rowStart, rowEnd] of ranges(metadata)) {
    let rows: unknown[][] = [];
    await parquetRead({
      ...{ file, metadata, rowStart, rowEnd, compressors, parsers },
      utf8: false, // bytes without a meaning stay bytes
      geoparquet: false,
      rowFormat: "array",
      onComplete: (read) => (rows = read),
    });
    if (rows.length !== rowEnd - rowStart) throw new Error(`${rows.length} rows of ${rowEnd - rowStart}`);
    yield Buffer.from(rows.map((row) => lineOf(row, texts)).join(""));
  }
}

/** The columns as the reader is to see them, and how each one's values are told. */
const columnsOf = (
  found: FileMetaData,
): { readonly metadata: FileMetaData; readonly names: string[]; readonly texts: TextOf[] } => {
  const [root, ...elements] = found.schema;
  const names: string[] = [];
  const texts: TextOf[] = [];
  const schema = [root!];
  /** Elements below the top that are still to come. */
  let below = 0;
  for (const element of elements) {
    if (below > 0) {
      below += (element.num_children ?? 0) - 1;
      schema.push(element);
      continue;
    }
    const { element: read, textOf } = columnText(element);
    schema.push(read);
    names.push(element.name);
    texts.push(textOf);
    below = element.num_children ?? 0;
  }
  return { metadata: { ...found, schema }, names, texts };
};

/** Runs of rows within their row groups, [start, end). */
function* ranges({ row_groups: groups }: FileMetaData): Generator<[number, number]> {
  let first = 0;
  for (const { num_rows: counted, total_byte_size: size } of groups) {
    const end = first + Number(counted);
    const step = Math.ceil(Number(counted) / Math.ceil(Number(size) / AT_ONCE_BYTES || 1));
    for (let from = first; from < end; from += step) yield [from, Math.min(from + step, end)];
    first = end;
  }
}

const lineOf = (row: readonly unknown[], texts: readonly TextOf[]): string =>
  `${texts.map((textOf, at) => (row[at] === null || row[at] === undefined ? "" : cell(textOf(row[at])))).join(",")}\n`;

/** RFC 4180; an empty text is told from no value. */
const cell = (text: string): string =>
  text === "" || /[",\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
