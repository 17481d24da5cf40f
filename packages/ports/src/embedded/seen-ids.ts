/**
 * The ids of all events ever appended, so that a duplicate is found at once.
 *
 * Ids are hashes: inserting each into a large index as it comes dirties one page an event, which cost more than the
 * event itself (17 of 27 µs at a million ids). So the newest ids are kept in memory and, in order of arrival, in
 * `fresh_ids`; every `GENERATION` ids they are merged into the index in key order, a slice a commit.
 */
import type { DatabaseSync, StatementSync } from "node:sqlite";
import { IdFilter } from "./id-filter.ts";
import { IdSet } from "./id-set.ts";

/** Ids in one statement: they travel as one blob, cut by the numbers of `ordinals`. */
const CHUNK = 1_024;

export const seenIdsSchema = `
  -- one row an event ever appended, except those in fresh_ids
  CREATE TABLE seen_ids (id BLOB PRIMARY KEY) WITHOUT ROWID;
  -- one row a record: the ids of its events, until they are merged into seen_ids
  CREATE TABLE fresh_ids (seq INTEGER PRIMARY KEY, ids BLOB NOT NULL);
  -- 0 to ${CHUNK - 1}
  CREATE TABLE ordinals (n INTEGER PRIMARY KEY);
  WITH RECURSIVE counted (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM counted WHERE n < ${CHUNK - 1})
  INSERT INTO ordinals SELECT n FROM counted;
`;

const GENERATION = 65_536;
/** Ids merged in one commit: some 2 ms. */
const SLICE_IDS = 2 * CHUNK;
const ID_BYTES = 16;

/** The bytes of event ids, 16 each. @throws RangeError for an id of another form */
export const idBytesOf = (eventIds: readonly string[]): Buffer => {
  const wellFormed = eventIds.every((id) => id.length === 36 && id.startsWith("evt_"));
  const bytes = Buffer.from(eventIds.map((id) => id.slice(4)).join(""), "hex"); // stops at what is not hex
  if (!wellFormed || bytes.length !== eventIds.length * ID_BYTES)
    throw new RangeError("an event id is evt_ and 32 hex digits");
  return bytes;
};

/** The event ids of such bytes. */
export const eventIdsOf = (bytes: Uint8Array): string[] => {
  const digits = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("hex");
  return Array.from({ length: digits.length / 32 }, (_, index) => `evt_${digits.slice(index * 32, index * 32 + 32)}`);
};

/** The same bytes as words, four an id. Copied: a pooled buffer need not be aligned. */
const wordsOf = (bytes: Uint8Array): Uint32Array => new Uint32Array(new Uint8Array(bytes).buffer);

/** Ids on their way into the index. */
interface Merge {
  /** Still looked up in memory until the last slice is on disk. */
  readonly ids: IdSet;
  readonly sorted: Buffer;
  /** The last record whose ids are among them. */
  readonly lastSeq: number;
  /** Bytes of `sorted` that are in the index for good. */
  done: number;
}

export class SeenIds {
  #fresh = new IdSet(GENERATION);
  #freshSeq = 0;
  #merge: Merge | undefined;
  /** Added by the transaction that is under way. */
  readonly #uncommitted = new IdSet();
  #uncommittedSeq = 0;
  #sliceEnd = 0;

  readonly #db: DatabaseSync;
  #filter: IdFilter;
  #ids: number;
  readonly #insertFresh: StatementSync;
  readonly #deleteFresh: StatementSync;
  readonly #find: StatementSync;
  readonly #insert: StatementSync;

