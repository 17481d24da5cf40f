/**
 * Splits a stream of bytes into records, each with its place and its original bytes.
 *
 * papaparse gives neither the bytes of a record nor a place to go on from, and a stray quote swallows what follows it
 * up to the next one. Here a record with a quote that does not close, or that closes and goes on, is one physical line,
 * and reading goes on at the next line: it costs itself and no neighbour.
 */
import { limits } from "@ebb/core/limits";
import { release } from "@ebb/ports/release";

/** `start` inclusive, `end` exclusive, without the line's end. The bytes are only valid during the call. */
export type RecordSink = (bytes: Buffer, start: number, end: number, rowNumber: number) => void;

/** From where reading can go on. */
export interface Position {
  /** Bytes of the unpacked, decoded file before this place. */
  readonly byte: number;
  /** Row number of the record that starts here; the first line of a file is row 1. */
  readonly row: number;
}

/** A record over this length is refused: what is kept of it is its beginning. */
export const LONGEST_RECORD = limits.eventBytes;

export interface Splitting {
  readonly newline: number;
  /** Absent: every line is a record, quotes mean nothing. */
  readonly quoted?: { readonly delimiter: number; readonly fields: number };
}

const QUOTE = 34;
const INCOMPLETE = -1;
const MALFORMED = -2;
const NOTHING = Buffer.alloc(0);

export class RecordSplitter {
  readonly #options: Splitting;
  readonly #sink: RecordSink;
  #pending: Buffer = NOTHING;
  #byte: number;
  #row: number;
  /** The rest of a record that is too long is thrown away up to its line's end. */
  #skipping = false;

  constructor(options: Splitting, from: Position, sink: RecordSink) {
    this.#options = options;
    this.#sink = sink;
    this.#byte = from.byte;
    this.#row = from.row;
  }

  /** Where the next record starts: all before it has gone to the sink. */
  get position(): Position {
    return { byte: this.#byte, row: this.#row };
  }

  /** @param chunk not needed any more afterwards */
  push(chunk: Buffer): void {
    if (this.#pending.length === 0) return this.#take(chunk, false);
    const data = Buffer.concat([this.#pending, chunk]);
    this.#take(data, false);
    release(data);
  }

  end(): void {
    this.#take(this.#pending, true);
    this.#pending = NOTHING;
  }

  #take(data: Buffer, final: boolean): void {
    const { newline, quoted } = this.#options;
    let at = 0;
    if (this.#skipping) {
      const end = data.indexOf(newline);
      if (end === -1) return this.#keep(data, data.length);
      this.#skipping = false;
      at = end + 1;
    }
    let nextQuote = quoted === undefined ? Infinity : -1;
    while (at < data.length) {
      if (nextQuote < at) {
        nextQuote = data.indexOf(QUOTE, at);
        if (nextQuote === -1) nextQuote = Infinity;
      }
      let lineEnd = data.indexOf(newline, at);
      if (lineEnd === -1) lineEnd = final ? data.length : INCOMPLETE;
      let end = lineEnd;
      if (quoted !== undefined && nextQuote < (lineEnd === INCOMPLETE ? data.length : lineEnd)) {
        end = this.#endOfQuoted(data, at, final);
        // The record may be one of those that were meant to end here: it alone is malformed.
        if (end === MALFORMED) end = lineEnd;
      }
      if (end === INCOMPLETE) {
        if (data.length - at <= LONGEST_RECORD) break;
        this.#sink(data, at, at + LONGEST_RECORD, this.#row++);
        this.#skipping = true;
        at = data.length;
        break;
      }
      const last = end > at && newline === 10 && data[end - 1] === 13 ? end - 1 : end;
      if (last > at) this.#sink(data, at, Math.min(last, at + LONGEST_RECORD), this.#row);
      this.#row++;
      at = end + 1;
    }
    this.#keep(data, Math.min(at, data.length));
  }

  #keep(data: Buffer, from: number): void {
    this.#byte += from;
    this.#pending = Buffer.from(data.subarray(from));
  }

  /** Where the record at `start` ends, its quoted fields read. */
  #endOfQuoted(data: Buffer, start: number, final: boolean): number {
    const { newline } = this.#options;
    const { delimiter, fields: width } = this.#options.quoted!;
    const incomplete = final || data.length - start > LONGEST_RECORD ? MALFORMED : INCOMPLETE;
    let at = start;
    let fields = 1;
    for (;;) {
      if (data[at] === QUOTE) {
        let close = data.indexOf(QUOTE, at + 1);
        while (close !== -1 && data[close + 1] === QUOTE) close = data.indexOf(QUOTE, close + 2);
        if (close === -1) return incomplete;
        at = close + 1;
        if (at < data.length && data[at] !== delimiter && data[at] !== newline) {
          if (data[at] !== 13 || newline !== 10) return MALFORMED;
          at++;
          if (at < data.length && data[at] !== newline) return MALFORMED;
        }
      } else while (at < data.length && data[at] !== delimiter && data[at] !== newline) at++;
      if (at >= data.length) {
        if (!final) return incomplete;
        break;
      }
      if (data[at] === newline) break;
      fields++;
      at++;
    }
    const firstLineEnd = data.indexOf(newline, start);
    if (firstLineEnd === -1 || firstLineEnd >= at) return at;
    // Over more than one line only what has the header's fields is believed; and not where the first and the last line
    // are each a whole row as they stand: then two stray quotes have met.
    if (fields !== width) return MALFORMED;
    const lastLineStart = data.lastIndexOf(newline, at - 1) + 1;
    const meets =
      this.#count(data, start, firstLineEnd, delimiter) === width &&
      this.#count(data, lastLineStart, at, delimiter) === width;
    return meets ? MALFORMED : at;
  }

  #count(data: Buffer, start: number, end: number, delimiter: number): number {
    let fields = 1;
    for (let at = start; at < end; at++) if (data[at] === delimiter) fields++;
    return fields;
  }
}
