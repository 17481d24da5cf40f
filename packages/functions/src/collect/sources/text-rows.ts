/**
 * Rows on their way to the lake as the bytes in which their database wrote them: nothing is taken apart but where a
 * customer becomes a pseudonym, a value has to be looked at, or a field is not for the lake.
 */
import type { Pseudonymizer } from "@ebb/core/ids";
import type { Cell, Row, SourceTable, SourceType } from "@ebb/ports/source-ports";
import type { KnownNames } from "./known-names.ts";
import { type Mapping, holds } from "./roles.ts";

const [TAB, LINE, QUOTE, MINUS, ZERO, NINE] = [9, 10, 34, 45, 48, 57];
const NULL = Buffer.from("\\N");
/** As for staged rows: DuckDB reads with a buffer of twice that. */
const LONGEST_ROW = 4_000_000;
/** More than a piece has as a rule. */
const BUFFER_BYTES = 1 << 17;
/** Room for what a row may become longer by: a pseudonym in the place of each customer. */
const PSEUDONYM_BYTES = 36;

type CellWork = "as it is" | "customer" | "time" | "decimal";

/** Whether a table's rows can stay bytes: its columns are the first fields that are read, each once. */
export const canStayText = (table: SourceTable, mapping: Mapping): boolean =>
  table.marksDeleted !== true &&
  mapping.untyped !== true &&
  mapping.columns.every(({ field }, at) => mapping.read[at] === field);

const isDigit = (byte: number | undefined): boolean => byte !== undefined && byte >= ZERO && byte <= NINE;

export class TextRows {
  rows = 0;
  /** Values that became null, by field. */
  readonly nulled: Record<string, number> = {};
  readonly #works: readonly CellWork[];
  readonly #types: readonly SourceType[];
  readonly #fields: readonly string[];
  readonly #pseudonyms: Pseudonymizer;
  /** Absent where nobody is on the list. */
  readonly #isErased: ((customerKey: string) => boolean) | undefined;
  readonly #known: KnownNames;
  /** Of the row at hand: fields whose values became null. */
  readonly #nulledHere: string[] = [];
  /** What has come and is no whole row yet, and after it the piece at hand: one buffer for all pieces. */
  #data = Buffer.allocUnsafe(BUFFER_BYTES);
  #rest = 0;
  #last = Buffer.allocUnsafe(0);
  #lastBytes = 0;
  #out = Buffer.allocUnsafe(BUFFER_BYTES);
  #at = 0;

