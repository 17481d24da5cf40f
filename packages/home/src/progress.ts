/**
 * How far the log and its consumers are, shared by all threads: a consumer that waits for more is woken by the append
 * itself, without a message and without polling.
 */

/**
 * `head` is the newest record of the log, `score` the last one that is scored. `land` is the last one that the land
 * stage has taken, `landed` the last one that is in a Parquet file.
 */
const slots = { head: 0, score: 1, land: 2, landed: 3 } as const;
export type Mark = keyof typeof slots;

export class Progress {
  readonly #marks: BigInt64Array<SharedArrayBuffer>;

  constructor(shared: SharedArrayBuffer = Progress.allocate()) {
    this.#marks = new BigInt64Array(shared);
  }

  static allocate(): SharedArrayBuffer {
    return new SharedArrayBuffer(Object.keys(slots).length * BigInt64Array.BYTES_PER_ELEMENT);
  }

  get shared(): SharedArrayBuffer {
    return this.#marks.buffer;
  }

  get(mark: Mark): number {
    return Number(Atomics.load(this.#marks, slots[mark]));
  }

  set(mark: Mark, sequence: number): void {
    Atomics.store(this.#marks, slots[mark], BigInt(sequence));
    Atomics.notify(this.#marks, slots[mark]);
  }

  /** Resolves when the mark stands at `sequence` or beyond, or after `timeoutMs`; true if it does. */
  async reached(mark: Mark, sequence: number, timeoutMs: number): Promise<boolean> {
    const deadlineMs = performance.now() + timeoutMs;
    for (;;) {
      const now = Atomics.load(this.#marks, slots[mark]);
      if (now >= BigInt(sequence)) return true;
      const leftMs = deadlineMs - performance.now();
      if (leftMs <= 0) return false;
      await Atomics.waitAsync(this.#marks, slots[mark], now, leftMs).value;
    }
  }
}
