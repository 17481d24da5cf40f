/**
 * The instant of a backup: a read transaction on every SQLite file of a home and a hard link to every other file, taken in
 * one go. What writers do afterwards is not seen, so that what is copied later belongs together.
 */
import { copyFileSync, existsSync, linkSync, mkdirSync, readdirSync } from "node:fs";
import path from "node:path";
import { DatabaseSync } from "node:sqlite";
import { BATCH_MANIFEST_FILE } from "./batch-manifest.ts";
import { CUSTOMERS_FILE } from "./customer-reader.ts";
import { LAKE_MANIFEST_FILE } from "./lake-manifest.ts";
import { LOG_FILE } from "./log-schema.ts";
import { SOURCE_MANIFEST_FILE, SOURCES_FOLDER } from "./source-manifest.ts";
import { portCall } from "./sqlite.ts";
import { SUPPRESSIONS_FILE } from "./suppressions.ts";

const UPLOADS_FILE = "uploads.db";
const LAKE = "lake";
const OBJECTS = "objects";
/** Not of the home's data: how to reach the process that runs, and the list that a restore must never replace. */
const LEFT_OUT: ReadonlySet<string> = new Set(["home.json", SUPPRESSIONS_FILE]);

export interface Snapshot {
  /** Relative to the home, with forward slashes. */
  readonly name: string;
  /** In a read transaction until it is closed. */
  readonly db: DatabaseSync;
}

export interface Cut {
  readonly databases: readonly Snapshot[];
  /** Other files, relative to the home; they lie in the staging folder under the same names. */
  readonly files: readonly string[];
  readonly log: { readonly seq: number; readonly events: number };
  /** The last records that are scored and landed: never beyond the log's. */
  readonly scored: number;
  readonly landed: number;
  /** People on the list of suppressions, which is not part of the backup. */
  readonly suppressed: number;
}

/**
 * Takes the cut, without giving way to anything else of this thread. Where this thread owns the log, as it does in a
 * running home, no event is appended meanwhile, and then
 *
 * - consumers' offsets are at most the log's head, for they follow it;
 * - an upload is done only if all its events are on the log; one that is not goes on from its checkpoint, and what the
 *   order book holds beyond the log is emitted again under the same event ids;
 * - objects that a checkpoint names are there: they are linked before and after.
 *
 * @param staging a folder on the home's own disk, made here
 */
export const takeCut = (home: string, staging: string): Cut => {
  const files = new Set<string>();
  mkdirSync(staging, { recursive: true, mode: 0o700 });
  const keep = (name: string): void => {
    if (files.has(name)) return;
    place(path.join(home, name), path.join(staging, name));
    files.add(name);
  };
  for (const name of filesBelow(home, OBJECTS)) keep(name);
  const databases: Snapshot[] = [];
  try {
    for (const name of databaseNames(home)) databases.push({ name, db: snapshotOf(path.join(home, name)) });
    for (const name of filesBelow(home, OBJECTS)) keep(name);
    for (const name of jsonFiles(home)) keep(name);
    for (const manifest of [LAKE_MANIFEST_FILE, BATCH_MANIFEST_FILE, SOURCE_MANIFEST_FILE]) {
      const snapshot = databases.find(({ name }) => name === `${LAKE}/${manifest}`);
      for (const file of snapshot === undefined ? [] : manifestFiles(snapshot.db)) keep(`${LAKE}/${file}`);
    }
    const dbOf = (name: string): DatabaseSync | undefined => databases.find((each) => each.name === name)?.db;
    return {
      databases,
      files: [...files].sort(),
      log: headOf(dbOf(LOG_FILE)),
      scored: offsetOf(dbOf(CUSTOMERS_FILE), "score"),
      landed: offsetOf(dbOf(`${LAKE}/${LAKE_MANIFEST_FILE}`), "land"),
      suppressed: suppressedIn(home),
    };
  } catch (error) {
    for (const { db } of databases) db.close();
    throw error;
  }
};

/** Uploads first and the log last: an upload that is done is then done on the log too, whoever writes meanwhile. */
const databaseNames = (home: string): string[] => {
  const folders = ["", `${LAKE}/`, `${LAKE}/${SOURCES_FOLDER}/`].filter((name) => existsSync(path.join(home, name)));
  const found = folders
    .flatMap((folder) => readdirSync(path.join(home, folder)).map((name) => `${folder}${name}`))
    .filter((name) => name.endsWith(".db") && !LEFT_OUT.has(name));
  const rank = (name: string): number => (name === UPLOADS_FILE ? 0 : name === LOG_FILE ? 2 : 1);
  return found.sort((a, b) => rank(a) - rank(b) || (a < b ? -1 : 1));
};

const jsonFiles = (home: string): string[] =>
  readdirSync(home).filter((name) => name.endsWith(".json") && !name.startsWith(".") && !LEFT_OUT.has(name));

/** Files below a folder of the home; names with a leading dot are unfinished writes. */
const filesBelow = (home: string, folder: string): string[] => {
  if (!existsSync(path.join(home, folder))) return [];
  return readdirSync(path.join(home, folder), { withFileTypes: true })
    .filter(({ name }) => !name.startsWith("."))
    .flatMap((entry) => {
      const name = `${folder}/${entry.name}`;
      return entry.isDirectory() ? filesBelow(home, name) : [name];
    });
};

/** A link costs no time and no space, and keeps the content that its name has now. Not every file system has links. */
const place = (from: string, to: string): void => {
  mkdirSync(path.dirname(to), { recursive: true, mode: 0o700 });
  try {
    linkSync(from, to);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT") return; // an object that went between the listing and now
    if (code !== "EPERM" && code !== "ENOTSUP" && code !== "EMLINK") throw error;
    copyFileSync(from, to);
  }
};

const snapshotOf = (file: string): DatabaseSync =>
  portCall(() => {
    const db = new DatabaseSync(file, { readOnly: true, timeout: 10_000 });
    try {
      db.exec("BEGIN");
      db.prepare("SELECT count(*) FROM sqlite_schema").get(); // a transaction begins with its first read
      return db;
    } catch (error) {
      db.close();
      throw error;
    }
  });

const manifestFiles = (db: DatabaseSync): string[] =>
  (db.prepare("SELECT path FROM files WHERE replaced_at_ms IS NULL").all() as unknown as { path: string }[]).map(
    (row) => row.path,
  );

const headOf = (db: DatabaseSync | undefined): Cut["log"] => {
  const row = db?.prepare("SELECT seq, first_number + events AS events FROM records ORDER BY seq DESC LIMIT 1").get();
  return { seq: (row?.["seq"] as number | undefined) ?? 0, events: (row?.["events"] as number | undefined) ?? 0 };
};

const offsetOf = (db: DatabaseSync | undefined, consumer: string): number =>
  (db?.prepare("SELECT seq FROM offsets WHERE consumer = ?").get(consumer)?.["seq"] as number | undefined) ?? 0;

const suppressedIn = (home: string): number => {
  const file = path.join(home, SUPPRESSIONS_FILE);
  if (!existsSync(file)) return 0;
  const db = new DatabaseSync(file, { readOnly: true, timeout: 10_000 });
  try {
    return (db.prepare("SELECT count(*) AS people FROM suppressions").get() as { people: number }).people;
  } finally {
    db.close();
  }
};
