/** JSON lines to Parquet by DuckDB, checked: every line is there, and none breaks the definition of its columns. */
import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import { duckdbFaultCondition, duckdbJsonColumns } from "@ebb/lake/raw-events";
import { conversionFailed, linesOf, refusalOf, unlandable } from "@ebb/lake/landing";
import { DuckDBInstance } from "@duckdb/node-api";
import type { QuarantinedItem } from "../ports.ts";

/** A string as an SQL literal. */
export const quoted = (text: string): string => `'${text.replaceAll("'", "''")}'`;

/** JSON bytes of one row group. */
const ROW_GROUP_BYTES = 12_000_000;
/**
 * The same for what is converted while the home takes more in: the conversion of orders of 1 kB took 18 of 105 MB less,
 * at its peak the home's, and no more CPU. What is left is DuckDB's: it parses a vector of rows at a time.
 */
const ARRIVING_GROUP_BYTES = 4_000_000;
/** DuckDB works in vectors of this many rows: no row group is smaller. */
const VECTOR_ROWS = 2_048;
const MOST_ROW_GROUP_ROWS = 8_192;

/**
 * Rows of a row group, by the size of the rows. DuckDB gathers the lists of a group before it writes it, so what counts
 * is bytes: 25,728 orders of 3.7 kB in groups of 8,192 did not fit 128 MB, in groups of 2,048 they took the same CPU in
 * half the memory. Small rows: 8,192 cost half the CPU of 40,960.
 */
export const rowGroupRows = (jsonBytes: number, rows: number, groupBytes = ROW_GROUP_BYTES): number => {
  const fitting = Math.floor(groupBytes / (jsonBytes / Math.max(rows, 1)) / VECTOR_ROWS) * VECTOR_ROWS;
  return Math.min(Math.max(fitting, VECTOR_ROWS), MOST_ROW_GROUP_ROWS);
};

/**
 * Enough for every usual batch; rows of hundreds of kilobytes are tried again with the larger one. Orders of 20 to 30
 * lines need 144 MB: under a limit of 128 every batch of Online Retail was converted twice.
 */
const MEMORY_LIMITS = ["160MB", "512MB"] as const;

export interface Converted {
  /** Rows in the Parquet file; without any there is no file. */
  readonly rows: number;
  readonly refused: readonly QuarantinedItem[];
}

class Unconvertible extends Error {
  override readonly name = "Unconvertible";
}

export interface ConversionOptions {
  /** For spilling and for pieces of a batch that was refused; emptied by its owner. */
  readonly scratchFolder: string;
  readonly compression: string;
}

type Work<T> = (run: (sql: string) => Promise<unknown[][]>) => Promise<T>;

/** Runs work on a DuckDB of its own, so that its memory is given back afterwards. Work that lacks memory runs again. */
export const withDuckDb = async <T>(scratchFolder: string, work: Work<T>): Promise<T> => {
  try {
    return await withMemory(scratchFolder, MEMORY_LIMITS[0], work);
  } catch (error) {
    if (!(error instanceof Error && error.message.startsWith("Out of Memory Error"))) throw error;
    return await withMemory(scratchFolder, MEMORY_LIMITS[1], work);
  }
};

const withMemory = async <T>(scratchFolder: string, memoryLimit: string, work: Work<T>): Promise<T> => {
  const instance = await DuckDBInstance.create(":memory:", {
    threads: "1",
    memory_limit: memoryLimit,
    temp_directory: path.join(scratchFolder, "spill"),
    autoinstall_known_extensions: "false",
    autoload_known_extensions: "false",
  });
  const connection = await instance.connect();
  try {
    return await work(async (sql) => (await connection.runAndReadAll(sql)).getRows());
  } finally {
    connection.closeSync();
    instance.closeSync();
  }
};

/** COPY options of every Parquet file of the lake. */
export const parquetOptions = (compression: string, groupRows: number): string =>
  `FORMAT parquet, COMPRESSION ${compression.toLowerCase()}, ROW_GROUP_SIZE ${groupRows}`;

