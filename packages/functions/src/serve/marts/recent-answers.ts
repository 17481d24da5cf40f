/** Answers that were given lately, by what makes them what they are: their ETag. */
import type { HttpResult } from "../../runtime/http.ts";

/** Characters of all bodies together, and of one that is worth keeping: some hundred views of a dashboard. */
const MOST_CHARACTERS = 8_000_000;
const MOST_CHARACTERS_EACH = 500_000;

/**
 * A process' memory of the last answers. Who asks for one that is being made waits for it, so that a page opened by many
 * at once, or two panels of the same figures, cost one question.
 */
export class RecentAnswers {
  readonly #kept = new Map<string, HttpResult>();
  readonly #under = new Map<string, Promise<HttpResult>>();
  #characters = 0;

  async get(etag: string, make: () => Promise<HttpResult>): Promise<HttpResult> {
    const known = this.#kept.get(etag);
    if (known !== undefined) {
      this.#kept.delete(etag); // to the end of the order: used last
      this.#kept.set(etag, known);
      return known;
    }
    const under = this.#under.get(etag);
    if (under !== undefined) return under;
    const making = make();
    this.#under.set(etag, making);
    try {
      const made = await making;
      this.#keep(etag, made);
      return made;
    } finally {
      this.#under.delete(etag);
    }
  }

  #keep(etag: string, answer: HttpResult): void {
    const size = answer.body?.length ?? 0;
    if (size > MOST_CHARACTERS_EACH) return;
    this.#kept.set(etag, answer);
    this.#characters += size;
    for (const [oldest, { body }] of this.#kept) {
      if (this.#characters <= MOST_CHARACTERS) break;
      this.#kept.delete(oldest);
      this.#characters -= body?.length ?? 0;
    }
  }
}
