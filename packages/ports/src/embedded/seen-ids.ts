/**
 * The ids of all events ever appended, so that a duplicate is found at once.
 *
 * Ids are hashes: inserting each into a large index as it comes dirties one page an event, which cost more than the
 * event itself (17 of 27 µs at a million ids). So the newest ids are kept in memory and, in order of arrival, in
 * `fresh_ids`; every `GENERATION` ids they are merged into the index in key order, a slice a commit.
 */
import type { DatabaseSync, StatementSync } from "node:sqlite";

export const seenIdsSchema = `
  CREATE TABLE seen_ids (id BLOB PRIMARY KEY) WITHOUT ROWID;
  CREATE TABLE fresh_ids (seq INTEGER PRIMARY KEY, ids BLOB NOT NULL);
`;

const GENERATION = 65_536;
/** Buckets by the first byte of the id; a slice is this many of them: some 2,000 ids, 2 ms. */
const BUCKETS = 256;
const BUCKETS_A_SLICE = 8;
/** Ids in one statement. */
const CHUNK = 64;
const EVENT_ID = /^evt_[0-9a-f]{32}$/;

/** The 32 hex digits of an event id. @throws RangeError for anything else */
export const idDigits = (eventId: string): string => {
  if (!EVENT_ID.test(eventId)) throw new RangeError("an event id is evt_ and 32 hex digits");
  return eventId.slice(4);
};

class Generation {
  readonly ids = new Set<string>();
  readonly buckets: string[][] = Array.from({ length: BUCKETS }, () => []);
  lastSeq = 0;

  add(digits: string): void {
    this.ids.add(digits);
    this.buckets[Number.parseInt(digits.slice(0, 2), 16)]!.push(digits);
  }
}

export class SeenIds {
  #fresh = new Generation();
  /** The generation being merged; still looked up in memory until the merge is on disk. */
  #merging: Generation | undefined;
  #mergedBuckets = 0;
  /** Added by the transaction that is under way. */
  #uncommitted: { readonly digits: string[]; lastSeq: number } = { digits: [], lastSeq: 0 };
  readonly #uncommittedSet = new Set<string>();
  #mergeStep: "none" | "slice" | "last" = "none";

  readonly #db: DatabaseSync;
  readonly #insertFresh: StatementSync;
  readonly #deleteFresh: StatementSync;
  readonly #find: StatementSync;
  readonly #insert: StatementSync;
  readonly #insertOne: StatementSync;

  constructor(db: DatabaseSync) {
    this.#db = db;
    const marks = (mark: string) => Array<string>(CHUNK).fill(mark).join(",");
    this.#insertFresh = db.prepare("INSERT INTO fresh_ids (seq, ids) VALUES (?, ?)");
    this.#deleteFresh = db.prepare("DELETE FROM fresh_ids WHERE seq <= ?");
    this.#find = db.prepare(`SELECT hex(id) AS id FROM seen_ids WHERE id IN (${marks("?")})`);
    this.#find.setReturnArrays(true);
    this.#insert = db.prepare(`INSERT OR IGNORE INTO seen_ids (id) VALUES ${marks("(?)")}`);
    this.#insertOne = db.prepare("INSERT OR IGNORE INTO seen_ids (id) VALUES (?)");
    this.#load();
  }

  #load(): void {
    for (const row of this.#db.prepare("SELECT seq, ids FROM fresh_ids ORDER BY seq").iterate()) {
      const digits = Buffer.from(row["ids"] as Uint8Array).toString("hex");
      for (let at = 0; at < digits.length; at += 32) this.#fresh.add(digits.slice(at, at + 32));
      this.#fresh.lastSeq = row["seq"] as number;
    }
  }

  /** Which of these ids are new: one flag each; a repetition inside the list counts once. Must be in a transaction. */
  takeNew(digits: readonly string[]): boolean[] {
    const inIndex = this.#lookUp(digits);
    return digits.map((id) => {
      const known =
        this.#uncommittedSet.has(id) ||
        this.#fresh.ids.has(id) ||
        this.#merging?.ids.has(id) === true ||
        inIndex.has(id);
      if (!known) {
        this.#uncommittedSet.add(id);
        this.#uncommitted.digits.push(id);
      }
      return !known;
    });
  }

  #lookUp(digits: readonly string[]): Set<string> {
    const found = new Set<string>();
    if (digits.length === 0) return found;
    const bytes = Buffer.from(digits.join(""), "hex");
    for (let start = 0; start < digits.length; start += CHUNK) {
      const ids = Array.from({ length: CHUNK }, (_, index) => {
        const at = Math.min(start + index, digits.length - 1) * 16; // the last id fills the statement up
        return bytes.subarray(at, at + 16);
      });
      for (const row of this.#find.all(...ids) as unknown as [string][]) found.add(row[0].toLowerCase());
    }
    return found;
  }

  /** Stores new ids under the record that holds their events. Must be in the transaction of `takeNew`. */
  store(seq: number, digits: readonly string[]): void {
    this.#insertFresh.run(seq, Buffer.from(digits.join(""), "hex"));
    this.#uncommitted.lastSeq = seq;
  }

  /** One slice of the merge, if one is under way. Must be in a transaction; `committed` or `rolledBack` follows. */
  mergeSlice(): void {
    if (this.#mergeStep !== "none") return;
    if (this.#merging === undefined) {
      if (this.#fresh.ids.size < GENERATION) return;
      this.#merging = this.#fresh;
      this.#fresh = new Generation();
      this.#mergedBuckets = 0;
    }
    const end = this.#mergedBuckets + BUCKETS_A_SLICE;
    this.#insertSorted(this.#merging.buckets.slice(this.#mergedBuckets, end));
    this.#mergeStep = "slice";
    if (end < BUCKETS) return;
    this.#deleteFresh.run(this.#merging.lastSeq);
    this.#mergeStep = "last";
  }

  #insertSorted(buckets: readonly string[][]): void {
    const digits = buckets.flatMap((bucket) => bucket.toSorted());
    const bytes = Buffer.from(digits.join(""), "hex");
    let at = 0;
    const next = () => bytes.subarray(at, (at += 16));
    while (bytes.length - at >= CHUNK * 16) this.#insert.run(...Array.from({ length: CHUNK }, next));
    while (at < bytes.length) this.#insertOne.run(next());
  }

  committed(): void {
    for (const id of this.#uncommitted.digits) this.#fresh.add(id);
    this.#fresh.lastSeq = Math.max(this.#fresh.lastSeq, this.#uncommitted.lastSeq);
    if (this.#mergeStep !== "none") this.#mergedBuckets += BUCKETS_A_SLICE;
    if (this.#mergeStep === "last") this.#merging = undefined;
    this.#forgetTransaction();
  }

  rolledBack(): void {
    this.#forgetTransaction();
  }

  #forgetTransaction(): void {
    this.#uncommitted = { digits: [], lastSeq: 0 };
    this.#uncommittedSet.clear();
    this.#mergeStep = "none";
  }
}
