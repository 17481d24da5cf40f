/**
 * The audit of one machine: a balanced account from the front door to the marts, or the entries that break it. It reads
 * beside a running home: a snapshot of every store, the log's last, so that nobody is ahead of the log. What is on the log
 * and not landed or not scored yet is told apart by the consumers' offsets; nothing is waited for. SQLite is scanned,
 * DuckDB spills: memory does not grow with the data.
 */
import { existsSync, mkdirSync, rmSync } from "node:fs";
import path from "node:path";
import { type DuckDBConnection, DuckDBInstance } from "@duckdb/node-api";
import { duckdbEmptyTable, duckdbJsonColumns, partitionOf } from "@ebb/lake/raw-events";
import { duckdbViews } from "@ebb/lake/views";
import type { Run } from "../batch-ports.ts";
import { type Account, AccountBook } from "./audit-account.ts";
import { auditCustomers } from "./audit-customers.ts";
import { auditLake } from "./audit-lake.ts";
import { auditLedger } from "./audit-ledger.ts";
import { type AuditCut, auditCut, eventsOfRecords, writeEvents } from "./audit-cut.ts";
import { auditCurated, auditMarts, curatedUntilMs, withoutTables } from "./audit-tables.ts";
import { batchTables } from "./batch-manifest.ts";
import { WITHOUT_BROKEN_STATISTICS, defineTable } from "./lake-tables.ts";
import { quoted } from "./parquet-conversion.ts";
import { ownSpillFolder } from "./query-engine.ts";

export interface AuditOptions {
  readonly memoryMb?: number;
  readonly threads?: number;
  /** Called with what is looked at next. */
  readonly onStep?: (step: string) => void;
}

/** @param home its folder; @throws DamagedFile where a store cannot be read */
export const auditHome = async (home: string, nowMs: number, options: AuditOptions = {}): Promise<Account> => {
  const lakeFolder = path.join(home, "lake");
  mkdirSync(lakeFolder, { recursive: true });
  const cut = auditCut(home);
  const scratch = ownSpillFolder(path.join(lakeFolder, "spill"));
  const instance = await DuckDBInstance.create(":memory:", {
    memory_limit: `${options.memoryMb ?? 512}MB`,
    threads: String(options.threads ?? 2),
    temp_directory: scratch,
    autoinstall_known_extensions: "false",
    autoload_known_extensions: "false",
  });
  const book = new AccountBook();
  const connections: DuckDBConnection[] = [];
  const connect = async (): Promise<DuckDBConnection> => {
    const connection = await instance.connect();
    connections.push(connection);
    await connection.run("SET GLOBAL TimeZone = 'UTC'");
    await connection.run(WITHOUT_BROKEN_STATISTICS);
    return connection;
  };
  try {
    options.onStep?.("front door");
    auditLedger(book, cut.log, cut.uploads, cut.head.events, nowMs);
    options.onStep?.("lake");
    const sound = await auditFiles(book, await connect(), lakeFolder, cut);
    if (sound) {
      const sources = await stage(cut, lakeFolder, scratch);
      const lake = await connect();
      for (const [name, sql] of Object.entries(sources)) await lake.run(`CREATE TEMP VIEW ${name} AS ${sql}`);
      await auditLake(book, { log: cut.log, connection: lake, refused: cut.refused });
      options.onStep?.("customer store");
      const scored = [await connect(), await connect()] as const;
      for (const connection of scored) {
        await connection.run(`CREATE TEMP VIEW raw_events AS ${sources.scored_events}`);
        for (const view of duckdbViews()) await connection.run(`CREATE TEMP VIEW ${view.name} AS ${view.sql}`);
      }
      await auditCustomers(book, cut.customers, scored);
      options.onStep?.("tables");
      await auditTables(book, home, cut, lake, scratch);
    }
    const { head, scored, landed } = cut;
    return book.account(new Date(nowMs).toISOString(), { ...head, scored, landed });
  } finally {
    for (const connection of connections) connection.closeSync();
    instance.closeSync();
    cut.close();
    rmSync(scratch, { recursive: true, force: true });
  }
};

const filesLine = "lake: every file that the manifest names is there and whole";

/** Files first: one that cannot be read is named, and what is in it cannot be compared. */
const auditFiles = async (
  book: AccountBook,
  connection: DuckDBConnection,
  folder: string,
  cut: AuditCut,
): Promise<boolean> => {
  let [wanted, found] = [0, 0];
  for (const file of cut.files) {
    wanted += file.rows;
    const full = path.join(folder, file.path);
    try {
      if (!existsSync(full)) throw new Error("It is not there.");
      const reader = await connection.runAndReadAll(`SELECT num_rows FROM parquet_file_metadata(${quoted(full)})`);
      const rows = Number(reader.getRows()[0]?.[0]);
      found += rows;
      if (rows !== file.rows) throw new Error(`It has ${rows} rows; ${file.rows} were written.`);
    } catch (error) {
      book.find({
        ...{ line: filesLine, store: "lake", fault: existsSync(full) ? "damaged" : "missing" },
        detail: `lake/${file.path}: ${(error as Error).message.split("\n", 1)[0]!} Put it back from a backup: files of the lake never change.`,
      });
    }
  }
  book.line({ name: filesLine, left: ["rows of the manifest", wanted], right: ["rows of the files", found] });
  return wanted === found;
};