  /** @param expectedIds about how many there are */
  constructor(db: DatabaseSync, expectedIds: number) {
    this.#db = db;
    this.#ids = expectedIds;
    this.#filter = new IdFilter(db, expectedIds);
    this.#insertFresh = db.prepare("INSERT INTO fresh_ids (seq, ids) VALUES (?, ?)");
    this.#deleteFresh = db.prepare("DELETE FROM fresh_ids WHERE seq <= ?");
    const id = `substr(:ids, n * ${ID_BYTES} + 1, ${ID_BYTES})`;
    this.#find = db.prepare(
      `SELECT n FROM ordinals WHERE n < :count AND EXISTS (SELECT 1 FROM seen_ids WHERE id = ${id})`,
    );
    this.#insert = db.prepare(
      `INSERT OR IGNORE INTO seen_ids (id) SELECT ${id} FROM ordinals WHERE n < :count ORDER BY n`,
    );
    for (const row of db.prepare("SELECT seq, ids FROM fresh_ids ORDER BY seq").iterate()) {
      const words = wordsOf(row["ids"] as Uint8Array);
      for (let at = 0; at < words.length; at += 4) this.#fresh.add(words, at);
      this.#freshSeq = row["seq"] as number;
    }
  }

  /** Which of these ids are new: one flag each; a repetition inside the list counts once. Must be in a transaction. */
  takeNew(ids: Buffer): boolean[] {
    this.#filter.fillStep();
    const words = wordsOf(ids);
    const isNew: boolean[] = [];
    const doubtful: number[] = [];
    for (let index = 0; index * ID_BYTES < ids.length; index++) {
      const at = index * 4;
      const unknown = !this.#fresh.has(words, at) && this.#merge?.ids.has(words, at) !== true;
      isNew.push(unknown && this.#uncommitted.add(words, at));
      if (isNew[index] && this.#filter.mayHold(ids, index * ID_BYTES)) doubtful.push(index);
    }
    for (const index of this.#inIndex(ids, doubtful)) isNew[index] = false;
    return isNew;
  }

  /** Those of the ids (by their position) that are in the index. */
  #inIndex(ids: Buffer, positions: readonly number[]): number[] {
    const found: number[] = [];
    for (let start = 0; start < positions.length; start += CHUNK) {
      const chunk = positions.slice(start, start + CHUNK);
      const bytes = Buffer.concat(chunk.map((index) => ids.subarray(index * ID_BYTES, (index + 1) * ID_BYTES)));
      for (const { n } of this.#find.all({ ids: bytes, count: chunk.length }) as { n: number }[]) found.push(chunk[n]!);
    }
    return found;
  }

  /** Stores new ids under the record that holds their events. Must be in the transaction of `takeNew`. */
  store(seq: number, ids: Uint8Array): void {
    this.#insertFresh.run(seq, ids);
    this.#uncommittedSeq = seq;
  }

  /** One slice of the merge, if one is due. Must be in a transaction; `committed` or `rolledBack` follows. */
  mergeSlice(): void {
    if (this.#merge === undefined) {
      if (this.#fresh.size < GENERATION) return;
      this.#merge = { ids: this.#fresh, sorted: this.#fresh.sorted(), lastSeq: this.#freshSeq, done: 0 };
      this.#ids += this.#fresh.size;
      this.#fresh = new IdSet(GENERATION);
      if (this.#ids > this.#filter.capacity) this.#filter = new IdFilter(this.#db, this.#ids * 2);
    }
    const { sorted, done, lastSeq } = this.#merge;
    this.#sliceEnd = Math.min(done + SLICE_IDS * ID_BYTES, sorted.length);
    for (let at = done; at < this.#sliceEnd; at += CHUNK * ID_BYTES) {
      const chunk = sorted.subarray(at, Math.min(at + CHUNK * ID_BYTES, this.#sliceEnd));
      this.#insert.run({ ids: chunk, count: chunk.length / ID_BYTES });
      for (let id = 0; id < chunk.length; id += ID_BYTES) this.#filter.add(chunk, id);
    }
    if (this.#sliceEnd === sorted.length) this.#deleteFresh.run(lastSeq);
  }

  committed(): void {
    this.#fresh.addAll(this.#uncommitted);
    if (this.#uncommittedSeq > 0) this.#freshSeq = this.#uncommittedSeq;
    if (this.#merge !== undefined && this.#sliceEnd > 0) this.#merge.done = this.#sliceEnd;
    if (this.#merge?.done === this.#merge?.sorted.length) this.#merge = undefined;
    this.rolledBack();
  }

  /** Forgets the transaction that was under way. */
  rolledBack(): void {
    this.#uncommitted.clear();
    this.#uncommittedSeq = 0;
    this.#sliceEnd = 0;
  }
}
