/** The instant of an audit: a read transaction on each store, and what lies between the log and its consumers. */
import { existsSync } from "node:fs";
import { open } from "node:fs/promises";
import path from "node:path";
import { DatabaseSync } from "node:sqlite";
import { TransientError } from "../ports.ts";
import { CUSTOMERS_FILE } from "./customer-reader.ts";
import { LAKE_MANIFEST_FILE } from "./lake-manifest.ts";
import { LOG_FILE } from "./log-schema.ts";
import { portCall } from "./sqlite.ts";

export interface AuditCut {
  readonly log: DatabaseSync;
  readonly customers: DatabaseSync;
  readonly uploads: DatabaseSync;
  readonly runs: DatabaseSync | undefined;
  readonly head: { readonly seq: number; readonly events: number };
  /** The last records whose effect is in the customer store, and in the lake. */
  readonly scored: number;
  readonly landed: number;
  readonly files: readonly { readonly path: string; readonly rows: number }[];
  /** Events that landing has refused, by id, with their receipts. */
  readonly refused: ReadonlyMap<string, string>;
  close(): void;
}

/**
 * The log last: what a consumer has taken is on it then.
 * @throws TransientError where a stage of a home that starts for the first time has not made its tables yet
 */
export const auditCut = (home: string): AuditCut => {
  const opened: DatabaseSync[] = [];
  const snapshot = (name: string): DatabaseSync =>
    portCall(() => {
      const db = new DatabaseSync(path.join(home, name), { readOnly: true, timeout: 10_000 });
      opened.push(db);
      db.exec("BEGIN");
      // The transaction begins with this, its first read.
      const { tables } = db.prepare("SELECT count(*) AS tables FROM sqlite_schema").get() as { tables: number };
      if (tables === 0) throw new TransientError(`${name} is just being made: ask again when the home has started`);
      return db;
    });
  const close = (): void => {
    for (const db of opened) db.close();
  };
  try {
    const runs = existsSync(path.join(home, "runs.db")) ? snapshot("runs.db") : undefined;
    const uploads = snapshot("uploads.db");
    const customers = snapshot(CUSTOMERS_FILE);
    const manifestName = `lake/${LAKE_MANIFEST_FILE}`;
    const manifest = existsSync(path.join(home, manifestName)) ? snapshot(manifestName) : undefined;
    const log = snapshot(LOG_FILE);
    return {
      ...{ log, customers, uploads, runs, close },
      head: headOf(log),
      scored: offsetOf(customers, "score"),
      landed: offsetOf(manifest, "land"),
      files: (manifest?.prepare("SELECT path, rows FROM files WHERE replaced_at_ms IS NULL ORDER BY path").all() ??
        []) as unknown as AuditCut["files"],
      refused: refusedByLanding(log),
    };
  } catch (error) {
    close();
    throw error;
  }
};

const headOf = (log: DatabaseSync): AuditCut["head"] => {
  const row = log.prepare("SELECT seq, first_number + events AS events FROM records ORDER BY seq DESC LIMIT 1").get();
  return { seq: (row?.["seq"] as number | undefined) ?? 0, events: (row?.["events"] as number | undefined) ?? 0 };
};

const offsetOf = (db: DatabaseSync | undefined, consumer: string): number =>
  (db?.prepare("SELECT seq FROM offsets WHERE consumer = ?").get(consumer)?.["seq"] as number | undefined) ?? 0;

const eventIdOf = (line: string): string | undefined => /"event_id":"(evt_[0-9a-f]{32})"/.exec(line)?.[1];

/** Items under receipts that no request or upload has: lines that a stage behind the log refused. */
const refusedByLanding = (log: DatabaseSync): Map<string, string> => {
  const items = log.prepare(
    "SELECT original FROM quarantine AS q WHERE NOT EXISTS (SELECT 1 FROM receipts AS r WHERE r.receipt = q.receipt)",
  );
  const refused = new Map<string, string>();
  for (const { original } of items.iterate() as unknown as Iterable<{ original: Uint8Array }>) {
    const line = Buffer.from(original).toString("utf8");
    const eventId = eventIdOf(line);
    if (eventId !== undefined) refused.set(eventId, /"receipt_id":"([^"]+)"/.exec(line)?.[1] ?? "");
  }
  return refused;
};

/** Events of the records after `afterSeq` up to `lastSeq`, of those that arrived from `arrivedFromMs` on. */
export function* eventsOfRecords(
  log: DatabaseSync,
  afterSeq: number,
  lastSeq: number,
  arrivedFromMs = -Infinity,
): Generator<{ readonly line: string; readonly eventId: string }> {
  if (afterSeq >= lastSeq) return;
  // Newest first and given up at the first that is much older: of a day's records of a week of them one is read.
  const records = log.prepare("SELECT arrived_at_ms, data FROM records WHERE seq > ? AND seq <= ? ORDER BY seq DESC");
  for (const { arrived_at_ms: atMs, data } of records.iterate(afterSeq, lastSeq) as unknown as Iterable<{
    arrived_at_ms: number;
    data: Uint8Array;
  }>) {
    if (atMs < arrivedFromMs - CLOCK_JUMP_MS) return;
    if (atMs < arrivedFromMs) continue;
    for (const line of Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString("utf8").split("\n")) {
      const eventId = eventIdOf(line);
      if (eventId !== undefined) yield { line, eventId };
    }
  }
}

/** A clock that was put back lets records look older than those before them. */
const CLOCK_JUMP_MS = 2 * 86_400_000;

/** A line an event, as `textOf` has it. */
export const writeEvents = async (
  file: string,
  events: Iterable<{ readonly line: string; readonly eventId: string }>,
  textOf: (line: string, eventId: string) => string,
): Promise<void> => {
  const handle = await open(file, "w", 0o600);
  try {
    let pending = "";
    for (const { line, eventId } of events) {
      pending += `${textOf(line, eventId)}\n`;
      if (pending.length < 1_000_000) continue;
      await handle.writeFile(pending);
      pending = "";
    }
    await handle.writeFile(pending);
  } finally {
    await handle.close();
  }
};
