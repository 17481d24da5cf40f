/**
 * lake/sources/manifest.db: which Parquet files make up the tables that sources fill. All tables of a load change in one
 * transaction: a reader sees the files from before the load or those from after it.
 */
import { existsSync } from "node:fs";
import path from "node:path";
import type { DatabaseSync } from "node:sqlite";
import type { StoredColumn, StoredTable } from "./batch-manifest.ts";
import { inTransaction, openDatabase, portCall } from "./sqlite.ts";

/** Within the lake's folder. */
export const SOURCES_FOLDER = "sources";
export const SOURCE_MANIFEST_FILE = `${SOURCES_FOLDER}/manifest.db`;

const migrations: readonly string[] = [
  `
  -- one row a table; the last load that changed it
  CREATE TABLE tables (name TEXT PRIMARY KEY, columns TEXT NOT NULL, load TEXT NOT NULL) WITHOUT ROWID;
  -- one row a Parquet file
  CREATE TABLE files (
    path TEXT PRIMARY KEY, -- relative to the lake, with forward slashes
    table_name TEXT NOT NULL,
    replaced_at_ms INTEGER -- other files are in its place since then; readers that began before still need it
  ) WITHOUT ROWID;
  `,
  `
  -- of a table of lines: whose rows its rows belong to, as JSON; null of others, and of lines loaded before version 2
  ALTER TABLE tables ADD COLUMN parent TEXT;
  `,
];

/** Rows of a table of lines belong to the row of another one whose key they name. */
export interface Parent {
  readonly table: string;
  /** Of the lines. */
  readonly column: string;
  /** Of the parent's table. */
  readonly key: string;
}

export interface LoadedTable {
  readonly name: string;
  readonly columns: readonly StoredColumn[];
  /** Relative to the lake, with forward slashes. */
  readonly files: readonly string[];
  readonly parent?: Parent | undefined;
}

/** The tables as they stand, for readers; none before the first load. */
export const sourceTables = (lakeFolder: string): StoredTable[] => {
  if (!existsSync(path.join(lakeFolder, SOURCE_MANIFEST_FILE))) return [];
  const manifest = new SourceManifest(lakeFolder, { readOnly: true });
  try {
    return manifest.tables().map((table) => ({ ...table, partition: undefined, uniform: true }));
  } finally {
    manifest.close();
  }
};

interface TableRow {
  readonly name: string;
  readonly columns: string;
  readonly load: string;
  /** Absent where a reader looks at a file of version 1. */
  readonly parent?: string | null;
}

export class SourceManifest {
  readonly #db: DatabaseSync;

  constructor(lakeFolder: string, options: { readonly readOnly: boolean }) {
    this.#db = openDatabase(path.join(lakeFolder, SOURCE_MANIFEST_FILE), {
      migrations,
      readOnly: options.readOnly,
      cacheKib: 1_024,
    });
  }

  tables(): (LoadedTable & { readonly load: string })[] {
    return portCall(() => {
      this.#db.exec("BEGIN");
      try {
        const files = this.#db.prepare(
          "SELECT path FROM files WHERE table_name = ? AND replaced_at_ms IS NULL ORDER BY path",
        );
        const tables = this.#db.prepare("SELECT * FROM tables ORDER BY name").all();
        return (tables as unknown as TableRow[]).map(({ parent, ...table }) => ({
          ...table,
          ...(parent == null ? {} : { parent: JSON.parse(parent) as Parent }),
          columns: JSON.parse(table.columns) as StoredColumn[],
          files: (files.all(table.name) as unknown as { path: string }[]).map((file) => file.path),
        }));
      } finally {
        this.#db.exec("COMMIT");
      }
    });
  }

  /** The tables of a load come in the place of what was there, all at once. */
  swap(load: string, tables: readonly LoadedTable[], nowMs: number): void {
    portCall(() =>
      inTransaction(this.#db, () => {
        for (const { name, columns, files, parent } of tables) {
          this.#db
            .prepare(
              `INSERT INTO tables (name, columns, load, parent) VALUES (?, ?, ?, ?)
               ON CONFLICT (name) DO UPDATE SET columns = excluded.columns, load = excluded.load, parent = excluded.parent`,
            )
            .run(name, JSON.stringify(columns), load, parent === undefined ? null : JSON.stringify(parent));
          this.#db
            .prepare("UPDATE files SET replaced_at_ms = ? WHERE table_name = ? AND replaced_at_ms IS NULL")
            .run(nowMs, name);
          const add = this.#db.prepare("INSERT INTO files VALUES (?, ?, NULL)");
          for (const file of files) add.run(file, name);
        }
      }),
    );
  }

  /** One file in the place of another; none where nothing is left of it. */
  replace(oldPath: string, newPath: string | undefined, nowMs: number): void {
    portCall(() =>
      inTransaction(this.#db, () => {
        if (newPath !== undefined)
          this.#db
            .prepare(
              "INSERT INTO files SELECT ?, table_name, NULL FROM files WHERE path = ? AND replaced_at_ms IS NULL",
            )
            .run(newPath, oldPath);
        this.#db
          .prepare("UPDATE files SET replaced_at_ms = ? WHERE path = ? AND replaced_at_ms IS NULL")
          .run(nowMs, oldPath);
      }),
    );
  }

  /** Every file that must stay on disk. */
  named(): Set<string> {
    const rows = portCall(() => this.#db.prepare("SELECT path FROM files").all()) as unknown as { path: string }[];
    return new Set(rows.map((row) => row.path));
  }

  /** Forgets files that were replaced before an instant, and answers them. */
  forget(beforeMs: number): string[] {
    const rows = portCall(() =>
      this.#db.prepare("DELETE FROM files WHERE replaced_at_ms < ? RETURNING path").all(beforeMs),
    );
    return (rows as unknown as { path: string }[]).map((row) => row.path);
  }

  close(): void {
    this.#db.close();
  }
}
