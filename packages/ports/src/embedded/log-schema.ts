import { seenIdsSchema } from "./seen-ids.ts";

export const LOG_FILE = "log.db";

/** log.db by schema version. Everything that one part makes durable is in this file, so that it commits at once. */
export const logMigrations: readonly string[] = [
  `
  -- one row a stream record: JSON lines of the new events of one part
  CREATE TABLE records (
    seq INTEGER PRIMARY KEY,
    arrived_at_ms INTEGER NOT NULL,
    first_number INTEGER NOT NULL, -- ordinal of its first event among all events ever appended, from 0
    events INTEGER NOT NULL,
    data BLOB NOT NULL
  );
  ${seenIdsSchema}
  -- one row a request or upload; its counts are the sums over its parts
  CREATE TABLE receipts (
    id INTEGER PRIMARY KEY,
    receipt TEXT NOT NULL UNIQUE,
    channel TEXT NOT NULL,
    source TEXT NOT NULL,
    received INTEGER NOT NULL,
    quarantined INTEGER NOT NULL,
    accepted INTEGER, -- NULL for uploads: their unit is the row, and the upload itself settles it
    duplicate INTEGER,
    received_at_ms INTEGER NOT NULL
  );
  -- one row a committed part, to answer a repetition as the first time
  CREATE TABLE parts (
    receipt_id INTEGER NOT NULL,
    part INTEGER NOT NULL,
    appended INTEGER NOT NULL,
    duplicates BLOB NOT NULL, -- 16 bytes an id
    PRIMARY KEY (receipt_id, part)
  ) WITHOUT ROWID;
  -- one row a refused event or file row
  CREATE TABLE quarantine (
    id INTEGER PRIMARY KEY,
    receipt TEXT NOT NULL,
    row_number INTEGER NOT NULL,
    code TEXT NOT NULL,
    field TEXT,
    message TEXT NOT NULL,
    source TEXT NOT NULL,
    schema_version INTEGER NOT NULL,
    quarantined_at_ms INTEGER NOT NULL,
    original BLOB NOT NULL,
    UNIQUE (receipt, row_number)
  );
  CREATE INDEX quarantine_by_age ON quarantine (quarantined_at_ms);
  `,
  `
  -- what became of an item that was sent again: the receipt it was sent under, \`appended\` or \`refused\`, when
  ALTER TABLE quarantine ADD COLUMN replay_receipt TEXT;
  ALTER TABLE quarantine ADD COLUMN replay_outcome TEXT;
  ALTER TABLE quarantine ADD COLUMN replayed_at_ms INTEGER;
  `,
];
