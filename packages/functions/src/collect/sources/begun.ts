/**
 * Something that is read from now on, whoever asks for it later: its first piece is fetched at once, and waits. So does a
 * fault, which whoever asks meets in its turn.
 */
export class Begun<T> implements AsyncIterable<T> {
  readonly #iterator: AsyncIterator<T>;
  readonly #first: Promise<IteratorResult<T>>;

  constructor(source: AsyncIterable<T>) {
    this.#iterator = source[Symbol.asyncIterator]();
    this.#first = this.#iterator.next();
    this.#first.catch(() => undefined); // nobody may ask
  }

  /** To be asked for once. */
  async *[Symbol.asyncIterator](): AsyncGenerator<T, void> {
    try {
      for (let next = await this.#first; next.done !== true; next = await this.#iterator.next()) yield next.value;
    } finally {
      await this.#iterator.return?.();
    }
  }

  /** Nobody will ask. Not waited for: a source that hangs ends with its connection. */
  abandon(): void {
    this.#iterator.return?.().catch(() => undefined);
  }
}
