/**
 * SQL over the lake of one machine: DuckDB, in memory, over the Parquet files that the manifests name at the moment of
 * the query. Statements may read and nothing else, and reach no file but those of the lake.
 */
import { mkdirSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import path from "node:path";
import { duckdb } from "@ebb/lake/dialect";
import { type DuckDBConnection, DuckDBInstance, StatementType } from "@duckdb/node-api";
import type { QueryEngine, QueryResult, SqlValue } from "../ports.ts";
import { WITHOUT_BROKEN_STATISTICS, defineTables, lakeFolders } from "./lake-tables.ts";
import { LakeVersion } from "./lake-version.ts";
import { quoted } from "./parquet-conversion.ts";
import { sqlValueOf } from "./sql-values.ts";

/** The statement is wrong, or not one that may run. The message is for its author. */
export class QueryError extends Error {
  override readonly name = "QueryError";
}

export interface QueryEngineOptions {
  /** The lake's own folder. It need not exist: an empty lake has all its tables. */
  readonly folder: string;
  /** 256 where absent. What does not fit is spilled to the folder `spill` of the lake. */
  readonly memoryMb?: number;
  /** 2 where absent. */
  readonly threads?: number;
  /** A query that runs longer is stopped; 600,000 where absent. */
  readonly timeoutMs?: number;
}

export interface StreamedResult {
  readonly columns: QueryResult["columns"];
  /** To be read to its end or returned early; the connection is released then. */
  readonly rows: AsyncIterable<readonly SqlValue[]>;
}

interface Ready {
  readonly connection: DuckDBConnection;
  /** Of the manifests when its tables were defined. */
  readonly version: string;
}

/** Kept for the next queries. */
const KEPT_CONNECTIONS = 8;

export class DuckDbQueryEngine implements QueryEngine {
  readonly dialect = duckdb;
  readonly #options: QueryEngineOptions;
  readonly #instance: DuckDBInstance;
  readonly #spill: string;
  readonly #version: LakeVersion;
  /** Connections without a query, most of them with the tables of this moment. */
  readonly #idle: Ready[] = [];

  private constructor(options: QueryEngineOptions, instance: DuckDBInstance, spill: string) {
    this.#options = options;
    this.#version = new LakeVersion(options.folder);
    this.#instance = instance;
    this.#spill = spill;
  }

  static async open(options: QueryEngineOptions): Promise<DuckDbQueryEngine> {
    const folders = lakeFolders(options.folder);
    for (const each of folders) mkdirSync(each, { recursive: true });
    const spill = ownSpillFolder(path.join(options.folder, "spill"));
    const instance = await DuckDBInstance.create(":memory:", {
      memory_limit: `${options.memoryMb ?? 256}MB`,
      threads: String(options.threads ?? 2),
      temp_directory: spill,
      max_temp_directory_size: "10GB",
      autoinstall_known_extensions: "false",
      autoload_known_extensions: "false",
    });
    const connection = await instance.connect();
    await connection.run("SET GLOBAL TimeZone = 'UTC'");
    await connection.run(WITHOUT_BROKEN_STATISTICS);
    await connection.run(`SET GLOBAL allowed_directories = [${[...folders, spill].map(quoted).join(", ")}]`);
    await connection.run("SET GLOBAL enable_external_access = false");
    await connection.run("SET GLOBAL lock_configuration = true");
    connection.closeSync();
    return new DuckDbQueryEngine(options, instance, spill);
  }

  /** @throws QueryError for a statement that is wrong or may not run */
  async query(sql: string): Promise<QueryResult> {
    const { columns, rows } = await this.stream(sql);
    const all: (readonly SqlValue[])[] = [];
    for await (const row of rows) all.push(row);
    return { columns, rows: all };
  }

  async version(): Promise<string> {
    return this.#version.ofTables();
  }

  /** Like `query`, with the rows as they come. @throws QueryError */
  async stream(sql: string): Promise<StreamedResult> {
    const ready = await this.#ready();
    const { connection } = ready;
    try {
      const statement = await readOnlyStatement(connection, sql);
      const limitMs = this.#options.timeoutMs ?? 600_000;
      const timer = setTimeout(() => connection.interrupt(), limitMs);
      try {
        const result = await statement.stream();
        const columns = result
          .columnNames()
          .map((name, index) => ({ name, type: result.columnType(index).toString() }));
        return { columns, rows: rowsOf(result, timer, (failed) => this.#release(ready, failed)) };
      } catch (error) {
        clearTimeout(timer);
        throw error;
      }
    } catch (error) {
      this.#release(ready, true);
      throw asQueryError(error);
    }
  }

  /** A connection that sees the lake of this moment. Its tables are defined anew only when a manifest has changed. */
  async #ready(): Promise<Ready> {
    const version = this.#version.current();
    const at = this.#idle.findIndex((ready) => ready.version === version);
    const known = at < 0 ? undefined : this.#idle.splice(at, 1)[0];
    if (known !== undefined) return known;
    const connection = this.#idle.shift()?.connection ?? (await this.#instance.connect());
    try {
      await defineTables(connection, this.#options.folder);
    } catch (error) {
      connection.closeSync();
      throw error;
    }
    return { connection, version };
  }

  #release(ready: Ready, failed: boolean): void {
    if (failed || this.#closed || this.#idle.length >= KEPT_CONNECTIONS) ready.connection.closeSync();
    else this.#idle.push(ready);
  }

  #closed = false;

  close(): void {
    this.#closed = true;
    for (const { connection } of this.#idle.splice(0)) connection.closeSync();
    this.#version.close();
    this.#instance.closeSync();
    rmSync(this.#spill, { recursive: true, force: true });
  }
}

/** A folder that no other process spills to; those of processes that are gone are removed. */
export const ownSpillFolder = (folder: string): string => {
  mkdirSync(folder, { recursive: true });
  for (const name of readdirSync(folder))
    if (!isAlive(Number.parseInt(name, 10))) rmSync(path.join(folder, name), { recursive: true, force: true });
  return mkdtempSync(path.join(folder, `${process.pid}-`));
};

const isAlive = (pid: number): boolean => {
  if (!Number.isSafeInteger(pid)) return false;
  try {
    process.kill(pid, 0); // signal 0 asks only
    return true;
  } catch (error) {
    return error instanceof Error && "code" in error && error.code === "EPERM";
  }
};

type Result = Awaited<ReturnType<DuckDBConnection["stream"]>>;

async function* rowsOf(
  result: Result,
  timer: NodeJS.Timeout,
  release: (failed: boolean) => void,
): AsyncGenerator<readonly SqlValue[]> {
  let failed = true; // also when nobody reads on: what is left of the result goes with its connection
  try {
    for (;;) {
      const chunk = await result.fetchChunk();
      if (chunk === null || chunk.rowCount === 0) {
        failed = false;
        return;
      }
      for (const row of chunk.getRows()) yield row.map(sqlValueOf);
    }
  } catch (error) {
    throw asQueryError(error);
  } finally {
    clearTimeout(timer);
    release(failed);
  }
}

const readingTypes: ReadonlySet<StatementType> = new Set([StatementType.SELECT, StatementType.EXPLAIN]);
const comments = String.raw`(?:\s|--[^\n]*(?:\n|$)|/\*.*?\*/)*`;
const reads = new RegExp(
  `^${comments}(?:select|with|from|values|table|describe|desc|show|summarize|explain|\\()`,
  "is",
);
const explains = new RegExp(`^${comments}explain\\b(?:\\s+analyze\\b)?(?:\\s*\\([^)]*\\))?`, "is");

const READ_ONLY =
  "The lake is read-only: only SELECT, WITH, FROM, VALUES, DESCRIBE, SHOW, SUMMARIZE and EXPLAIN run here.";

/** The one statement in `sql`, prepared, if it only reads. */
const readOnlyStatement = async (connection: DuckDBConnection, sql: string) => {
  const extracted = await connection.extractStatements(sql);
  if (extracted.count !== 1)
    throw new QueryError(extracted.count === 0 ? "There is no statement." : "One statement at a time, please.");
  // By its first word, before it is prepared: preparing EXPORT DATABASE already makes a folder.
  if (!reads.test(sql)) throw new QueryError(READ_ONLY);
  // EXPLAIN ANALYZE runs what it explains, so what it explains must be allowed by itself.
  const explained = explains.exec(sql);
  if (explained !== null) await readOnlyStatement(connection, sql.slice(explained[0].length));
  // And by its type: WITH may also begin an INSERT.
  const statement = await extracted.prepare(0);
  if (!readingTypes.has(statement.statementType)) throw new QueryError(READ_ONLY);
  return statement;
};

const asQueryError = (error: unknown): Error => {
  if (error instanceof QueryError) return error;
  const message = (error instanceof Error ? error.message : String(error)).replace(/^Failed to \w+ statements?: /, "");
  if (/^INTERRUPT/i.test(message)) return new QueryError("The query took too long and was stopped.", { cause: error });
  return new QueryError(message, { cause: error });
};