const ndjson = (file: string): string =>
  `SELECT * FROM read_json(${quoted(file)}, format = 'newline_delimited', compression = 'uncompressed', ignore_errors = true, columns = ${duckdbJsonColumns()})`;

/** The relations of the audit, as SQL. What is in no file yet is written to files of its own. */
const stage = async (cut: AuditCut, folder: string, scratch: string) => {
  const { log, scored, landed, head } = cut;
  const pendingScored = path.join(scratch, "pending-scored.ndjson");
  const pending = path.join(scratch, "pending.ndjson");
  const unscored = path.join(scratch, "unscored.csv");
  await writeEvents(pendingScored, eventsOfRecords(log, landed, scored), (line) => line);
  await writeEvents(pending, eventsOfRecords(log, Math.max(landed, scored), head.seq), (line) => line);
  await writeEvents(unscored, eventsOfRecords(log, scored, landed), (_line, eventId) => eventId);
  const list = cut.files.map((file) => quoted(path.join(folder, file.path))).join(", ");
  const landedSql =
    cut.files.length === 0
      ? duckdbEmptyTable()
      : `${duckdbEmptyTable()} UNION ALL BY NAME SELECT * FROM read_parquet([${list}], hive_partitioning = true, hive_types = {'dt': VARCHAR, 'hour': VARCHAR}, union_by_name = true)`;
  const unscoredSql = `SELECT event_id FROM read_csv(${quoted(unscored)}, header = false, columns = {'event_id': 'VARCHAR'})`;
  return {
    landed_events: landedSql,
    waiting_events: `SELECT event_id, receipt_id FROM (${ndjson(pendingScored)}) UNION ALL SELECT event_id, receipt_id FROM (${ndjson(pending)})`,
    scored_events: `SELECT * FROM (${landedSql}) WHERE event_id NOT IN (${unscoredSql}) UNION ALL BY NAME ${ndjson(pendingScored)}`,
  };
};

const auditTables = async (
  book: AccountBook,
  home: string,
  cut: AuditCut,
  connection: DuckDBConnection,
  scratch: string,
): Promise<void> => {
  const run = lastRun(cut);
  const untilMs = curatedUntilMs(path.join(home, "objects/models/written-tables.json"));
  if (run === undefined || untilMs === undefined || run.state === "running") {
    const note = run?.state === "running" ? "a run is writing them" : "no run has written them";
    return withoutTables(book, { curated: true, marts: true }, note);
  }
  await connection.run("CREATE TEMP VIEW erased_customers AS SELECT NULL::VARCHAR AS customer_key WHERE false");
  for (const table of batchTables(path.join(home, "lake")))
    await defineTable(connection, path.join(home, "lake"), { ...table, name: table.name }).catch(() => undefined);
  const late = path.join(scratch, "late.csv");
  const { first, events } = lateEvents(cut, untilMs);
  await writeEvents(late, events, (_line, eventId) => eventId);
  await connection.run(
    `CREATE TEMP VIEW late_events AS SELECT event_id FROM read_csv(${quoted(late)}, header = false, columns = {'event_id': 'VARCHAR'})`,
  );
  const [, day, hour] = /dt=(.+)\/hour=(..)/.exec(partitionOf(untilMs))!;
  await auditCurated(book, connection, { hour: `${day!}T${hour!}`, hourIsKnown: first < untilMs });
  if (run.state === "succeeded") await auditMarts(book, connection, run.asOf);
  else withoutTables(book, { marts: true }, "the last run failed before it wrote them");
};

const lastRun = ({ runs }: AuditCut): Run | undefined => {
  const row = runs?.prepare("SELECT document FROM runs ORDER BY id DESC LIMIT 1").get() as
    { document: string } | undefined;
  return row === undefined ? undefined : (JSON.parse(row.document) as Run);
};

/** Events that arrived at or after an instant, and when the oldest record that the log still holds arrived. */
const lateEvents = (cut: AuditCut, fromMs: number) => {
  const first = cut.log.prepare("SELECT arrived_at_ms FROM records ORDER BY seq LIMIT 1").get() as
    { arrived_at_ms: number } | undefined;
  return { first: first?.arrived_at_ms ?? Infinity, events: eventsOfRecords(cut.log, 0, cut.head.seq, fromMs) };
};
