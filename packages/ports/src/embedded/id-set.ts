/** A set of 16-byte ids: open addressing over typed arrays, 33 bytes a slot and no object an id. */
export class IdSet {
  #words: Uint32Array;
  #used: Uint8Array;
  #size = 0;

  /** @param expected ids that fit before the first growth */
  constructor(expected = 1024) {
    const slots = 2 ** Math.ceil(Math.log2(Math.max(expected, 8) * 2));
    this.#words = new Uint32Array(slots * 4);
    this.#used = new Uint8Array(slots);
  }

  get size(): number {
    return this.#size;
  }

  /** The slot of the id at `at` (in words) of `ids`, or the free one where it belongs. Ids are hashes: their first word is the hash. */
  #slotOf(ids: Uint32Array, at: number): number {
    const mask = this.#used.length - 1;
    for (let slot = ids[at]! & mask; ; slot = (slot + 1) & mask) {
      if (this.#used[slot] === 0) return slot;
      const word = slot * 4;
      const words = this.#words;
      if (
        words[word] === ids[at] &&
        words[word + 1] === ids[at + 1] &&
        words[word + 2] === ids[at + 2] &&
        words[word + 3] === ids[at + 3]
      )
        return slot;
    }
  }

  has(ids: Uint32Array, at: number): boolean {
    return this.#used[this.#slotOf(ids, at)] === 1;
  }

  /** Whether it was not there before. */
  add(ids: Uint32Array, at: number): boolean {
    const slot = this.#slotOf(ids, at);
    if (this.#used[slot] === 1) return false;
    this.#used[slot] = 1;
    for (let word = 0; word < 4; word++) this.#words[slot * 4 + word] = ids[at + word]!;
    if (++this.#size * 2 > this.#used.length) this.#grow();
    return true;
  }

  #grow(): void {
    const bigger = new IdSet(this.#used.length);
    bigger.addAll(this);
    this.#words = bigger.#words;
    this.#used = bigger.#used;
  }

  addAll(other: IdSet): void {
    for (let slot = 0; slot < other.#used.length; slot++) if (other.#used[slot] === 1) this.add(other.#words, slot * 4);
  }

  clear(): void {
    this.#used.fill(0);
    this.#size = 0;
  }

  /** All ids as bytes, in the order of their first bits: as many as tell that many ids apart nearly always. */
  sorted(): Buffer {
    const slots = this.#used.length;
    const bytes = Buffer.from(this.#words.buffer);
    // A double holds 53 bits: the head of the id, then its slot. Sorting numbers is ten times as fast as comparing ids.
    const headBits = Math.min(53 - Math.log2(slots), 48);
    const keys = new Float64Array(this.#size);
    let count = 0;
    for (let slot = 0; slot < slots; slot++)
      if (this.#used[slot] === 1)
        keys[count++] = Math.floor(bytes.readUIntBE(slot * 16, 6) / 2 ** (48 - headBits)) * slots + slot;
    keys.sort();
    const result = new Uint32Array(count * 4);
    for (let index = 0; index < count; index++) {
      const from = (keys[index]! % slots) * 4;
      for (let word = 0; word < 4; word++) result[index * 4 + word] = this.#words[from + word]!;
    }
    return Buffer.from(result.buffer);
  }
}
