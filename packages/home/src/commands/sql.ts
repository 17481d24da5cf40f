/** `ebb sql`: reads the lake, from a running home's folder or one at rest. */
import { existsSync, readFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import path from "node:path";
import { text as textOf } from "node:stream/consumers";
import { LakeManifest } from "@ebb/ports/embedded/lake-manifest";
import { LogReader } from "@ebb/ports/embedded/log-reader";
import { DuckDbQueryEngine, QueryError } from "@ebb/ports/embedded/query-engine";
import { UsageError, optionHelp, parseOptions } from "../command-line.ts";
import { readRunning } from "../home-folder.ts";
import { type Format, formats, writeRows } from "../result-formats.ts";

const isFormat = (text: string): text is Format => (formats as readonly string[]).includes(text);

const options = {
  format: {
    kind: "text",
    value: formats.join("|"),
    help: "table on a terminal, else csv",
    check: (text) => (isFormat(text) ? undefined : `one of ${formats.join(", ")}, not "${text}".`),
  },
  data: { kind: "text", value: "FOLDER", help: "the home's folder (.ebb)" },
  file: { kind: "text", value: "FILE", help: "read the statement from a file" },
  spreadsheet: { kind: "flag", help: "CSV that a spreadsheet opens safely: no text runs as a formula" },
  help: { kind: "flag", help: "show this" },
} as const satisfies Parameters<typeof parseOptions>[0];

const help = (): string => `Usage: ebb sql [OPTIONS] "SELECT …"
       ebb sql [OPTIONS] -          (the statement from standard input)

Queries the lake: raw_events and the views orders, order_lines, refunds, web_activity, social_activity, profiles,
identities, customer_rfm; after a batch run also customer_features, customer_segments, churn_scores, sales_daily and
the other tables that it writes. "SHOW TABLES" and "DESCRIBE orders" tell more, and docs/tables.md. The SQL is DuckDB's;
nothing but reading runs. A running home is asked to land what it has first.

${optionHelp(options)}

In JSON, decimals and timestamps are texts; integers beyond 2^53 too.
`;

/** Where the command reads and writes. */
export interface Io {
  readonly stdin: NodeJS.ReadableStream & { readonly isTTY?: boolean };
  readonly stdout: NodeJS.WritableStream & { readonly isTTY?: boolean; readonly columns?: number };
  readonly stderr: { write(text: string): unknown };
}

const statementFrom = async (file: string | undefined, positionals: readonly string[], io: Io): Promise<string> => {
  if (positionals.length > 1)
    throw new UsageError("One statement, please; put it in quotes, so that the shell leaves it whole.");
  const [given] = positionals;
  if (file !== undefined && given !== undefined) throw new UsageError("Either --file or a statement, not both.");
  if (file !== undefined) {
    try {
      return readFileSync(file, "utf8");
    } catch (error) {
      throw new UsageError(`--file ${file} cannot be read: ${(error as Error).message}`);
    }
  }
  if (given === "-" || (given === undefined && io.stdin.isTTY !== true)) return textOf(io.stdin);
  if (given === undefined) throw new UsageError(`There is no statement.\n\n${help()}`);
  return given;
};

/** Longer than the home itself takes before it gives up on its lake. */
const FLUSH_TIMEOUT_MS = 120_000;

/** Brings the newest events into the lake where a home can do so. Answers what the reader should know. */
const freshen = async (folder: string): Promise<string | undefined> => {
  const running = readRunning(folder);
  if (running !== undefined) {
    const answer = await fetch(`${running.url}/_ebb/flush`, {
      method: "POST",
      headers: { authorization: `Bearer ${running.controlToken}` },
      signal: AbortSignal.timeout(FLUSH_TIMEOUT_MS),
    }).catch((error: unknown) => error as Error);
    if (answer instanceof Response) {
      if (answer.ok) return undefined;
      return "The running home could not land its newest events; the answer may lack them.";
    }
    if (answer.name === "TimeoutError") return "The running home is busy; the answer may lack its newest events.";
  }
  const waiting = eventsNotLanded(folder);
  if (waiting === 0) return undefined;
  return `${waiting.toLocaleString("en")} events have not landed yet and are missing here; ebb start lands them.`;
};

/** Events on the log of a home at rest that are in no file yet. */
const eventsNotLanded = (folder: string): number => {
  if (!existsSync(path.join(folder, "log.db"))) return 0;
  const lake = path.join(folder, "lake");
  const log = new LogReader(folder);
  try {
    const manifest = existsSync(path.join(lake, "lake.db")) ? new LakeManifest(lake, { readOnly: true }) : undefined;
    const offset = manifest?.offset() ?? 0;
    manifest?.close();
    const [next] = log.read(offset, 1, 1);
    return next === undefined ? 0 : log.head().events - next.firstNumber;
  } finally {
    log.close();
  }
};

/** Gathers small writes and waits while the other side is slow. */
const writerTo = (stream: NodeJS.WritableStream) => {
  let pending = "";
  const flush = async (): Promise<void> => {
    const chunk = pending;
    pending = "";
    if (chunk !== "" && !stream.write(chunk)) await new Promise((resolve) => stream.once("drain", resolve));
  };
  const write = async (chunk: string): Promise<void> => {
    pending += chunk;
    if (pending.length >= 65_536) await flush();
  };
  return { write, flush };
};

/** Answers the exit code: 0, or 1 when the statement or the lake is at fault. @throws UsageError */
export const sqlCommand = async (args: readonly string[], io: Io): Promise<number> => {
  const { values, positionals } = parseOptions(options, args);
  if (values.help === true) {
    io.stdout.write(help());
    return 0;
  }
  const folder = path.resolve(values.data ?? ".ebb");
  const statement = await statementFrom(values.file, positionals, io);
  if (!existsSync(folder)) {
    io.stderr.write(`There is no home in ${folder}. npm start makes one; --data names another folder.\n`);
    return 1;
  }
  const format =
    values.format !== undefined && isFormat(values.format)
      ? values.format
      : io.stdout.isTTY === true && values.spreadsheet !== true
        ? "table"
        : "csv";
  if (values.spreadsheet === true && format !== "csv") throw new UsageError("--spreadsheet is for --format csv.");

  const note = await freshen(folder);
  if (note !== undefined) io.stderr.write(`${note}\n`);
  const engine = await DuckDbQueryEngine.open({
    folder: path.join(folder, "lake"),
    memoryMb: 1024,
    threads: availableParallelism(),
  });
  try {
    const startedMs = performance.now();
    const { write, flush } = writerTo(io.stdout);
    const written = await writeRows(
      format,
      await engine.stream(statement),
      { width: io.stdout.columns ?? 80, spreadsheet: values.spreadsheet === true },
      write,
    );
    await flush();
    const seconds = ((performance.now() - startedMs) / 1000).toFixed(2);
    io.stderr.write(`${written.rows.toLocaleString("en")} ${written.rows === 1 ? "row" : "rows"} in ${seconds} s\n`);
    for (const line of written.notes) io.stderr.write(`${line}\n`);
    return 0;
  } catch (error) {
    if (!(error instanceof QueryError)) throw error;
    io.stderr.write(`${error.message}\n`);
    return 1;
  } finally {
    engine.close();
  }
};

export const run = (args: readonly string[]): Promise<number> => {
  // The reader of a pipe may leave early (`| head`): that is no error.
  process.stdout.on("error", (error: NodeJS.ErrnoException) => process.exit(error.code === "EPIPE" ? 0 : 1));
  return sqlCommand(args, process);
};
