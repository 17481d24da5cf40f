/**
 * Tables that sources fill, on one machine: parts are staged as tab-separated text, made into typed Parquet by DuckDB
 * when the load commits, and put in the place of what was there by one swap of the manifest.
 */
import { randomBytes } from "node:crypto";
import { mkdirSync } from "node:fs";
import { mkdir, open, readdir, rename, rm } from "node:fs/promises";
import path from "node:path";
import { type DuckDBConnection, DuckDBInstance } from "@duckdb/node-api";
import type { CommittedTable, Row, SourceCommit, SourceTable, SourceTables } from "../source-ports.ts";
import { SourceProblem } from "../source-ports.ts";
import { moveDurably } from "./lake-files.ts";
import { WITHOUT_BROKEN_STATISTICS } from "./lake-tables.ts";
import { quoted } from "./parquet-conversion.ts";
import { ownSpillFolder } from "./query-engine.ts";
import { type Engine, MadeAhead } from "./source-ahead.ts";
import { heldColumns } from "./source-held.ts";
import { SOURCES_FOLDER, SourceManifest } from "./source-manifest.ts";
import {
  type Stored,
  TABLE_OPTIONS,
  differSql,
  duckdbTypeOf,
  keptSql,
  keySql,
  keyTable,
  mayBeWhole,
  parquet,
  sameKeys,
  stagedSql,
  storedSql,
  wholeSql,
} from "./source-sql.ts";
import { stagedText } from "./source-text.ts";

export interface SourceTablesOptions {
  /** The lake's own folder. */
  readonly lakeFolder: string;
  /** 128 where absent: what does not fit is spilled to the folder `spill` of the lake. */
  readonly memoryMb?: number;
  /** Staged text that is made Parquet while a load reads on: 16 MB where absent. */
  readonly aheadBytes?: number;
  readonly now: () => number;
}

/** Replaced files stay this long for queries that began before: no query runs longer. */
const REPLACED_KEPT_MS = 3_600_000;
/** Text that is gathered before it is written. */
const WRITE_BYTES = 1 << 20;

const one = async (connection: DuckDBConnection, sql: string): Promise<number> =>
  Number((await connection.runAndReadAll(sql)).getRows()[0]?.[0] ?? 0);

export class EmbeddedSourceTables implements SourceTables {
  readonly #options: SourceTablesOptions;
  readonly #manifest: SourceManifest;
  readonly #spill: string;
  /** By load. */
  readonly #ahead = new Map<string, MadeAhead>();

  /** Opens the tables for writing and clears what a crash left behind. One process at a time may do so. */
  static async open(options: SourceTablesOptions): Promise<EmbeddedSourceTables> {
    mkdirSync(path.join(options.lakeFolder, SOURCES_FOLDER, "staging"), { recursive: true });
    const tables = new EmbeddedSourceTables(options);
    await tables.#removeUnnamed();
    return tables;
  }

  private constructor(options: SourceTablesOptions) {
    this.#options = options;
    this.#manifest = new SourceManifest(options.lakeFolder, { readOnly: false });
    this.#spill = ownSpillFolder(path.join(options.lakeFolder, "spill"));
  }

  async stage(loadId: string, table: SourceTable, part: number, rows: AsyncIterable<readonly Row[]>): Promise<number> {
    return await this.#writeRows(loadId, table.name, part, rows);
  }

  async stageText(loadId: string, table: SourceTable, part: number, text: AsyncIterable<Buffer>): Promise<void> {
    await this.#write(loadId, table.name, part, text);
  }

  async stageKeys(loadId: string, table: SourceTable, rows: AsyncIterable<readonly Row[]>): Promise<number> {
    return await this.#writeRows(loadId, `${table.name}.keys`, 0, rows);
  }

  settled(commit: SourceCommit, parts: number): void {
    if (mayBeWhole(commit)) this.#aheadOf(commit).settled(parts);
  }

  async stopped(loadId: string): Promise<void> {
    await this.#ahead.get(loadId)?.stop();
    this.#ahead.delete(loadId);
  }

