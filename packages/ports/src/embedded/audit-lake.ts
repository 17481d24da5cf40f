/** The lake's part of an audit: every event that was ever appended is landed once, and under the receipt that brought it. */
import type { DatabaseSync } from "node:sqlite";
import type { DuckDBConnection } from "@duckdb/node-api";
import type { AccountBook, Finding } from "./audit-account.ts";
import { eventIdsOf } from "./seen-ids.ts";

const landed = "lake: every event on the log has landed once";

interface LandedEvent {
  readonly eventId: string;
  readonly copies: number;
  readonly receiptId: string;
}

/** Rows of a query as they come. @returns arrays of values */
export async function* rowsOf(connection: DuckDBConnection, sql: string): AsyncGenerator<readonly unknown[]> {
  const result = await connection.stream(sql);
  for (;;) {
    const chunk = await result.fetchChunk();
    if (chunk === null || chunk.rowCount === 0) return;
    yield* chunk.getRows();
  }
}

/** Ids of all events ever appended, in order; those that are not merged into the index yet are few. */
function* appendedIds(log: DatabaseSync): Generator<string> {
  const fresh = new Set<string>();
  for (const { ids } of log.prepare("SELECT ids FROM fresh_ids").iterate() as unknown as Iterable<{ ids: Uint8Array }>)
    for (const id of eventIdsOf(ids)) fresh.add(id);
  const waiting = [...fresh].sort();
  let at = 0;
  const index = log.prepare("SELECT id FROM seen_ids ORDER BY id");
  index.setReturnArrays(true);
  for (const [bytes] of index.iterate() as unknown as Iterable<[Uint8Array]>) {
    const [id] = eventIdsOf(bytes) as [string];
    while (at < waiting.length && waiting[at]! < id) yield waiting[at++]!;
    if (waiting[at] === id) at++;
    yield id;
  }
  while (at < waiting.length) yield waiting[at++]!;
}

export interface LakeParts {
  readonly log: DatabaseSync;
  /** Its `landed_events` are the files' rows; `waiting_events` what is on the log and in no file yet. */
  readonly connection: DuckDBConnection;
  /** Events that landing has refused, by id, with their receipts: they are in quarantine instead. */
  readonly refused: ReadonlyMap<string, string>;
}

export const auditLake = async (book: AccountBook, { log, connection, refused }: LakeParts): Promise<void> => {
  const everywhere = `
    SELECT event_id, count(*)::INTEGER, any_value(receipt_id)
    FROM (SELECT event_id, receipt_id FROM landed_events UNION ALL SELECT event_id, receipt_id FROM waiting_events)
    GROUP BY event_id ORDER BY event_id`;
  const counts = { appended: 0, found: 0 };
  /** Events that a receipt lacks (above 0) or has beyond its own, as far as single events tell. */
  const told = new Map<string, number>();
  const tell = (receiptId: string, count: number): void => void told.set(receiptId, (told.get(receiptId) ?? 0) + count);
  /** Events by receipt whose ids the log does not know: its ledger may have counted them, or not. */
  const unknown = new Map<string, number>();
  const missing: string[] = [];
  const ids = appendedIds(log);
  let next = ids.next();
  const passUpTo = (eventId: string | undefined): void => {
    for (; next.done !== true && (eventId === undefined || next.value < eventId); next = ids.next()) {
      counts.appended++;
      const receiptId = refused.get(next.value);
      if (receiptId === undefined) missing.push(next.value);
      else {
        counts.found++;
        tell(receiptId, 1);
      }
    }
  };
  for await (const row of rowsOf(connection, everywhere)) {
    const [eventId, copies, receiptId] = row as [string, number, string];
    const event: LandedEvent = { eventId, copies, receiptId };
    passUpTo(eventId);
    const known = next.done !== true && next.value === eventId;
    if (known) {
      counts.appended++;
      counts.found++;
      next = ids.next();
    }
    const extra = known ? copies - 1 : copies;
    if (extra === 0) continue;
    tell(receiptId, -extra);
    counts.found += extra;
    if (!known) unknown.set(receiptId, (unknown.get(receiptId) ?? 0) + extra);
    book.find(extraFinding(event, known));
  }
  passUpTo(undefined);
  const receipts = receiptsOnLog(log, new Set(missing));
  for (const eventId of missing) {
    const receiptId = receipts.get(eventId);
    if (receiptId !== undefined) tell(receiptId, 1);
    book.find({
      ...{ line: landed, store: "lake", fault: "missing", eventId, ...(receiptId === undefined ? {} : { receiptId }) },
      detail: "The event was appended and is in no file of the lake.",
    });
  }
  await auditReceipts(book, log, connection, (receiptId, lacking) => {
    const rest = lacking - (told.get(receiptId) ?? 0);
    return rest >= 0 && rest <= (unknown.get(receiptId) ?? 0);
  });
  book.line({
    name: landed,
    left: ["on the log", counts.appended],
    right: ["landed, waiting or refused by landing", counts.found],
  });
};

