/**
 * Says of most ids that they are not in the index, without looking there: one bit for each prefix that an id in it has.
 * At a million ids a look costs 4 µs, a bit none. It is filled from the index step by step, in key order, so that it
 * can be asked about the part that is filled while the rest still goes to the index.
 */
import type { DatabaseSync, StatementSync } from "node:sqlite";

/** Bits for each expected id: 1 of 16 new ids is looked up in vain. */
const BITS_AN_ID = 16;
const LEAST_BITS_LOG2 = 20;
/** 64 MiB; beyond 30 million ids more and more looks are in vain. */
const MOST_BITS_LOG2 = 29;
/** Ids read in one step: about 1 ms. */
const STEP_IDS = 2_000;

export class IdFilter {
  /** Ids up to which it is worth its while; then a larger one is. */
  readonly capacity: number;
  readonly #shift: number;
  readonly #bits: Uint32Array;
  readonly #step: StatementSync;
  /** Prefixes below this have all their bits. */
  #filledTo = 0;
  #lastId: Uint8Array = new Uint8Array(0);

  constructor(db: DatabaseSync, expectedIds: number) {
    const wanted = Math.ceil(Math.log2(Math.max(1, expectedIds * BITS_AN_ID)));
    const bitsLog2 = Math.min(Math.max(wanted, LEAST_BITS_LOG2), MOST_BITS_LOG2);
    this.capacity = bitsLog2 === MOST_BITS_LOG2 ? Infinity : (2 ** bitsLog2 / BITS_AN_ID) * 2;
    this.#shift = 32 - bitsLog2;
    this.#bits = new Uint32Array(2 ** bitsLog2 / 32);
    this.#step = db.prepare(
      `SELECT group_concat(hex(substr(id, 1, 4)), '') AS heads, max(id) AS last
       FROM (SELECT id FROM seen_ids WHERE id > ? ORDER BY id LIMIT ${STEP_IDS})`,
    );
  }

  /** Reads on in the index, if it is not at its end. */
  fillStep(): void {
    if (this.#filledTo === Infinity) return;
    const { heads, last } = this.#step.get(this.#lastId) as { heads: string | null; last: Uint8Array | null };
    if (heads === null || last === null) {
      this.#filledTo = Infinity;
      return;
    }
    const bytes = Buffer.from(heads, "hex");
    for (let at = 0; at < bytes.length; at += 4) this.add(bytes, at);
    this.#lastId = last;
    this.#filledTo = this.#prefixOf(bytes, bytes.length - 4); // ids with the last prefix may go on
  }

  #prefixOf(ids: Buffer, at: number): number {
    return ids.readUInt32BE(at) >>> this.#shift;
  }

  /** Takes note of an id that goes into the index. */
  add(ids: Buffer, at: number): void {
    const prefix = this.#prefixOf(ids, at);
    this.#bits[prefix >>> 5]! |= 1 << (prefix & 31);
  }

  /** False only for an id that is not in the index. */
  mayHold(ids: Buffer, at: number): boolean {
    const prefix = this.#prefixOf(ids, at);
    return prefix >= this.#filledTo || (this.#bits[prefix >>> 5]! & (1 << (prefix & 31))) !== 0;
  }
}
