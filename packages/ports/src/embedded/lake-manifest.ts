/**
 * lake.db: which Parquet files make up `raw_events`, and how far of the log they reach. A file is in the lake from the
 * transaction on that names it; what lies in the folder without a name is left over from a crash.
 */
import { createHash } from "node:crypto";
import path from "node:path";
import type { DatabaseSync } from "node:sqlite";
import { rawEventsColumns, storedColumns } from "@ebb/lake/raw-events";
import { inTransaction, openDatabase, portCall } from "./sqlite.ts";

export const LAKE_MANIFEST_FILE = "lake.db";

const migrations: readonly string[] = [
  `
  -- one row a Parquet file
  CREATE TABLE files (
    path TEXT PRIMARY KEY, -- relative to the lake, with forward slashes
    rows INTEGER NOT NULL,
    bytes INTEGER NOT NULL,
    first_seq INTEGER NOT NULL,
    last_seq INTEGER NOT NULL,
    columns TEXT NOT NULL, -- which columns it was written with
    replaced_at_ms INTEGER -- its rows are in another file since then; readers that started before still need it
  ) WITHOUT ROWID;
  CREATE TABLE offsets (consumer TEXT PRIMARY KEY, seq INTEGER NOT NULL) WITHOUT ROWID;
  `,
  `
  -- until when files are not merged: an erasure rewrites them. One row at most
  CREATE TABLE held (one INTEGER PRIMARY KEY CHECK (one = 1), until_ms INTEGER NOT NULL);
  `,
];

/** Names the set of columns that this release writes. */
export const COLUMNS_ID = createHash("sha256")
  .update(JSON.stringify(storedColumns(rawEventsColumns)))
  .digest("hex")
  .slice(0, 16);

export interface LakeFile {
  readonly path: string;
  readonly rows: number;
  readonly bytes: number;
  /** Sequence numbers of the log's records whose events it holds. */
  readonly firstSeq: number;
  readonly lastSeq: number;
  readonly columns: string;
}

interface FileRow {
  readonly path: string;
  readonly rows: number;
  readonly bytes: number;
  readonly first_seq: number;
  readonly last_seq: number;
  readonly columns: string;
}

const CONSUMER = "land";

export class LakeManifest {
  readonly #db: DatabaseSync;

  /** @param folder the lake's folder; a reader's must have a manifest already */
  constructor(folder: string, options: { readonly readOnly: boolean }) {
    this.#db = openDatabase(path.join(folder, LAKE_MANIFEST_FILE), {
      migrations,
      readOnly: options.readOnly,
      cacheKib: 2048,
    });
  }

  /** The last record of the log whose events are all in the lake (or in quarantine); 0 before the first. */
  offset(): number {
    const row = portCall(() => this.#db.prepare("SELECT seq FROM offsets WHERE consumer = ?").get(CONSUMER));
    return (row as { seq: number } | undefined)?.seq ?? 0;
  }

  /** The files that make up the table, oldest first: a consistent list. */
  files(): LakeFile[] {
    const rows = portCall(() =>
      this.#db.prepare("SELECT * FROM files WHERE replaced_at_ms IS NULL ORDER BY first_seq, path").all(),
    ) as unknown as FileRow[];
    return rows.map(({ first_seq, last_seq, path: name, rows: count, bytes, columns }) => ({
      path: name,
      rows: count,
      bytes,
      firstSeq: first_seq,
      lastSeq: last_seq,
      columns,
    }));
  }

  /** Every file that must stay on disk. */
  named(): Set<string> {
    const rows = portCall(() => this.#db.prepare("SELECT path FROM files").all()) as unknown as { path: string }[];
    return new Set(rows.map((row) => row.path));
  }

  /** Takes a file (none when all of it went to quarantine) and the offset it reaches into the lake, at once. */
  commit(file: LakeFile | undefined, offset: number): void {
    portCall(() =>
      inTransaction(this.#db, () => {
        if (file !== undefined) this.#add(file);
        this.#db
          .prepare("INSERT INTO offsets VALUES (?, ?) ON CONFLICT (consumer) DO UPDATE SET seq = excluded.seq")
          .run(CONSUMER, offset);
      }),
    );
  }

  /** Puts one file in the place of several that hold the same rows. */
  replace(old: readonly LakeFile[], file: LakeFile, nowMs: number): void {
    portCall(() =>
      inTransaction(this.#db, () => {
        const mark = this.#db.prepare("UPDATE files SET replaced_at_ms = ? WHERE path = ? AND replaced_at_ms IS NULL");
        for (const { path: name } of old)
          if (mark.run(nowMs, name).changes !== 1) throw new Error(`${name} is no file of the lake any more`);
        this.#add(file);
      }),
    );
  }

  /** Files that were replaced before an instant. */
  replacedBefore(ms: number): string[] {
    const rows = portCall(() => this.#db.prepare("SELECT path FROM files WHERE replaced_at_ms < ?").all(ms));
    return (rows as unknown as { path: string }[]).map((row) => row.path);
  }

  /** Every file that another one has replaced. */
  replaced(): string[] {
    return this.replacedBefore(Number.MAX_SAFE_INTEGER);
  }

  /** Files are not merged until then; 0 lets go. */
  hold(untilMs: number): void {
    portCall(() =>
      this.#db
        .prepare("INSERT INTO held VALUES (1, ?) ON CONFLICT (one) DO UPDATE SET until_ms = excluded.until_ms")
        .run(untilMs),
    );
  }

  isHeld(nowMs: number): boolean {
    const row = portCall(() => this.#db.prepare("SELECT until_ms FROM held").get());
    return row !== undefined && (row as { until_ms: number }).until_ms > nowMs;
  }

  forget(paths: readonly string[]): void {
    portCall(() =>
      inTransaction(this.#db, () => {
        const remove = this.#db.prepare("DELETE FROM files WHERE path = ? AND replaced_at_ms IS NOT NULL");
        for (const name of paths) remove.run(name);
      }),
    );
  }

  close(): void {
    this.#db.close();
  }

  #add(file: LakeFile): void {
    this.#db
      .prepare(
        "INSERT INTO files (path, rows, bytes, first_seq, last_seq, columns, replaced_at_ms) VALUES (?, ?, ?, ?, ?, ?, NULL)",
      )
      .run(file.path, file.rows, file.bytes, file.firstSeq, file.lastSeq, file.columns);
  }
}
