/**
 * Pseudonyms of the ids that were met last, found by the bytes of an id: a table of customers' rows names each again and
 * again. Bounded: a newer id takes the place of an older one that falls into the same slot.
 */

const SLOTS = 1 << 17;
const NAME_BYTES = 36;
const ID_BYTES = 27;
/** One byte for the id's length, which is 0 where a slot is free. */
const SLOT_BYTES = 1 + ID_BYTES + NAME_BYTES;
/** FNV-1a. */
const [BASIS, PRIME] = [0x811c9dc5, 0x01000193];

export class KnownNames {
  /** 8 MB, of which the kernel gives what is written. */
  readonly #slots = Buffer.alloc(SLOTS * SLOT_BYTES);

  /** Writes the name of the id that lies between two places, and answers its bytes; 0 where it is not known. */
  copy(data: Buffer, from: number, to: number, out: Buffer, at: number): number {
    const slots = this.#slots;
    const slot = slotOf(data, from, to);
    if (to === from || slots[slot] !== to - from) return 0;
    for (let offset = 0; offset < to - from; offset++) if (slots[slot + 1 + offset] !== data[from + offset]) return 0;
    return slots.copy(out, at, slot + 1 + ID_BYTES, slot + SLOT_BYTES);
  }

  /** @param name of 36 letters of ASCII; another is not kept, and neither is the name of a long id */
  keep(data: Buffer, from: number, to: number, name: string): void {
    if (to - from > ID_BYTES || to === from || name.length !== NAME_BYTES) return;
    const slot = slotOf(data, from, to);
    this.#slots[slot] = to - from;
    data.copy(this.#slots, slot + 1, from, to);
    this.#slots.write(name, slot + 1 + ID_BYTES, "latin1");
  }
}

const slotOf = (data: Buffer, from: number, to: number): number => {
  let hash = BASIS;
  for (let at = from; at < to; at++) hash = Math.imul(hash ^ data[at]!, PRIME);
  return ((hash ^ (hash >>> 15)) & (SLOTS - 1)) * SLOT_BYTES;
};
