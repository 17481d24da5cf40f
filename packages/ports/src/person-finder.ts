/** Finding people in texts of any form: originals of refused rows, documents of runs, dead letters. */
import { type SubjectSets, type Subject, setsOf } from "./erasure-ports.ts";

/** Of customers and visitors, wherever they stand. */
export const PSEUDONYM = /(?:cus|ano)_[0-9a-f]{32}/g;
const WORD = /[\p{L}\p{N}_]/u;
/** Characters by which texts are looked through; ids that are shorter are looked for by all of theirs. */
const HEAD = 3;

/** What a text may call a subject by: the pseudonyms, and the producer's id as it is and as JSON has it. */
export class PersonFinder {
  readonly sets: SubjectSets;
  /** Ids by their first characters. */
  readonly #ids = new Map<string, string[]>();
  readonly #head: number;

  constructor(subjects: readonly Subject[]) {
    this.sets = setsOf(subjects);
    const ids = new Set<string>();
    for (const { customerId } of subjects)
      if (customerId !== undefined && customerId !== "")
        for (const form of [customerId, JSON.stringify(customerId).slice(1, -1)]) ids.add(form);
    this.#head = Math.min(HEAD, ...Array.from(ids, (id) => id.length));
    for (const id of ids) {
      const head = id.slice(0, this.#head);
      this.#ids.set(head, [...(this.#ids.get(head) ?? []), id]);
    }
  }

  isErased = (pseudonym: string): boolean => this.sets.erased.has(pseudonym);
  isShared = (pseudonym: string): boolean => this.sets.shared.has(pseudonym);

  /** Whether a text holds a pseudonym of a subject. */
  names(text: string): boolean {
    for (const [pseudonym] of text.matchAll(PSEUDONYM)) if (this.isErased(pseudonym)) return true;
    return false;
  }

  /** Whether it holds a pseudonym, or the producer's id as a word of its own: 17850 is not in 178501. */
  mentions(text: string): boolean {
    return this.names(text) || this.#hasId(text);
  }

  #hasId(text: string): boolean {
    if (this.#ids.size === 0) return false;
    for (let at = 0; at + this.#head <= text.length; at++) {
      const ids = this.#ids.get(text.slice(at, at + this.#head));
      if (ids?.some((id) => text.startsWith(id, at) && isWordOfItsOwn(text, at, id.length)) === true) return true;
    }
    return false;
  }

  /** The same for bytes of any encoding that holds ASCII as it is, or with zeros between (UTF-16). */
  mentionedIn(bytes: Uint8Array): boolean {
    const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("utf8");
    return this.mentions(text.includes("\0") ? text.replaceAll("\0", "") : text);
  }

  /** The text with "erased" in the place of every pseudonym of a subject. */
  withoutNames(text: string): string {
    return text.replace(PSEUDONYM, (pseudonym) => (this.isErased(pseudonym) ? "erased" : pseudonym));
  }

  /**
   * A JSON document without the smallest elements of its lists, and fields of its objects, that name a subject.
   * `undefined` where nothing is left.
   */
  withoutElements(value: unknown): unknown {
    if (typeof value === "string") return this.names(value) ? undefined : value;
    if (Array.isArray(value))
      return (value as unknown[]).filter((each) => !this.#isOf(each)).map((each) => this.withoutElements(each));
    if (typeof value !== "object" || value === null) return value;
    return Object.fromEntries(
      Object.entries(value).flatMap(([name, field]) => {
        if (this.names(name)) return [];
        const kept = this.withoutElements(field);
        return kept === undefined ? [] : [[name, kept]];
      }),
    );
  }

  /** Whether an element of a list is about a subject: it is a pseudonym, or has one in a field of its own. */
  #isOf(element: unknown): boolean {
    if (typeof element === "string") return this.names(element);
    if (typeof element !== "object" || element === null) return false;
    return Object.values(element).some((field) => typeof field === "string" && this.names(field));
  }
}

const isWordOfItsOwn = (text: string, at: number, length: number): boolean =>
  !(at > 0 && WORD.test(text[at - 1]!)) && !(at + length < text.length && WORD.test(text[at + length]!));