/** How DuckDB's messages about content begin. Any other error is the machine's or ours and must not cost an event. */
const contentErrors = /^(Invalid Input|Conversion|Out of Range) Error/;

/** JSON lines in files: whole lines, in the order of the files. */
export interface JsonLines {
  readonly files: readonly string[];
  readonly bytes: number;
  readonly lines: number;
}

/** Converts lines to one Parquet file. @throws Unconvertible where the content is at fault */
const convertAll = async (
  { files, bytes, lines }: JsonLines,
  parquet: string,
  options: ConversionOptions,
): Promise<void> => {
  const groupRows = rowGroupRows(bytes, lines, ARRIVING_GROUP_BYTES);
  await withDuckDb(options.scratchFolder, async (run) => {
    let copied: unknown;
    try {
      // The condition finds what DuckDB takes and the definition does not.
      const [counts] = await run(
        `COPY (
           SELECT * FROM read_json([${files.map(quoted).join(", ")}], format = 'newline_delimited', compression = 'uncompressed',
             columns = ${duckdbJsonColumns()})
           WHERE CASE WHEN ${duckdbFaultCondition()} THEN error('a row breaks the definition') ELSE true END
         ) TO ${quoted(parquet)} (${parquetOptions(options.compression, groupRows)})`,
      );
      copied = counts?.[0];
    } catch (error) {
      if (!(error instanceof Error && contentErrors.test(error.message))) throw error;
      throw new Unconvertible("DuckDB refused the content", { cause: error });
    }
    if (Number(copied) !== lines) throw new Unconvertible(`${lines} lines gave ${Number(copied)} rows`);
  });
};

/**
 * Converts JSON lines to one Parquet file. The usual case costs the conversion alone. Where it fails, each line
 * is checked against the definition, and what passes is halved until the lines are found that DuckDB itself refuses.
 */
export const convert = async (
  source: JsonLines,
  parquet: string,
  nowMs: number,
  options: ConversionOptions,
): Promise<Converted> => {
  if (source.lines === 0) return { rows: 0, refused: [] };
  try {
    await convertAll(source, parquet, options);
    return { rows: source.lines, refused: [] };
  } catch (error) {
    if (!(error instanceof Unconvertible)) throw error;
  }
  await mkdir(options.scratchFolder, { recursive: true });
  const refused: QuarantinedItem[] = [];
  const readable: Uint8Array[] = [];
  for (const file of source.files)
    for (const line of linesOf(await readFile(file))) {
      const refusal = refusalOf(line);
      if (refusal === undefined) readable.push(line);
      else refused.push(unlandable(line, refusal, nowMs));
    }
  const piece = path.join(options.scratchFolder, "piece.ndjson");
  const attempt = async (some: readonly Uint8Array[]): Promise<boolean> => {
    await writeFile(
      piece,
      some.flatMap((line) => [line, newline]),
    );
    try {
      const bytes = some.reduce((sum, line) => sum + line.length + 1, 0);
      await convertAll({ files: [piece], bytes, lines: some.length }, parquet, options);
      return true;
    } catch (error) {
      if (error instanceof Unconvertible) return false;
      throw error;
    }
  };
  const taken = async (some: readonly Uint8Array[]): Promise<Uint8Array[]> => {
    if (some.length === 0 || (await attempt(some))) return [...some];
    if (some.length === 1) {
      refused.push(unlandable(some[0]!, conversionFailed, nowMs));
      return [];
    }
    const middle = some.length >> 1;
    return [...(await taken(some.slice(0, middle))), ...(await taken(some.slice(middle)))];
  };
  const good = await taken(readable);
  // The last attempt was on a piece; the file itself is written from everything that is good.
  if (good.length > 0 && !(await attempt(good)))
    throw new Error("lines that convert one by one do not convert together");
  if (good.length === 0) await rm(parquet, { force: true });
  await rm(piece, { force: true });
  return { rows: good.length, refused };
};

const newline = Uint8Array.of(0x0a);
