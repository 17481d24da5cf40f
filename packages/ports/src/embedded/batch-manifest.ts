/**
 * batch.db: which Parquet files make up the tables that batch runs write, and the jobs that write them. A table changes
 * in one transaction: a reader sees the files from before a write or those from after it.
 */
import { existsSync } from "node:fs";
import path from "node:path";
import type { DatabaseSync } from "node:sqlite";
import type { JobState } from "../batch-ports.ts";
import { inTransaction, openDatabase, portCall } from "./sqlite.ts";

export const BATCH_MANIFEST_FILE = "batch.db";

const migrations: readonly string[] = [
  `
  -- one row a table that was ever written
  CREATE TABLE tables (name TEXT PRIMARY KEY, columns TEXT NOT NULL, partition TEXT) WITHOUT ROWID;
  -- one row a Parquet file
  CREATE TABLE files (
    path TEXT PRIMARY KEY, -- relative to the lake, with forward slashes
    table_name TEXT NOT NULL,
    partition TEXT NOT NULL, -- empty where the table has no partitions
    rows INTEGER NOT NULL,
    bytes INTEGER NOT NULL,
    columns TEXT NOT NULL, -- the columns it was written with, as in tables
    replaced_at_ms INTEGER -- another file is in its place since then; readers that began before still need it
  ) WITHOUT ROWID;
  -- one row a job; written holds what its finished writes left
  CREATE TABLE jobs (
    id TEXT PRIMARY KEY,
    token TEXT NOT NULL UNIQUE,
    started_at_ms INTEGER NOT NULL,
    plan TEXT NOT NULL,
    written TEXT NOT NULL,
    state TEXT NOT NULL
  ) WITHOUT ROWID;
  `,
];

export interface StoredColumn {
  readonly name: string;
  /** In DuckDB's words. */
  readonly type: string;
}

export interface BatchFile {
  /** Relative to the lake, with forward slashes. */
  readonly path: string;
  /** Empty where the table has no partitions. */
  readonly partition: string;
  readonly rows: number;
  readonly bytes: number;
}

export interface StoredTable {
  readonly name: string;
  readonly columns: readonly StoredColumn[];
  /** The partition column, the last of `columns`. */
  readonly partition: string | undefined;
  readonly files: readonly string[];
  /** Every file has exactly these columns; false while files of an older release are among them. */
  readonly uniform: boolean;
}

export type Written = Readonly<Record<string, { readonly rows: number; readonly files: number }>>;

export interface StoredJob {
  readonly id: string;
  readonly plan: string;
  /** What the writes that are done have left, in their order. */
  readonly written: readonly { readonly table: string; readonly rows: number; readonly files: number }[];
  readonly state: JobState;
}

interface TableRow {
  readonly name: string;
  readonly columns: string;
  readonly partition: string | null;
}
interface JobRow {
  readonly id: string;
  readonly plan: string;
  readonly written: string;
  readonly state: string;
}

/** The tables as they stand, for readers; none before the first run. */
export const batchTables = (lakeFolder: string): StoredTable[] => {
  if (!existsSync(path.join(lakeFolder, BATCH_MANIFEST_FILE))) return [];
  const manifest = new BatchManifest(lakeFolder, { readOnly: true });
  try {
    return manifest.tables();
  } finally {
    manifest.close();
  }
};

export class BatchManifest {
  readonly #db: DatabaseSync;

