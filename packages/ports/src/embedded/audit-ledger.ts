/** The front door's part of an audit: every request, hook and upload against its parts, its quarantine and its upload. */
import type { DatabaseSync } from "node:sqlite";
import { limits } from "@ebb/core/limits";
import type { Upload } from "../ports.ts";
import type { AccountBook } from "./audit-account.ts";

interface ReceiptRow {
  readonly receipt: string;
  readonly channel: string;
  readonly received: number;
  readonly quarantined: number;
  readonly accepted: number | null;
  readonly duplicate: number | null;
  readonly received_at_ms: number;
  /** Events of its parts, and those of them that were known before. */
  readonly appended: number;
  readonly known: number;
  readonly items: number;
}

/** A receipt with its parts and its items: index look-ups by the receipt, so that nothing is held. */
const RECEIPTS = `
  SELECT r.receipt, r.channel, r.received, r.quarantined, r.accepted, r.duplicate, r.received_at_ms,
    coalesce((SELECT sum(p.appended) FROM parts AS p WHERE p.receipt_id = r.id), 0) AS appended,
    coalesce((SELECT sum(length(p.duplicates)) / 16 FROM parts AS p WHERE p.receipt_id = r.id), 0) AS known,
    (SELECT count(*) FROM quarantine AS q WHERE q.receipt = r.receipt) AS items
  FROM receipts AS r ORDER BY r.id`;

const front = "front door: received = appended + quarantined";
const settled = "settled: appended = accepted + duplicate";
const uploaded = "uploads: received = accepted + duplicate + quarantined";
const kept = "quarantine: every refused row is kept";
const onLog = "log: what the ledger accepted is on the log";

/** @param uploads a snapshot of uploads.db; @param events the log's head */
export const auditLedger = (
  book: AccountBook,
  log: DatabaseSync,
  uploads: DatabaseSync,
  events: number,
  nowMs: number,
): void => {
  const sums = { received: 0, front: 0, appended: 0, settled: 0, rows: 0, uploaded: 0, refused: 0, items: 0, new: 0 };
  const keptFromMs = nowMs - limits.quarantineDays * 86_400_000;
  const uploadOf = uploads.prepare("SELECT document FROM uploads WHERE upload = ?");
  for (const row of log.prepare(RECEIPTS).iterate() as unknown as Iterable<ReceiptRow>) {
    const { receipt: receiptId, channel, received, quarantined, appended, known } = row;
    sums.new += appended - known;
    const expired = row.received_at_ms < keptFromMs;
    sums.refused += quarantined;
    sums.items += expired ? Math.max(row.items, quarantined) : row.items;
    if (row.items > quarantined || (row.items < quarantined && !expired))
      book.find({
        ...{ line: kept, store: "quarantine", receiptId, fault: row.items < quarantined ? "missing" : "unknown" },
        detail: `The ledger says that ${quarantined} were refused; ${row.items} are in quarantine.`,
      });
    if (row.accepted === null || row.duplicate === null) {
      sums.rows += received;
      sums.uploaded += channel === "upload" ? auditUpload(book, uploadOf.get(receiptId), row) : received;
      continue;
    }
    sums.received += received;
    sums.front += appended + quarantined;
    sums.appended += appended;
    sums.settled += row.accepted + row.duplicate;
    if (received !== appended + quarantined)
      book.find({
        ...{ line: front, store: "ledger", fault: "differs", receiptId },
        detail: `${received} were received; ${appended} are appended and ${quarantined} refused.`,
      });
    else if (row.accepted + row.duplicate !== appended || row.duplicate !== known)
      book.find({
        ...{ line: settled, store: "ledger", fault: "differs", receiptId },
        detail: `${appended} are appended, ${known} of them known before; the ledger says ${row.accepted} accepted and ${row.duplicate} duplicate.`,
      });
  }
  unknownUploads(book, log, uploads);
  book.line({ name: front, left: ["received", sums.received], right: ["appended + quarantined", sums.front] });
  book.line({ name: settled, left: ["appended", sums.appended], right: ["accepted + duplicate", sums.settled] });
  book.line({
    name: uploaded,
    left: ["rows received", sums.rows],
    right: ["accepted + duplicate + quarantined", sums.uploaded],
  });
  book.line({ name: kept, left: ["refused", sums.refused], right: ["in quarantine, or past its time", sums.items] });
  book.line({ name: onLog, left: ["accepted by the ledger", sums.new], right: ["on the log", events] });
};

/** What the upload says of itself; the ledger's own word while it is under way. */
const auditUpload = (book: AccountBook, found: unknown, row: ReceiptRow): number => {
  const { receipt: receiptId, received, quarantined } = row;
  const upload = found === undefined ? undefined : (JSON.parse((found as { document: string }).document) as Upload);
  if (upload === undefined) {
    book.find({
      ...{ line: uploaded, store: "uploads", fault: "missing", receiptId },
      detail: `The ledger has ${received} rows of an upload that is not there.`,
    });
    return 0;
  }
  if (upload.state !== "done" || upload.ledger === undefined) return received;
  const { ledger } = upload;
  const sum = ledger.accepted + ledger.duplicate + ledger.quarantined;
  if (sum !== ledger.received || ledger.received !== received || ledger.quarantined !== quarantined)
    book.find({
      ...{ line: uploaded, store: "uploads", fault: "differs", receiptId },
      detail: `The ledger has ${received} rows, ${quarantined} refused; the upload ${ledger.received}: ${ledger.accepted} accepted, ${ledger.duplicate} duplicate, ${ledger.quarantined} refused.`,
    });
  return sum;
};

/** Uploads that are done and have no line. */
const unknownUploads = (book: AccountBook, log: DatabaseSync, uploads: DatabaseSync): void => {
  const lineOf = log.prepare("SELECT 1 FROM receipts WHERE receipt = ?");
  const done = uploads.prepare("SELECT upload FROM uploads WHERE state = 'done' ORDER BY id");
  for (const { upload: receiptId } of done.iterate() as unknown as Iterable<{ upload: string }>)
    if (lineOf.get(receiptId) === undefined)
      book.find({
        ...{ line: uploaded, store: "ledger", fault: "missing", receiptId },
        detail: "The upload is done and the ledger has no line of it.",
      });
};
