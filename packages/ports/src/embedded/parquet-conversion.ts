/** JSON lines to Parquet by DuckDB, checked: every line is there, and none breaks the definition of its columns. */
import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import { duckdbFaultCondition, duckdbJsonColumns } from "@ebb/lake/raw-events";
import { conversionFailed, linesOf, refusalOf, unlandable } from "@ebb/lake/landing";
import { DuckDBInstance } from "@duckdb/node-api";
import type { QuarantinedItem } from "../ports.ts";

/** A string as an SQL literal. */
export const quoted = (text: string): string => `'${text.replaceAll("'", "''")}'`;

/**
 * Rows of a row group. Measured on orders of ten lines: 8,192 rows cost half the CPU of 40,960, because DuckDB gathers
 * the lists of a group before it writes it, and need 128 MB at most.
 */
const ROW_GROUP_ROWS = 8_192;
const MEMORY_LIMIT = "128MB";

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

/** Runs work on a DuckDB of its own, so that its memory is given back afterwards. */
export const withDuckDb = async <T>(
  scratchFolder: string,
  work: (run: (sql: string) => Promise<unknown[][]>) => Promise<T>,
): Promise<T> => {
  const instance = await DuckDBInstance.create(":memory:", {
    threads: "1",
    memory_limit: MEMORY_LIMIT,
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
export const parquetOptions = (compression: string): string =>
  `FORMAT parquet, COMPRESSION ${compression.toLowerCase()}, ROW_GROUP_SIZE ${ROW_GROUP_ROWS}`;

/** How DuckDB's messages about content begin. Any other error is the machine's or ours and must not cost an event. */
const contentErrors = /^(Invalid Input|Conversion|Out of Range) Error/;

/** Converts a file of `lines` lines. @throws Unconvertible where the content is at fault */
const convertAll = async (
  ndjson: string,
  parquet: string,
  lines: number,
  options: ConversionOptions,
): Promise<void> => {
  await withDuckDb(options.scratchFolder, async (run) => {
    try {
      await run(
        `COPY (SELECT * FROM read_json(${quoted(ndjson)}, format = 'newline_delimited', compression = 'uncompressed',
           columns = ${duckdbJsonColumns()})) TO ${quoted(parquet)} (${parquetOptions(options.compression)})`,
      );
    } catch (error) {
      if (!(error instanceof Error && contentErrors.test(error.message))) throw error;
      throw new Unconvertible("DuckDB refused the content", { cause: error });
    }
    // Reading it back proves the file, and finds what DuckDB takes and the definition does not.
    const [counts] = await run(
      `SELECT count(*), count(*) FILTER (WHERE ${duckdbFaultCondition()}) FROM read_parquet(${quoted(parquet)}, hive_partitioning = false)`,
    );
    if (Number(counts?.[0]) !== lines || counts?.[1] !== 0n) throw new Unconvertible("rows are missing or broken");
  });
};

/**
 * Converts a file of JSON lines to one Parquet file. The usual case costs the conversion alone. Where it fails, each line
 * is checked against the definition, and what passes is halved until the lines are found that DuckDB itself refuses.
 */
export const convert = async (
  ndjson: string,
  parquet: string,
  lines: number,
  nowMs: number,
  options: ConversionOptions,
): Promise<Converted> => {
  if (lines === 0) return { rows: 0, refused: [] };
  try {
    await convertAll(ndjson, parquet, lines, options);
    return { rows: lines, refused: [] };
  } catch (error) {
    if (!(error instanceof Unconvertible)) throw error;
  }
  await mkdir(options.scratchFolder, { recursive: true });
  const refused: QuarantinedItem[] = [];
  const readable: Uint8Array[] = [];
  for (const line of linesOf(await readFile(ndjson))) {
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
      await convertAll(piece, parquet, some.length, options);
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
