/** Parquet files without erased people: which files hold them, and a file made anew. */
import { mkdir, rm } from "node:fs/promises";
import path from "node:path";
import { type DuckDBConnection, DuckDBInstance } from "@duckdb/node-api";
import { ERASED_KIND } from "@ebb/core/kinds";
import type { SubjectSets } from "../erasure-ports.ts";
import { WITHOUT_BROKEN_STATISTICS } from "./lake-tables.ts";
import { parquetOptions, quoted, rowGroupRows } from "./parquet-conversion.ts";

/** Parquet with Snappy is about a third of the JSON lines it was made from. */
const JSON_PER_PARQUET = 3;
/** Files whose columns of people are looked through by one query. */
const FILES_AT_ONCE = 200;
/** Of an erased event stays what says that it came (`erasedEvent` in the core). */
const KEPT = new Set(["event_id", "source", "schema_version", "received_at", "receipt_id", "receipt_number"]);

const CUSTOMER = "customer_key";
const ANONYMOUS = "anonymous_key";

export interface HoldingFile {
  readonly file: string;
  /** Rows about a subject. */
  readonly rows: number;
}

/** How rows name the row that they belong to. */
export interface Parentage {
  /** Of the rows themselves. */
  readonly column: string;
  /** Of the rows in `parents`. */
  readonly key: string;
  /** Files of one table, with a column of people. */
  readonly parents: readonly string[];
}

export class ParquetEraser {
  readonly #connection: DuckDBConnection;
  readonly #instance: DuckDBInstance;
  readonly #scratch: string;

  private constructor(instance: DuckDBInstance, connection: DuckDBConnection, scratch: string) {
    this.#instance = instance;
    this.#connection = connection;
    this.#scratch = scratch;
  }

  /** @param scratch a folder of its own, which goes when it is closed */
  static async open(scratch: string, sets: SubjectSets): Promise<ParquetEraser> {
    await mkdir(scratch, { recursive: true });
    const instance = await DuckDBInstance.create(":memory:", {
      memory_limit: "512MB",
      threads: "2",
      temp_directory: path.join(scratch, "spill"),
      autoinstall_known_extensions: "false",
      autoload_known_extensions: "false",
    });
    const connection = await instance.connect();
    await connection.run("SET GLOBAL TimeZone = 'UTC'");
    await connection.run(WITHOUT_BROKEN_STATISTICS);
    for (const [table, keys] of [
      ["gone_customers", sets.customers],
      ["gone", sets.erased],
      ["shared_visitors", sets.shared],
    ] as const) {
      await connection.run(`CREATE TABLE ${table} (key VARCHAR)`);
      const values = [...keys].map((key) => `(${quoted(key)})`);
      for (let at = 0; at < values.length; at += 1_000)
        await connection.run(`INSERT INTO ${table} VALUES ${values.slice(at, at + 1_000).join(", ")}`);
    }
    return new ParquetEraser(instance, connection, scratch);
  }