  async *removed(commit: SourceCommit, columns: readonly string[]): AsyncIterable<readonly Row[]> {
    const stored = this.#stored(commit.table.name);
    if (stored === undefined || (commit.mode === "merge" && !commit.keysStaged)) return;
    const reading = await this.#connect();
    try {
      await this.#define(reading.connection, commit);
      const select = columns.map((name) => `CAST("${name}" AS VARCHAR)`).join(", ");
      const result = await reading.connection.stream(
        `SELECT ${select} FROM current_rows c WHERE NOT EXISTS (SELECT 1 FROM existing k WHERE ${sameKeys(commit.table)})`,
      );
      for (;;) {
        const chunk = await result.fetchChunk();
        if (chunk === null || chunk.rowCount === 0) return;
        yield chunk.getRows() as Row[];
      }
    } finally {
      reading.close();
    }
  }

  async commit(commit: SourceCommit): Promise<readonly CommittedTable[]> {
    const done = this.#manifest.tables().find(({ name, load }) => name === commit.table.name && load === commit.loadId);
    if (done !== undefined) return []; // it was committed before a crash could note it down
    const { connection, close } = await this.#connect();
    const folder = path.join(this.#options.lakeFolder, SOURCES_FOLDER, "staging", commit.loadId);
    try {
      const ready = await this.#define(connection, commit);
      const { table, lines } = commit;
      const counts = await this.#counts(connection, commit);
      const committed: CommittedTable[] = [{ name: table.name, ...counts }];
      if (await this.#changesNothing(connection, commit, counts)) return committed;
      const made = ready ?? [await this.#result(connection, folder, table.name, keptSql(commit))];
      const results: Result[] = [{ table, files: made }];
      if (lines !== undefined) {
        const sql = `SELECT * FROM current_lines l
          WHERE NOT EXISTS (SELECT 1 FROM staged_rows s WHERE s."${lines.parentKey}" = l."${lines.parent}")
            AND EXISTS (SELECT 1 FROM (${keptSql(commit)}) k WHERE k."${lines.parentKey}" = l."${lines.parent}")
          UNION ALL SELECT * FROM staged_lines l
          WHERE EXISTS (SELECT 1 FROM staged_rows s WHERE s."${lines.parentKey}" = l."${lines.parent}" AND NOT s.__deleted)`;
        const file = await this.#result(connection, folder, lines.table.name, sql);
        results.push({ table: lines.table, files: [file] });
        const before = await one(connection, "SELECT count(*) FROM current_lines");
        const rows = await one(connection, `SELECT count(*) FROM ${parquet([file])}`);
        const came = Math.max(0, rows - before);
        committed.push({
          name: lines.table.name,
          rows,
          inserted: came,
          deleted: came + before - rows,
          updated: 0,
          unchanged: Math.min(rows, before),
        });
      }
      const held = await Promise.all(
        results.map(({ table: filled, files }, at) => heldColumns(connection, files, filled, committed[at]!.rows)),
      );
      await this.#swap(commit, results);
      return committed.map((one, at) => ({ ...one, columns: held[at]! }));
    } catch (error) {
      throw problemOf(error, commit);
    } finally {
      close();
    }
  }

  async discard(loadId: string): Promise<void> {
    await this.stopped(loadId);
    await rm(path.join(this.#options.lakeFolder, SOURCES_FOLDER, "staging", loadId), { recursive: true, force: true });
  }

  async close(): Promise<void> {
    for (const loadId of this.#ahead.keys()) await this.stopped(loadId);
    this.#manifest.close();
    await rm(this.#spill, { recursive: true, force: true });
  }

  async #writeRows(loadId: string, table: string, part: number, rows: AsyncIterable<readonly Row[]>): Promise<number> {
    let count = 0;
    const text = async function* (): AsyncIterable<Buffer> {
      for await (const block of rows) {
        count += block.length;
        yield Buffer.from(stagedText(block));
      }
    };
    await this.#write(loadId, table, part, text());
    return count;
  }

  /** Text of rows under a name that only a whole part has, durable. */
  async #write(loadId: string, table: string, part: number, text: AsyncIterable<Buffer>): Promise<void> {
    const folder = path.join(this.#options.lakeFolder, SOURCES_FOLDER, "staging", loadId, table);
    await mkdir(folder, { recursive: true });
    const name = path.join(folder, String(part).padStart(6, "0"));
    const handle = await open(`${name}.writing`, "w");
    const gathered = Buffer.allocUnsafe(WRITE_BYTES);
    let bytes = 0;
    try {
      for await (const piece of text) {
        if (bytes + piece.length > gathered.length) {
          await handle.appendFile(gathered.subarray(0, bytes));
          await handle.appendFile(piece);
          bytes = 0;
        } else bytes += piece.copy(gathered, bytes);
      }
      await handle.appendFile(gathered.subarray(0, bytes));
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(`${name}.writing`, `${name}.tsv`);
  }

  /**
   * Views `staged_rows`, `current_rows`, `existing`, and the lines' where there are any. Answers the files that are the table
   * already, where what was staged is all there is.
   */
  async #define(connection: DuckDBConnection, commit: SourceCommit): Promise<readonly string[] | undefined> {
    const { table, lines, loadId } = commit;
    const folder = path.join(this.#options.lakeFolder, SOURCES_FOLDER, "staging", loadId);
    const staged = path.join(folder, `${table.name}.parquet`);
    const ready = await this.#whole(connection, commit, staged);
    if (ready === undefined) {
      await this.#convert(connection, folder, table, staged);
      await connection.run(
        `CREATE OR REPLACE TEMP VIEW staged_rows AS SELECT * EXCLUDE (__part) FROM ${parquet([staged])}`,
      );
      await this.#onlyNewest(connection, commit, staged);
    }
    await connection.run(`CREATE OR REPLACE TEMP VIEW current_rows AS ${this.#currentSql(table)}`);
    const keys = path.join(folder, `${table.name}.keys`);
    await connection.run(
      commit.keysStaged
        ? `CREATE OR REPLACE TEMP TABLE existing AS ${stagedSql(keys, keyTable(table))}`
        : `CREATE OR REPLACE TEMP VIEW existing AS SELECT ${keySql(table)} FROM staged_rows`,
    );
    if (lines === undefined) return ready;
    const parts = path.join(folder, `${lines.table.name}.parquet`);
    await this.#convert(connection, folder, lines.table, parts);
    const newest = `SELECT l.* EXCLUDE (__part, __deleted) FROM ${parquet([parts])} l
      WHERE l.__part = (SELECT max(p.__part) FROM ${parquet([staged])} p WHERE p."${lines.parentKey}" = l."${lines.parent}")`;
    await connection.run(`CREATE OR REPLACE TEMP VIEW staged_lines AS ${newest}`);
    await connection.run(`CREATE OR REPLACE TEMP VIEW current_lines AS ${this.#currentSql(lines.table)}`);
    return undefined;
  }

  /**
   * Makes the table's files of the staged text in one go, as most loads of everything allow: nothing marks rows as deleted,
   * no lines hang on them, and no row was read twice. Answers the files, and none where it is not so.
   */
  async #whole(
    connection: DuckDBConnection,
    commit: SourceCommit,
    staged: string,
  ): Promise<readonly string[] | undefined> {
    const { table } = commit;
    if (!mayBeWhole(commit)) return undefined;
    const { files: ahead, rest } = await this.#aheadOf(commit).end();
    const files = rest.length === 0 ? ahead : [...ahead, staged];
    if (files.length === 0) return undefined;
    if (rest.length > 0) await connection.run(wholeSql(table, rest, staged));
    const twice = `SELECT 1 FROM ${parquet(files)} GROUP BY ${keySql(table)} HAVING count(*) > 1 LIMIT 1`;
    if ((await connection.runAndReadAll(twice)).currentRowCount > 0) return undefined;
    await connection.run(
      `CREATE OR REPLACE TEMP VIEW staged_rows AS SELECT *, false AS __deleted FROM ${parquet(files)}`,
    );
    return files;
  }

  #aheadOf({ loadId, table }: SourceCommit): MadeAhead {
    const known = this.#ahead.get(loadId);
    if (known !== undefined) return known;
    const made = new MadeAhead({
      folder: path.join(this.#options.lakeFolder, SOURCES_FOLDER, "staging", loadId, table.name),
      // One thread beside the one that reads.
      connect: () => this.#connect(1),
      copySql: (parts, file) => wholeSql(table, parts, file),
      batchBytes: this.#options.aheadBytes,
    });
    this.#ahead.set(loadId, made);
    return made;
  }

  async #convert(connection: DuckDBConnection, folder: string, table: SourceTable, target: string): Promise<void> {
    const parts = path.join(folder, table.name);
    const rows = stagedSql((await hasParts(parts)) ? parts : undefined, table);
    await connection.run(`COPY (${rows}) TO ${quoted(target)} (${TABLE_OPTIONS})`);
  }

  /**
   * A row that a resumed load read twice counts as its later part has it. Twice in one part is a key that does not tell
   * rows apart.
   */
  async #onlyNewest(
    connection: DuckDBConnection,
    { table, source: name }: SourceCommit,
    staged: string,
  ): Promise<void> {
    const source = parquet([staged]);
    const twice = await connection.runAndReadAll(
      `SELECT count(*) AS keys, max(in_part) AS worst FROM (
         SELECT ${keySql(table)}, count(*) AS n, count(*) - count(DISTINCT __part) + 1 AS in_part FROM ${source} GROUP BY ${keySql(table)} HAVING count(*) > 1)`,
    );
    const [keys, worst] = twice.getRows()[0]!.map(Number);
    if (keys === 0) return;
    if (worst! > 1)
      throw new SourceProblem(
        "not_unique",
        name,
        `${keys!.toLocaleString("en")} values of the key ${table.key.join(", ")} stand in more than one row: the key has to be unique.`,
        { field: table.key[0] },
      );
    await connection.run(
      `CREATE OR REPLACE TEMP VIEW staged_rows AS SELECT * EXCLUDE (__part) FROM (
         SELECT * FROM ${source} QUALIFY row_number() OVER (PARTITION BY ${keySql(table)} ORDER BY __part DESC) = 1)`,
    );
  }

  async #counts(connection: DuckDBConnection, commit: SourceCommit): Promise<Omit<CommittedTable, "name">> {
    const { table } = commit;
    const before = await one(connection, "SELECT count(*) FROM current_rows");
    const rows = await one(connection, `SELECT count(*) FROM (${keptSql(commit)})`);
    if (before === 0) return { rows, inserted: rows, updated: 0, deleted: 0, unchanged: 0 };
    const met = await connection.runAndReadAll(
      `SELECT count(*) FILTER (WHERE NOT s.__deleted), count(*) FILTER (WHERE NOT s.__deleted AND ${differSql(table)})
       FROM current_rows c JOIN staged_rows s ON ${keySql(table, (name) => `c."${name}" = s."${name}"`, " AND ")}`,
    );
    const [known, updated] = met.getRows()[0]!.map(Number);
    const fresh = await one(connection, "SELECT count(*) FROM staged_rows WHERE NOT __deleted");
    const inserted = fresh - known!;
    return {
      rows,
      inserted,
      updated: updated!,
      deleted: before + inserted - rows,
      unchanged: rows - inserted - updated!,
    };
  }

  /** An hour's overlap read again is no reason to write a table anew. */
  async #changesNothing(
    connection: DuckDBConnection,
    { table, lines }: SourceCommit,
    { inserted, updated, deleted }: Omit<CommittedTable, "name">,
  ): Promise<boolean> {
    const stored = this.#stored(table.name);
    if (stored === undefined || inserted + updated + deleted > 0) return false;
    const types = (columns: readonly { readonly name: string; readonly type: string }[]): string =>
      JSON.stringify(columns.map(({ name, type }) => [name, type]));
    if (types(stored.columns) !== types(table.columns.map(({ name, type }) => ({ name, type: duckdbTypeOf(type) }))))
      return false;
    return lines === undefined || (await one(connection, "SELECT count(*) FROM staged_rows")) === 0;
  }

  async #result(connection: DuckDBConnection, folder: string, name: string, sql: string): Promise<string> {
    const file = path.join(folder, `${name}.result.parquet`);
    await connection.run(`COPY (${sql}) TO ${quoted(file)} (${TABLE_OPTIONS})`);
    return file;
  }

  async #swap(commit: SourceCommit, results: readonly Result[]): Promise<void> {
    const { lakeFolder, now } = this.#options;
    const loaded = [];
    for (const { table, files } of results) {
      const names: string[] = [];
      for (const file of files) {
        const name = `${SOURCES_FOLDER}/${table.name}/${commit.loadId}-${randomBytes(4).toString("hex")}.parquet`;
        await moveDurably(file, lakeFolder, name);
        names.push(name);
      }
      loaded.push({
        name: table.name,
        columns: table.columns.map(({ name: column, type }) => ({ name: column, type: duckdbTypeOf(type) })),
        files: names,
        ...(table === commit.lines?.table
          ? { parent: { table: commit.table.name, column: commit.lines.parent, key: commit.lines.parentKey } }
          : {}),
      });
    }
    this.#manifest.swap(commit.loadId, loaded, now());
    for (const name of this.#manifest.forget(now() - REPLACED_KEPT_MS))
      await rm(path.join(lakeFolder, name), { force: true });
  }

  #stored(name: string): Stored | undefined {
    const table = this.#manifest.tables().find((stored) => stored.name === name);
    if (table === undefined) return undefined;
    return { columns: table.columns, files: table.files.map((file) => path.join(this.#options.lakeFolder, file)) };
  }

  /** What stands there now, in the columns of this load. */
  #currentSql(table: SourceTable): string {
    return storedSql(table, this.#stored(table.name));
  }

  async #connect(threads = 2): Promise<Engine> {
    const instance = await DuckDBInstance.create(":memory:", {
      memory_limit: `${this.#options.memoryMb ?? 128}MB`,
      threads: String(threads),
      temp_directory: this.#spill,
      autoinstall_known_extensions: "false",
      autoload_known_extensions: "false",
    });
    const connection = await instance.connect();
    await connection.run("SET GLOBAL TimeZone = 'UTC'");
    await connection.run("SET preserve_insertion_order = false");
    await connection.run(WITHOUT_BROKEN_STATISTICS);
    return {
      connection,
      close: () => {
        connection.closeSync();
        instance.closeSync();
      },
    };
  }

  /** Files that a crash left between their move and the swap, and those of staged text, of which they are made again. */
  async #removeUnnamed(): Promise<void> {
    const { lakeFolder } = this.#options;
    const named = this.#manifest.named();
    for (const entry of await readdir(path.join(lakeFolder, SOURCES_FOLDER), {
      recursive: true,
      withFileTypes: true,
    })) {
      const file = path.join(entry.parentPath, entry.name);
      const name = path.relative(lakeFolder, file).split(path.sep).join("/");
      if (entry.isFile() && name.endsWith(".parquet") && !named.has(name)) await rm(file, { force: true });
    }
  }
}

interface Result {
  readonly table: SourceTable;
  readonly files: readonly string[];
}

const hasParts = async (folder: string): Promise<boolean> =>
  (await readdir(folder).catch(() => [])).some((file) => file.endsWith(".tsv"));

/** DuckDB's words about a value may hold the value: they are not passed on. */
const problemOf = (error: unknown, { table, source }: SourceCommit): Error => {
  if (error instanceof Error && /^(Conversion|Invalid Input|Out of Range) Error/.test(error.message)) {
    const to = /to type (\w+(?:\([\d, ]+\))?)|as a? ?(\w+)/.exec(error.message);
    return new SourceProblem(
      "bad_value",
      source,
      `a value of ${table.name} is none of its column's type (${to?.[1] ?? to?.[2] ?? "unknown"}). Did a field's type change?`,
    );
  }
  return error instanceof Error ? error : new Error(String(error));
};
