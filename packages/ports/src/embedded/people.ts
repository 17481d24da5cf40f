/** Everybody whom a home's stores know, by pseudonym: what a restored home is compared with. */
import { existsSync } from "node:fs";
import { readdir } from "node:fs/promises";
import path from "node:path";
import type { DatabaseSync } from "node:sqlite";
import { PSEUDONYM } from "../person-finder.ts";
import { BATCH_MANIFEST_FILE, BatchManifest } from "./batch-manifest.ts";
import { CUSTOMERS_FILE, customerMigrations } from "./customer-reader.ts";
import { withDatabase } from "./erase-databases.ts";
import { withEraser } from "./erase-lake.ts";
import { LAKE_MANIFEST_FILE, LakeManifest } from "./lake-manifest.ts";
import { LOG_FILE, logMigrations } from "./log-schema.ts";
import { orderBookMigrations } from "./order-book.ts";
import { profileMigrations } from "./profile-store.ts";
import { scoreMigrations } from "./score-store.ts";
import { SOURCE_MANIFEST_FILE, SourceManifest } from "./source-manifest.ts";

/** @param folder a home that is at rest */
export const peopleOf = async (folder: string): Promise<Set<string>> => {
  const people = new Set<string>();
  const lake = path.join(folder, "lake");
  const rows = (name: string, migrations: readonly string[], sql: string): void =>
    void withDatabase(path.join(folder, name), migrations, (db: DatabaseSync) => {
      for (const row of db.prepare(sql).iterate()) {
        const { text } = row as { text: string | Uint8Array };
        const found = (typeof text === "string" ? text : Buffer.from(text).toString("latin1")).matchAll(PSEUDONYM);
        for (const [pseudonym] of found) people.add(pseudonym);
      }
    });
  rows(CUSTOMERS_FILE, customerMigrations, "SELECT key AS text FROM customers");
  rows("profiles.db", profileMigrations, "SELECT customer_key AS text FROM profiles");
  rows("scores.db", scoreMigrations, "SELECT customer_key AS text FROM scores");
  rows("order-book.db", orderBookMigrations, "SELECT key AS text FROM file_orders");
  rows(LOG_FILE, logMigrations, "SELECT data AS text FROM records");
  await withEraser(folder, NOBODY, async (eraser) => {
    for (const pseudonym of await eraser.pseudonyms(await parquetFiles(lake))) people.add(pseudonym);
  });
  return people;
};

const NOBODY = { customers: new Set<string>(), erased: new Set<string>(), shared: new Set<string>() };

/** Every Parquet file that the lake's manifests name, and the exports of jobs. */
const parquetFiles = async (lake: string): Promise<string[]> => {
  const files: string[] = [];
  const named = (file: string, open: () => { files(): readonly { readonly path: string }[]; close(): void }): void => {
    if (!existsSync(path.join(lake, file))) return;
    const manifest = open();
    try {
      files.push(...manifest.files().map(({ path: name }) => path.join(lake, name)));
    } finally {
      manifest.close();
    }
  };
  named(LAKE_MANIFEST_FILE, () => new LakeManifest(lake, { readOnly: false }));
  named(BATCH_MANIFEST_FILE, () => new BatchManifest(lake, { readOnly: false }));
  named(SOURCE_MANIFEST_FILE, () => {
    const manifest = new SourceManifest(lake, { readOnly: false });
    return {
      files: () => manifest.tables().flatMap((table) => table.files.map((name) => ({ path: name }))),
      close: () => manifest.close(),
    };
  });
  const exports = path.join(path.dirname(lake), "objects", "exports");
  const entries = await readdir(exports, { recursive: true, withFileTypes: true }).catch(() => []);
  for (const entry of entries)
    if (entry.isFile() && entry.name.endsWith(".parquet")) files.push(path.join(entry.parentPath, entry.name));
  return files;
};