  async rows(sql: string): Promise<unknown[][]> {
    return (await this.#connection.runAndReadAll(sql)).getRows();
  }

  /**
   * The files that hold a subject, by their columns of people alone: Parquet's statistics and filters pass over most row
   * groups, and no other column is read.
   */
  async holding(files: readonly string[]): Promise<HoldingFile[]> {
    const held: HoldingFile[] = [];
    const byColumns = new Map<string, string[]>();
    for (const file of files) {
      const columns = (await this.#columnsOf(file)).filter((name) => name === CUSTOMER || name === ANONYMOUS).join(",");
      if (columns !== "") byColumns.set(columns, [...(byColumns.get(columns) ?? []), file]);
    }
    for (const [columns, alike] of byColumns)
      for (let at = 0; at < alike.length; at += FILES_AT_ONCE) {
        const list = alike
          .slice(at, at + FILES_AT_ONCE)
          .map(quoted)
          .join(", ");
        const found = await this.rows(
          `SELECT filename, count(*) FROM read_parquet([${list}], hive_partitioning = false, filename = true)
           WHERE ${aboutSubject(columns.split(","))} GROUP BY filename ORDER BY filename`,
        );
        held.push(...found.map(([file, rows]) => ({ file: String(file), rows: Number(rows) })));
      }
    return held;
  }

  /** Everybody whom the columns of people name. */
  async pseudonyms(files: readonly string[]): Promise<Set<string>> {
    const people = new Set<string>();
    for (const file of files)
      for (const column of (await this.#columnsOf(file)).filter((name) => name === CUSTOMER || name === ANONYMOUS)) {
        const found = await this.rows(
          `SELECT DISTINCT ${column} FROM read_parquet(${quoted(file)}, hive_partitioning = false) WHERE ${column} IS NOT NULL`,
        );
        for (const [pseudonym] of found) people.add(String(pseudonym));
      }
    return people;
  }

  async #columnsOf(file: string): Promise<string[]> {
    const rows = await this.rows(`SELECT name FROM parquet_schema(${quoted(file)})`);
    return rows.map(([name]) => String(name));
  }

  /** The file without its rows about subjects; answers where it lies and how many rows are left, none being no file. */
  async withoutRows(
    file: string,
    bytes: number,
  ): Promise<{ readonly staged: string; readonly rows: number } | undefined> {
    const columns = (await this.#describe(file)).filter((name) => name === CUSTOMER || name === ANONYMOUS);
    return await this.#copy(
      file,
      bytes,
      `SELECT * ${columns.includes(ANONYMOUS) ? `REPLACE (${withoutVisitor} AS ${ANONYMOUS})` : ""} FROM source
       WHERE NOT (${aboutEvent(columns)})`,
    );
  }

  /** The rows of `file` that belong to rows about subjects in other files: lines of their orders. */
  async childrenIn(file: string, of: Parentage): Promise<number> {
    const [found] = await this.rows(
      `SELECT count(*) FROM read_parquet(${quoted(file)}, hive_partitioning = false) WHERE ${await this.#isChild(of)}`,
    );
    return Number(found?.[0]);
  }

  /** The file without them. */
  async withoutChildren(
    file: string,
    bytes: number,
    of: Parentage,
  ): Promise<{ readonly staged: string; readonly rows: number } | undefined> {
    return await this.#copy(file, bytes, `SELECT * FROM source WHERE NOT (${await this.#isChild(of)})`);
  }

  async #isChild({ column, key, parents }: Parentage): Promise<string> {
    if (parents.length === 0) return "false";
    const columns = await this.#describe(parents[0]!);
    const list = parents.map(quoted).join(", ");
    return `coalesce("${column}" IN (SELECT "${key}" FROM read_parquet([${list}], hive_partitioning = false)
      WHERE "${key}" IS NOT NULL AND ${aboutEvent(columns)}), false)`;
  }

  /** The file of events with every row, of which those about subjects say nothing but that they came. */
  async withErasedEvents(
    file: string,
    bytes: number,
  ): Promise<{ readonly staged: string; readonly rows: number } | undefined> {
    const columns = await this.#describe(file);
    const selected = columns.map((name) => {
      const column = `"${name}"`;
      if (KEPT.has(name)) return column;
      const rest = name === ANONYMOUS ? withoutVisitor : column;
      const instead =
        name === "kind" || name === "name" ? quoted(ERASED_KIND) : name === "occurred_at" ? "received_at" : "NULL";
      return `CASE WHEN is_gone THEN ${instead} ELSE ${rest} END AS ${column}`;
    });
    return await this.#copy(
      file,
      bytes,
      `SELECT ${selected.join(", ")} FROM (SELECT *, ${aboutEvent(columns)} AS is_gone FROM source)`,
    );
  }

  async #describe(file: string): Promise<string[]> {
    const rows = await this.rows(`DESCRIBE SELECT * FROM read_parquet(${quoted(file)}, hive_partitioning = false)`);
    return rows.map(([name]) => String(name));
  }

  async #copy(file: string, bytes: number, sql: string): Promise<{ staged: string; rows: number } | undefined> {
    const staged = path.join(this.#scratch, "rewritten.parquet");
    const [before] = await this.rows(`SELECT count(*) FROM read_parquet(${quoted(file)}, hive_partitioning = false)`);
    const groupRows = rowGroupRows(bytes * JSON_PER_PARQUET, Number(before?.[0]));
    const [copied] = await this.rows(
      `COPY (WITH source AS (SELECT * FROM read_parquet(${quoted(file)}, hive_partitioning = false)) ${sql})
       TO ${quoted(staged)} (${parquetOptions("snappy", groupRows)})`,
    );
    const rows = Number(copied?.[0]);
    if (rows > 0) return { staged, rows };
    await rm(staged, { force: true });
    return undefined;
  }

  async close(): Promise<void> {
    this.#connection.closeSync();
    this.#instance.closeSync();
    await rm(this.#scratch, { recursive: true, force: true });
  }
}

const isGone = (column: string): string => `coalesce(${column} IN (SELECT key FROM gone), false)`;
const isShared = `coalesce(${ANONYMOUS} IN (SELECT key FROM shared_visitors), false)`;

/** Whether a row is a subject's: the customer decides, and the visitor only where there is no customer. */
const aboutEvent = (columns: readonly string[]): string => {
  const customer = columns.includes(CUSTOMER);
  const anonymous = columns.includes(ANONYMOUS);
  const visit = anonymous ? `(${isGone(ANONYMOUS)} OR ${isShared})` : "false";
  return customer ? `CASE WHEN ${CUSTOMER} IS NULL THEN ${visit} ELSE ${isGone(CUSTOMER)} END` : visit;
};

/** Whether a row is a subject's, or names a subject's visitor. */
const aboutSubject = (columns: readonly string[]): string =>
  `${aboutEvent(columns)}${columns.includes(ANONYMOUS) ? ` OR ${isGone(ANONYMOUS)}` : ""}`;

const withoutVisitor = `CASE WHEN ${isGone(ANONYMOUS)} THEN NULL ELSE ${ANONYMOUS} END`;
