/** uploads.db: the state of every uploaded file. Read and written by the front door and by the upload worker. */
import path from "node:path";
import type { DatabaseSync, StatementSync } from "node:sqlite";
import type { ReceiptId } from "@ebb/core/ids";
import type { Upload, UploadStore } from "../ports.ts";
import { decodeCursor, encodeCursor } from "./cursor.ts";
import { openDatabase, portCall } from "./sqlite.ts";

export const uploadMigrations: readonly string[] = [
  `
  -- one row an upload
  CREATE TABLE uploads (
    id INTEGER PRIMARY KEY,
    upload TEXT NOT NULL UNIQUE,
    state TEXT NOT NULL,
    document TEXT NOT NULL,
    lease_owner TEXT,
    lease_until_ms INTEGER NOT NULL DEFAULT 0
  );
  CREATE INDEX unfinished_uploads ON uploads (id) WHERE state IN ('queued', 'processing');
  `,
];

interface Row {
  readonly id: number;
  readonly document: string;
}

export class EmbeddedUploadStore implements UploadStore {
  readonly #db: DatabaseSync;
  readonly #put: StatementSync;
  readonly #get: StatementSync;
  readonly #list: StatementSync;
  readonly #lease: StatementSync;
  readonly #unfinished: StatementSync;

  constructor(folder: string) {
    this.#db = openDatabase(path.join(folder, "uploads.db"), { migrations: uploadMigrations, cacheKib: 2_048 });
    this.#put = this.#db.prepare(
      `INSERT INTO uploads (upload, state, document) VALUES (?, ?, ?)
       ON CONFLICT (upload) DO UPDATE SET state = excluded.state, document = excluded.document`,
    );
    this.#get = this.#db.prepare("SELECT document FROM uploads WHERE upload = ?");
    this.#list = this.#db.prepare("SELECT id, document FROM uploads WHERE id < ? ORDER BY id DESC LIMIT ?");
    this.#lease = this.#db.prepare(
      `UPDATE uploads SET lease_owner = :owner, lease_until_ms = :until
       WHERE upload = :upload AND (lease_owner = :owner OR lease_until_ms <= :now)`,
    );
    this.#unfinished = this.#db.prepare(
      "SELECT id, document FROM uploads WHERE state IN ('queued', 'processing') ORDER BY id",
    );
  }

  async put(upload: Upload): Promise<void> {
    portCall(() => this.#put.run(upload.uploadId, upload.state, JSON.stringify(upload)));
  }

  async get(uploadId: ReceiptId): Promise<Upload | undefined> {
    const row = portCall(() => this.#get.get(uploadId)) as Row | undefined;
    return row === undefined ? undefined : (JSON.parse(row.document) as Upload);
  }

  async list(query: { limit: number; cursor?: string | undefined }): Promise<{ uploads: Upload[]; cursor?: string }> {
    const [before] = decodeCursor(query.cursor, ["number"]) ?? [Number.MAX_SAFE_INTEGER];
    const rows = portCall(() => this.#list.all(before as number, query.limit)) as unknown as Row[];
    const last = rows.length === query.limit ? rows.at(-1) : undefined;
    return {
      uploads: rows.map((row) => JSON.parse(row.document) as Upload),
      ...(last === undefined ? {} : { cursor: encodeCursor([last.id]) }),
    };
  }

  async lease(uploadId: ReceiptId, owner: string, leaseMs: number, nowMs: number): Promise<boolean> {
    const values = { upload: uploadId, owner, until: nowMs + leaseMs, now: nowMs };
    return portCall(() => this.#lease.run(values)).changes === 1;
  }

  /** Uploads whose processing was asked for or under way: at start they are taken up again. Oldest first. */
  async unfinished(): Promise<Upload[]> {
    const rows = portCall(() => this.#unfinished.all()) as unknown as Row[];
    return rows.map((row) => JSON.parse(row.document) as Upload);
  }

  close(): void {
    this.#db.close();
  }
}
