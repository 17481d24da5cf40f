/** Whether the lake's manifests have changed since one last looked: a look costs microseconds. */
import { randomUUID } from "node:crypto";
import { existsSync } from "node:fs";
import path from "node:path";
import { DatabaseSync } from "node:sqlite";
import { BATCH_MANIFEST_FILE } from "./batch-manifest.ts";
import { ERASURES_FILE } from "./erasures.ts";
import { LAKE_MANIFEST_FILE } from "./lake-manifest.ts";
import { SOURCE_MANIFEST_FILE } from "./source-manifest.ts";
import { BUSY_TIMEOUT_MS, portCall } from "./sqlite.ts";

export class LakeVersion {
  readonly #files: readonly string[];
  /** What SQLite tells counts from anew in each process. */
  readonly #here = randomUUID();
  readonly #open = new Map<string, DatabaseSync>();

  /** @param folder the lake's own; the manifests need not exist */
  constructor(folder: string) {
    this.#files = [LAKE_MANIFEST_FILE, BATCH_MANIFEST_FILE, SOURCE_MANIFEST_FILE].map((name) =>
      path.join(folder, name),
    );
    this.#files = [...this.#files, path.join(path.dirname(folder), ERASURES_FILE)];
  }

  /** Equal to what it was when no other connection, in whatever process, has committed to a manifest since. */
  current(): string {
    // Also of who is being erased: their rows leave every table at once.
    return this.#files.map((file) => this.#versionOf(file)).join("/");
  }

  /** Of what runs and erasures have written alone, and of no other process. */
  ofTables(): string {
    const [, batch, , erasures] = this.#files;
    return [this.#here, this.#versionOf(batch!), this.#versionOf(erasures!)].join("/");
  }

  close(): void {
    for (const db of this.#open.values()) db.close();
    this.#open.clear();
  }

  #versionOf(file: string): string {
    let db = this.#open.get(file);
    if (db === undefined) {
      if (!existsSync(file)) return "none";
      db = portCall(() => new DatabaseSync(file, { readOnly: true, timeout: BUSY_TIMEOUT_MS }));
      this.#open.set(file, db);
    }
    const opened = db;
    return portCall(() =>
      String((opened.prepare("PRAGMA data_version").get() as { data_version: number }).data_version),
    );
  }
}
