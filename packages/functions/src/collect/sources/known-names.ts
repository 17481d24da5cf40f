/**
 * Pseudonyms of the ids that were met last, found by the bytes of an id: a table of customers' rows names each again and
 * again, in any order. Bounded by two generations: what is met again in the younger one's time outlives the older one.
 */

const NAME_BYTES = 36;
const ID_BYTES = 27;
/** One byte for the id's length, the id, its name. */
const ENTRY_BYTES = 1 + ID_BYTES + NAME_BYTES;
/** FNV-1a. */
const [BASIS, PRIME] = [0x811c9dc5, 0x01000193];

interface Generation {
  /** Entries one after the other: the kernel gives the memory of those that are written. */
  readonly entries: Buffer;
  /** By the id's hash, the entry's number from 1 on; 0 where a place is free. The next place is the next guess. */
  readonly places: Int32Array;
  count: number;
}

export class KnownNames {
  readonly #capacity: number;
  #young: Generation;
  #old: Generation | undefined;

  /** @param capacity of a generation, a power of two: 131,072 entries and their places take 9.4 MB, in two generations 18.9 */
  constructor(capacity = 1 << 17) {
    this.#capacity = capacity;
    this.#young = generation(capacity);
  }

  /** Writes the name of the id that lies between two places, and answers its bytes; 0 where it is not known. */
  copy(data: Uint8Array, from: number, to: number, out: Uint8Array, at: number): number {
    if (to === from || to - from > ID_BYTES) return 0;
    const hash = hashOf(data, from, to);
    let { entries } = this.#young;
    let entry = find(this.#young, hash, data, from, to);
    if (entry < 0) {
      if (this.#old === undefined) return 0;
      entry = find(this.#old, hash, data, from, to);
      if (entry < 0) return 0;
      ({ entries } = this.#old);
      const { entries: younger } = this.#add(hash);
      younger.set(entries.subarray(entry, entry + ENTRY_BYTES), (this.#young.count - 1) * ENTRY_BYTES);
    }
    const name = entry + 1 + ID_BYTES;
    for (let offset = 0; offset < NAME_BYTES; offset++) out[at + offset] = entries[name + offset]!;
    return NAME_BYTES;
  }

  /** @param name of 36 letters of ASCII; another is not kept, and neither is the name of a long id, or one that is known */
  keep(data: Uint8Array, from: number, to: number, name: string): void {
    if (to - from > ID_BYTES || to === from || name.length !== NAME_BYTES) return;
    const hash = hashOf(data, from, to);
    if (find(this.#young, hash, data, from, to) >= 0) return;
    const { entries, count } = this.#add(hash);
    const entry = (count - 1) * ENTRY_BYTES;
    entries[entry] = to - from;
    for (let offset = 0; offset < to - from; offset++) entries[entry + 1 + offset] = data[from + offset]!;
    entries.write(name, entry + 1 + ID_BYTES, "latin1");
  }

  /** Room for one more in the younger generation, its last. */
  #add(hash: number): Generation {
    if (this.#young.count === this.#capacity) {
      const emptied = this.#old ?? generation(this.#capacity);
      emptied.places.fill(0);
      emptied.count = 0;
      this.#old = this.#young;
      this.#young = emptied;
    }
    const { places } = this.#young;
    let place = hash & (places.length - 1);
    while (places[place] !== 0) place = (place + 1) & (places.length - 1);
    places[place] = ++this.#young.count;
    return this.#young;
  }
}

/** Places are half free when all entries are there. */
const generation = (capacity: number): Generation => ({
  entries: Buffer.alloc(capacity * ENTRY_BYTES),
  places: new Int32Array(2 * capacity),
  count: 0,
});

/** Where an id's entry begins; -1 where there is none. */
const find = ({ entries, places }: Generation, hash: number, data: Uint8Array, from: number, to: number): number => {
  for (let place = hash & (places.length - 1); ; place = (place + 1) & (places.length - 1)) {
    const number = places[place]!;
    if (number === 0) return -1;
    const entry = (number - 1) * ENTRY_BYTES;
    if (entries[entry] !== to - from) continue;
    let offset = 0;
    while (offset < to - from && entries[entry + 1 + offset] === data[from + offset]) offset++;
    if (offset === to - from) return entry;
  }
};

const hashOf = (data: Uint8Array, from: number, to: number): number => {
  let hash = BASIS;
  for (let at = from; at < to; at++) hash = Math.imul(hash ^ data[at]!, PRIME);
  return hash ^ (hash >>> 15);
};
