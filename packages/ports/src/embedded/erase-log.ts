/** How the event log forgets: of the events of erased people it keeps that they came, of refused rows that they were. */
import path from "node:path";
import type { DatabaseSync } from "node:sqlite";
import { withoutErased } from "@ebb/core/erasure";
import type { Eraser } from "../erasure-ports.ts";
import { changeRows, withDatabase } from "./erase-databases.ts";
import { PersonFinder } from "../person-finder.ts";
import { LOG_FILE, logMigrations } from "./log-schema.ts";

interface ChangedRecord {
  readonly seq: number;
  readonly data: Buffer;
  /** Events that changed. */
  readonly events: number;
}

/** Bytes of records that are held before they are written. */
const HELD_BYTES = 4_000_000;

/** Records that hold events of the subjects, as they are to be. */
function* changedRecords(db: DatabaseSync, finder: PersonFinder): Generator<ChangedRecord> {
  const read = db.prepare("SELECT seq, data FROM records WHERE seq > ? ORDER BY seq LIMIT 200");
  for (let after = 0; ;) {
    const rows = read.all(after) as unknown as { seq: number; data: Uint8Array }[];
    if (rows.length === 0) return;
    after = rows.at(-1)!.seq;
    for (const { seq, data } of rows) {
      const bytes = Buffer.from(data.buffer, data.byteOffset, data.byteLength);
      // Most records hold nobody: their bytes are looked through as they are.
      if (!mayHold(bytes.toString("latin1"), finder)) continue;
      const before = bytes.toString("utf8").split("\n");
      const lines = before.map((line) => withoutErased(line, finder.isErased, finder.isShared));
      const events = lines.filter((line, index) => line !== before[index]).length;
      if (events > 0) yield { seq, data: Buffer.from(lines.join("\n")), events };
    }
  }
}

const mayHold = (text: string, { sets: { erased, shared } }: PersonFinder): boolean => {
  for (const [pseudonym] of text.matchAll(/(?:cus|ano)_[0-9a-f]{32}/g))
    if (erased.has(pseudonym) || shared.has(pseudonym)) return true;
  return false;
};

export const logEraser = (folder: string): Eraser => {
  const file = path.join(folder, LOG_FILE);
  return {
    name: "event log",
    survey: async (subjects) =>
      withDatabase(file, logMigrations, (db) => {
        let [objects, count] = [0, 0];
        for (const { events } of changedRecords(db, new PersonFinder(subjects))) {
          objects++;
          count += events;
        }
        return count === 0 ? [] : [{ store: "event log", objects, count }];
      }) ?? [],
    erase: async (subjects) =>
      void withDatabase(file, logMigrations, (db) => {
        const update = db.prepare("UPDATE records SET data = ? WHERE seq = ?");
        const write = (records: readonly ChangedRecord[]): void =>
          changeRows(db, records, ({ seq, data }) => void update.run(data, seq));
        let held: ChangedRecord[] = [];
        let bytes = 0;
        for (const record of changedRecords(db, new PersonFinder(subjects))) {
          held.push(record);
          if ((bytes += record.data.length) < HELD_BYTES) continue;
          write(held);
          [held, bytes] = [[], 0];
        }
        write(held);
      }),
  };
};

/** Ids of refused rows whose original bytes mention a subject. */
function* mentioning(
  db: DatabaseSync,
  finder: PersonFinder,
): Generator<{ readonly id: number; readonly receipt: string }> {
  const read = db.prepare(
    "SELECT id, receipt, original FROM quarantine WHERE id > ? AND length(original) > 0 ORDER BY id LIMIT 500",
  );
  for (let after = 0; ;) {
    const rows = read.all(after) as unknown as { id: number; receipt: string; original: Uint8Array }[];
    if (rows.length === 0) return;
    after = rows.at(-1)!.id;
    for (const { id, receipt, original } of rows) if (finder.mentionedIn(original)) yield { id, receipt };
  }
}

/** Refused rows stay with their reason, so that the ledger balances; their bytes go. */
export const quarantineEraser = (folder: string): Eraser => {
  const file = path.join(folder, LOG_FILE);
  return {
    name: "quarantine",
    survey: async (subjects) =>
      withDatabase(file, logMigrations, (db) => {
        const count = [...mentioning(db, new PersonFinder(subjects))].length;
        return count === 0 ? [] : [{ store: "quarantine", count }];
      }) ?? [],
    erase: async (subjects) =>
      void withDatabase(file, logMigrations, (db) => {
        const blank = db.prepare("UPDATE quarantine SET original = x'' WHERE id = ?");
        changeRows(db, [...mentioning(db, new PersonFinder(subjects))], ({ id }) => void blank.run(id));
      }),
  };
};

/** Uploads with refused rows that mention a subject. */
export const receiptsMentioning = (folder: string, finder: PersonFinder): string[] =>
  withDatabase(path.join(folder, LOG_FILE), logMigrations, (db) => [
    ...new Set(Array.from(mentioning(db, finder), ({ receipt }) => receipt)),
  ]) ?? [];