  constructor(
    table: SourceTable,
    mapping: Mapping,
    pseudonyms: Pseudonymizer,
    known: KnownNames,
    isErased?: (customerKey: string) => boolean,
  ) {
    this.#known = known;
    this.#pseudonyms = pseudonyms;
    this.#isErased = isErased;
    this.#fields = mapping.read;
    this.#types = table.columns.map(({ type }) => type);
    this.#works = mapping.columns.map(({ isCustomer }, index) => {
      const { type } = table.columns[index]!;
      if (isCustomer) return "customer";
      if (type === "timestamp" || type === "date") return "time";
      return type.startsWith("decimal") ? "decimal" : "as it is";
    });
  }

  /** What the whole rows of a piece become. It stands until the next call. @throws RangeError for a row of more than 4 MB */
  take(piece: Buffer): Buffer {
    this.#data = larger(this.#data, this.#rest, piece.length);
    piece.copy(this.#data, this.#rest);
    const data = this.#data.subarray(0, this.#rest + piece.length);
    this.#at = 0;
    let from = 0;
    let last = -1;
    for (;;) {
      const end = this.#row(data, from);
      if (end < 0) break;
      last = from;
      from = end;
      this.rows++;
    }
    if (last >= 0) {
      this.#lastBytes = from - 1 - last;
      this.#last = larger(this.#last, 0, this.#lastBytes);
      data.copy(this.#last, 0, last, from - 1);
    }
    this.#rest = data.length - from;
    if (this.#rest > LONGEST_ROW) throw tooLong();
    data.copyWithin(0, from);
    return this.#out.subarray(0, this.#at);
  }

  /** The row that came last, every field that was read. @throws Error where the text ended within a row */
  end(): Row | undefined {
    if (this.#rest > 0) throw new Error("the text ended within a row");
    return this.rows === 0 ? undefined : cellsOf(this.#last.subarray(0, this.#lastBytes));
  }

  /** Writes the row that begins at `start`; answers where the next one begins, or -1 where the row is not all there. */
  #row(data: Buffer, start: number): number {
    const works = this.#works;
    const began = this.#at;
    this.#nulledHere.length = 0;
    let copied = start; // what lies before is written, or left out
    let cellAt = start;
    let cell = 0;
    let erased = false;
    let at = start;
    for (;;) {
      let isQuoted = false;
      if (data[at] === QUOTE) {
        isQuoted = true;
        at = endOfQuotes(data, at);
        if (at < 0) return this.#undone(began);
      }
      while (at < data.length && data[at] !== TAB && data[at] !== LINE) at++;
      if (at === data.length) return this.#undone(began);
      const work = works[cell];
      if (work === "customer" && !isNull(data, cellAt, at)) {
        this.#copy(data, copied, cellAt);
        erased = this.#writeCustomer(data, cellAt, at) || erased;
        copied = at;
      } else if (work !== undefined && work !== "as it is" && !isNull(data, cellAt, at)) {
        if (!this.#isHeld(data, cell, cellAt, at, isQuoted)) {
          this.#copy(data, copied, cellAt);
          this.#write("\\N");
          copied = at;
        }
      }
      const isEnd = data[at] === LINE;
      if (cell === works.length - 1) {
        this.#copy(data, copied, at);
        this.#write("\n");
      }
      cell++;
      at++;
      cellAt = at;
      if (isEnd) break;
    }
    if (at - start > LONGEST_ROW) throw tooLong();
    if (erased) this.#at = began;
    else for (const field of this.#nulledHere) this.nulled[field] = (this.nulled[field] ?? 0) + 1;
    return at;
  }

  #undone(began: number): -1 {
    this.#at = began;
    return -1;
  }

  /** A pseudonym, `\N` for a customer without an id. Answers whether the customer was erased. */
  #writeCustomer(data: Buffer, from: number, to: number): boolean {
    this.#hold(PSEUDONYM_BYTES);
    if (this.#isErased === undefined) {
      const bytes = this.#known.copy(data, from, to, this.#out, this.#at);
      this.#at += bytes;
      if (bytes > 0) return false;
    }
    const id = textOf(data, from, to);
    const name = id === "" ? "\\N" : this.#pseudonyms.customer(id);
    this.#known.keep(data, from, to, name);
    this.#write(name);
    return this.#isErased?.(name) ?? false;
  }

  /** Whether a column of the cell's type holds its value. */
  #isHeld(data: Buffer, cell: number, from: number, to: number, isQuoted: boolean): boolean {
    const isPlain = this.#works[cell] === "decimal" ? isPlainNumber(data, from) : isPlainTime(data, from, to);
    if ((isPlain && !isQuoted) || holds(this.#types[cell]!, textOf(data, from, to))) return true;
    this.#nulledHere.push(this.#fields[cell]!);
    return false;
  }

  #copy(data: Buffer, from: number, to: number): void {
    this.#hold(to - from);
    data.copy(this.#out, this.#at, from, to);
    this.#at += to - from;
  }

  #write(text: string): void {
    this.#hold(PSEUDONYM_BYTES);
    this.#at += this.#out.write(text, this.#at, "latin1");
  }

  #hold(more: number): void {
    this.#out = larger(this.#out, this.#at, more);
  }
}

/** A buffer with room for more behind the bytes that are used of it. */
const larger = (buffer: Buffer<ArrayBuffer>, used: number, more: number): Buffer<ArrayBuffer> => {
  if (used + more <= buffer.length) return buffer;
  const made = Buffer.allocUnsafe(2 * (used + more));
  buffer.copy(made, 0, 0, used);
  return made;
};

const tooLong = (): RangeError => new RangeError(`a row has more than ${LONGEST_ROW.toLocaleString("en")} bytes`);

const isNull = (data: Buffer, from: number, to: number): boolean =>
  to - from === NULL.length && data[from] === NULL[0] && data[from + 1] === NULL[1];

/** Where what begins with quotes has its last ones behind it; -1 where that is not there yet. */
const endOfQuotes = (data: Buffer, from: number): number => {
  let at = from + 1;
  for (;;) {
    at = data.indexOf(QUOTE, at);
    if (at < 0 || at + 1 === data.length) return -1;
    if (data[at + 1] !== QUOTE) return at + 1;
    at += 2;
  }
};

const textOf = (data: Buffer, from: number, to: number): string =>
  data[from] === QUOTE
    ? data.toString("utf8", from + 1, to - 1).replaceAll('""', '"')
    : data.toString("utf8", from, to);

/** The cells of a row without its end. */
const cellsOf = (row: Buffer): Row => {
  const cells: Cell[] = [];
  let from = 0;
  while (from <= row.length) {
    let to = row[from] === QUOTE ? endOfQuotes(Buffer.concat([row, Buffer.of(LINE)]), from) : row.indexOf(TAB, from);
    if (to < 0) to = row.length;
    cells.push(isNull(row, from, to) ? null : textOf(row, from, to));
    from = to + 1;
  }
  return cells;
};

/** Digits, or a minus and digits: neither NaN nor infinity. */
const isPlainNumber = (data: Buffer, from: number): boolean =>
  isDigit(data[from]) || (data[from] === MINUS && isDigit(data[from + 1]));

/** A time that needs no second look: year 1000 to 9999, a month, a day that every month has, and digits at its end. */
const isPlainTime = (data: Buffer, from: number, to: number): boolean => {
  if (to - from < 10 || data[from + 4] !== MINUS || data[from + 7] !== MINUS || !isDigit(data[to - 1])) return false;
  const [first, month, tens, ones] = [data[from]!, data[from + 6]!, data[from + 8]!, data[from + 9]!];
  const isMonth = data[from + 5] === ZERO ? month > ZERO && month <= NINE : data[from + 5] === ZERO + 1;
  const day = (tens - ZERO) * 10 + ones - ZERO;
  return first > ZERO && first <= NINE && isMonth && day >= 1 && day <= 28;
};