const extraFinding = ({ eventId, copies, receiptId }: LandedEvent, known: boolean): Finding =>
  known
    ? {
        ...{ line: landed, store: "lake", fault: "doubled", eventId, receiptId },
        detail: `The event is in the lake ${copies} times.`,
      }
    : {
        ...{ line: landed, store: "lake", fault: "unknown", eventId, receiptId },
        detail: "The event is in the lake and was never appended to the log.",
      };

/** The receipts of events that the log still holds; read only where some are missing. */
const receiptsOnLog = (log: DatabaseSync, eventIds: ReadonlySet<string>): Map<string, string> => {
  const found = new Map<string, string>();
  if (eventIds.size === 0) return found;
  for (const { data } of log.prepare("SELECT data FROM records ORDER BY seq").iterate() as unknown as Iterable<{
    data: Uint8Array;
  }>)
    for (const line of Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString("utf8").split("\n")) {
      const eventId = /"event_id":"(evt_[0-9a-f]{32})"/.exec(line)?.[1];
      const receiptId = /"receipt_id":"([^"]+)"/.exec(line)?.[1];
      if (eventId !== undefined && receiptId !== undefined && eventIds.has(eventId)) found.set(eventId, receiptId);
    }
  return found;
};

/** New events by receipt, in the ledger and in the lake: a line of the ledger that was never landed, or is gone. */
const auditReceipts = async (
  book: AccountBook,
  log: DatabaseSync,
  connection: DuckDBConnection,
  /** Whether what the lake lacks of a receipt has been told event by event. */
  isTold: (receiptId: string, lacking: number) => boolean,
): Promise<void> => {
  const landedBy = rowsOf(
    connection,
    `SELECT receipt_id, count(*)::INTEGER
     FROM (SELECT receipt_id FROM landed_events UNION ALL SELECT receipt_id FROM waiting_events)
     GROUP BY receipt_id ORDER BY receipt_id`,
  );
  const ledger = log.prepare(`
    SELECT r.receipt, coalesce((SELECT sum(p.appended) - sum(length(p.duplicates)) / 16 FROM parts AS p WHERE p.receipt_id = r.id), 0)
    FROM receipts AS r ORDER BY r.receipt`);
  ledger.setReturnArrays(true);
  const lines = ledger.iterate() as unknown as Iterator<[string, number]>;
  const compare = (receiptId: string, inLedger: number | undefined, inLake: number): void => {
    if (isTold(receiptId, (inLedger ?? 0) - inLake)) return;
    book.find({
      ...{ line: landed, store: "ledger", receiptId, fault: inLedger === undefined ? "missing" : "differs" },
      detail: `The lake has ${inLake} events of this receipt; the ledger ${inLedger === undefined ? "does not know it" : `says ${inLedger}`}.`,
    });
  };
  let line = lines.next();
  for await (const row of landedBy) {
    const [receiptId, count] = row as [string, number];
    for (; line.done !== true && line.value[0] < receiptId; line = lines.next())
      compare(line.value[0], line.value[1], 0);
    if (line.done !== true && line.value[0] === receiptId) {
      compare(receiptId, line.value[1], count);
      line = lines.next();
    } else compare(receiptId, undefined, count);
  }
  for (; line.done !== true; line = lines.next()) compare(line.value[0], line.value[1], 0);
};