  /** @param folder the lake's folder; a reader's must have a manifest already */
  constructor(folder: string, options: { readonly readOnly: boolean }) {
    this.#db = openDatabase(path.join(folder, BATCH_MANIFEST_FILE), {
      migrations,
      readOnly: options.readOnly,
      cacheKib: 2_048,
    });
  }

  /** Every table with its files: a consistent list. */
  tables(): StoredTable[] {
    return portCall(() => {
      this.#db.exec("BEGIN");
      try {
        const tables = this.#db.prepare("SELECT * FROM tables ORDER BY name").all() as unknown as TableRow[];
        const files = this.#db.prepare(
          "SELECT path, columns FROM files WHERE table_name = ? AND replaced_at_ms IS NULL ORDER BY path",
        );
        return tables.map(({ name, columns, partition }) => {
          const own = files.all(name) as unknown as { path: string; columns: string }[];
          return {
            name,
            columns: JSON.parse(columns) as StoredColumn[],
            partition: partition ?? undefined,
            files: own.map((file) => file.path),
            uniform: own.every((file) => file.columns === columns),
          };
        });
      } finally {
        this.#db.exec("COMMIT");
      }
    });
  }

  /**
   * Takes the result of one write: its files come in the place of those of the same table in `partitions` (all of the
   * table where undefined), and the job has this write behind it.
   */
  swap(
    jobId: string,
    table: Pick<StoredTable, "name" | "columns" | "partition">,
    partitions: readonly string[] | undefined,
    files: readonly BatchFile[],
    nowMs: number,
  ): void {
    const columns = JSON.stringify(table.columns);
    portCall(() =>
      inTransaction(this.#db, () => {
        const before = this.#db.prepare("SELECT partition FROM tables WHERE name = ?").get(table.name) as
          Pick<TableRow, "partition"> | undefined;
        // A release that parts a table otherwise cannot keep what the one before it wrote.
        const partedAlike = before === undefined || before.partition === (table.partition ?? null);
        this.#db
          .prepare(
            `INSERT INTO tables (name, columns, partition) VALUES (?, ?, ?)
             ON CONFLICT (name) DO UPDATE SET columns = excluded.columns, partition = excluded.partition`,
          )
          .run(table.name, columns, table.partition ?? null);
        const replace = this.#db.prepare(
          `UPDATE files SET replaced_at_ms = :now WHERE table_name = :name AND replaced_at_ms IS NULL
             AND (:partition IS NULL OR partition = :partition)`,
        );
        for (const partition of (partedAlike ? partitions : undefined) ?? [null])
          replace.run({ now: nowMs, name: table.name, partition });
        const add = this.#db.prepare("INSERT INTO files VALUES (?, ?, ?, ?, ?, ?, NULL)");
        for (const file of files) add.run(file.path, table.name, file.partition, file.rows, file.bytes, columns);
        const rows = files.reduce((sum, file) => sum + file.rows, 0);
        this.#db
          .prepare("UPDATE jobs SET written = json_insert(written, '$[#]', json(?)) WHERE id = ?")
          .run(JSON.stringify({ table: table.name, rows, files: files.length }), jobId);
      }),
    );
  }

  /** The files that make up every table, and where one is written anew without some rows, the other in its place. */
  files(): (BatchFile & { readonly table: string })[] {
    const rows = portCall(() =>
      this.#db.prepare("SELECT * FROM files WHERE replaced_at_ms IS NULL ORDER BY path").all(),
    ) as unknown as (BatchFile & { table_name: string })[];
    return rows.map(({ path: name, partition, rows: count, bytes, table_name: table }) => ({
      path: name,
      partition,
      rows: count,
      bytes,
      table,
    }));
  }

  /** Puts a file in the place of another one of the same table and partition; nothing in its place where undefined. */
  replace(oldPath: string, file: Pick<BatchFile, "path" | "rows" | "bytes"> | undefined, nowMs: number): void {
    portCall(() =>
      inTransaction(this.#db, () => {
        if (file !== undefined)
          this.#db
            .prepare(
              `INSERT INTO files SELECT ?, table_name, partition, ?, ?, columns, NULL FROM files
               WHERE path = ? AND replaced_at_ms IS NULL`,
            )
            .run(file.path, file.rows, file.bytes, oldPath);
        this.#db
          .prepare("UPDATE files SET replaced_at_ms = ? WHERE path = ? AND replaced_at_ms IS NULL")
          .run(nowMs, oldPath);
      }),
    );
  }

  /** Notes a job down, once per token; answers the job of the token. */
  startJob(id: string, token: string, plan: string, nowMs: number): string {
    return portCall(() =>
      inTransaction(this.#db, () => {
        this.#db
          .prepare(
            `INSERT INTO jobs (id, token, started_at_ms, plan, written, state) VALUES (?, ?, ?, ?, '[]', ?)
             ON CONFLICT (token) DO NOTHING`,
          )
          .run(id, token, nowMs, plan, JSON.stringify({ state: "running" } satisfies JobState));
        return (this.#db.prepare("SELECT id FROM jobs WHERE token = ?").get(token) as { id: string }).id;
      }),
    );
  }

  job(id: string): StoredJob | undefined {
    const row = portCall(() => this.#db.prepare("SELECT id, plan, written, state FROM jobs WHERE id = ?").get(id)) as
      JobRow | undefined;
    if (row === undefined) return undefined;
    return {
      id: row.id,
      plan: row.plan,
      written: JSON.parse(row.written) as StoredJob["written"],
      state: JSON.parse(row.state) as JobState,
    };
  }

  endJob(id: string, state: JobState): void {
    portCall(() => this.#db.prepare("UPDATE jobs SET state = ? WHERE id = ?").run(JSON.stringify(state), id));
  }

  /** Every file that must stay on disk. */
  named(): Set<string> {
    const rows = portCall(() => this.#db.prepare("SELECT path FROM files").all()) as unknown as { path: string }[];
    return new Set(rows.map((row) => row.path));
  }

  /** Files that were replaced before an instant. */
  replacedBefore(ms: number): string[] {
    const rows = portCall(() => this.#db.prepare("SELECT path FROM files WHERE replaced_at_ms < ?").all(ms));
    return (rows as unknown as { path: string }[]).map((row) => row.path);
  }

  /** Jobs that began before an instant. */
  jobsBefore(ms: number): string[] {
    const rows = portCall(() => this.#db.prepare("SELECT id FROM jobs WHERE started_at_ms < ?").all(ms));
    return (rows as unknown as { id: string }[]).map((row) => row.id);
  }

  forget(paths: readonly string[], jobIds: readonly string[]): void {
    portCall(() =>
      inTransaction(this.#db, () => {
        const removeFile = this.#db.prepare("DELETE FROM files WHERE path = ? AND replaced_at_ms IS NOT NULL");
        for (const name of paths) removeFile.run(name);
        const removeJob = this.#db.prepare("DELETE FROM jobs WHERE id = ?");
        for (const id of jobIds) removeJob.run(id);
      }),
    );
  }

  close(): void {
    this.#db.close();
  }
}
