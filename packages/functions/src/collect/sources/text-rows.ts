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

/** What becomes of a cell; `LEFT_OUT` is not for the lake. */
const [AS_IT_IS, CUSTOMER, TIME, DECIMAL, LEFT_OUT] = [0, 1, 2, 3, 4];

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
  /** By field that is read. */
  readonly #works: Uint8Array;
  /** The first fields that are read are the table's columns. */
  readonly #columns: number;
  /** Bytes that one row may become longer by. */
  readonly #longer: number;
  readonly #types: readonly SourceType[];
  readonly #fields: readonly string[];
  readonly #pseudonyms: Pseudonymizer;
  /** Absent where nobody is on the list. */
  readonly #isErased: ((customerKey: string) => boolean) | undefined;
  readonly #known: KnownNames;
  /** Whether the customer that was written last was erased. */
  #isErasedHere = false;
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
    this.#works = new Uint8Array(mapping.read.length).fill(LEFT_OUT);
    for (const [index, { isCustomer }] of mapping.columns.entries())
      this.#works[index] = isCustomer ? CUSTOMER : workOf(table.columns[index]!.type);
    this.#columns = mapping.columns.length;
    this.#longer = PSEUDONYM_BYTES * this.#columns;
  }

  /** What the whole rows of a piece become. It stands until the next call. @throws RangeError for a row of more than 4 MB */
  take(piece: Buffer): Buffer {
    const bytes = this.#rest + piece.length;
    this.#data = larger(this.#data, this.#rest, piece.length + 1);
    piece.copy(this.#data, this.#rest);
    this.#data[bytes] = LINE; // whoever looks for the end of a cell finds one
    this.#at = 0;
    let from = 0;
    let last = -1;
    for (;;) {
      this.#out = larger(this.#out, this.#at, bytes - from + this.#longer);
      const end = this.#row(this.#data, bytes, from);
      if (end < 0) break;
      last = from;
      from = end;
      this.rows++;
    }
    if (last >= 0) {
      this.#lastBytes = from - 1 - last;
      this.#last = larger(this.#last, 0, this.#lastBytes);
      this.#data.copy(this.#last, 0, last, from - 1);
    }
    this.#rest = bytes - from;
    if (this.#rest > LONGEST_ROW) throw tooLong();
    this.#data.copyWithin(0, from, bytes);
    return this.#out.subarray(0, this.#at);
  }

  /** The row that came last, every field that was read. @throws Error where the text ended within a row */
  end(): Row | undefined {
    if (this.#rest > 0) throw new Error("the text ended within a row");
    return this.rows === 0 ? undefined : cellsOf(this.#last.subarray(0, this.#lastBytes));
  }

  /** Writes the row that begins at `start`; answers where the next one begins, or -1 where the row is not all there. */
  #row(data: Buffer, bytes: number, start: number): number {
    const works = this.#works;
    const out = this.#out;
    this.#nulledHere.length = 0;
    let erased = false;
    let at = start;
    let to = this.#at;
    for (let cell = 0; ; cell++) {
      const work = cell < works.length ? works[cell]! : LEFT_OUT;
      const cellAt = at;
      const cellTo = to;
      if (data[at] === QUOTE) {
        at = endOfQuotes(data, bytes, at);
        if (at < 0) return -1;
        if (work !== LEFT_OUT && work !== CUSTOMER) to += data.copy(out, to, cellAt, at);
      } else if (work === LEFT_OUT || work === CUSTOMER) while (data[at]! !== TAB && data[at]! !== LINE) at++;
      else for (let byte = data[at]!; byte !== TAB && byte !== LINE; byte = data[++at]!) out[to++] = byte;
      if (at === bytes) return -1;
      if (work === CUSTOMER) {
        to = this.#customer(data, cellAt, at, to);
        erased ||= this.#isErasedHere;
      } else if ((work === TIME || work === DECIMAL) && !this.#isHeld(data, cell, cellAt, at))
        to = cellTo + out.write("\\N", cellTo, "latin1");
      const isEnd = data[at++] === LINE;
      if (cell < this.#columns) out[to++] = cell === this.#columns - 1 ? LINE : TAB;
      if (isEnd) break;
    }
    if (at - start > LONGEST_ROW) throw tooLong();
    if (erased) return at;
    this.#at = to;
    for (const field of this.#nulledHere) this.nulled[field] = (this.nulled[field] ?? 0) + 1;
    return at;
  }

  /** Writes a pseudonym, `\N` for a customer without an id, and answers where it ends. */
  #customer(data: Buffer, from: number, end: number, to: number): number {
    this.#isErasedHere = false;
    if (this.#isErased === undefined) {
      const bytes = this.#known.copy(data, from, end, this.#out, to);
      if (bytes > 0) return to + bytes;
    }
    if (isNull(data, from, end)) return to + this.#out.write("\\N", to, "latin1");
    const id = textOf(data, from, end);
    const name = id === "" ? "\\N" : this.#pseudonyms.customer(id);
    this.#known.keep(data, from, end, name);
    this.#isErasedHere = this.#isErased?.(name) ?? false;
    return to + this.#out.write(name, to, "latin1");
  }

  /** Whether a column of the cell's type holds its value. */
  #isHeld(data: Buffer, cell: number, from: number, to: number): boolean {
    const isPlain = this.#works[cell] === DECIMAL ? isPlainNumber(data, from) : isPlainTime(data, from, to);
    if (isPlain || isNull(data, from, to) || holds(this.#types[cell]!, textOf(data, from, to))) return true;
    this.#nulledHere.push(this.#fields[cell]!);
    return false;
  }
}

/** A buffer with room for more behind the bytes that are used of it. */
const larger = (buffer: Buffer<ArrayBuffer>, used: number, more: number): Buffer<ArrayBuffer> => {
  if (used + more <= buffer.length) return buffer;
  const made = Buffer.allocUnsafe(2 * (used + more));
  buffer.copy(made, 0, 0, used);
  return made;
};

const workOf = (type: SourceType): number => {
  if (type === "timestamp" || type === "date") return TIME;
  return type.startsWith("decimal") ? DECIMAL : AS_IT_IS;
};

const tooLong = (): RangeError => new RangeError(`a row has more than ${LONGEST_ROW.toLocaleString("en")} bytes`);

const isNull = (data: Buffer, from: number, to: number): boolean =>
  to - from === NULL.length && data[from] === NULL[0] && data[from + 1] === NULL[1];

/** Where what begins with quotes has its last ones behind it; -1 where that is not there yet. */
const endOfQuotes = (data: Buffer, bytes: number, from: number): number => {
  let at = from + 1;
  for (;;) {
    at = data.indexOf(QUOTE, at);
    if (at < 0 || at + 1 >= bytes) return -1;
    if (data[at + 1] !== QUOTE) return at + 1;
    at += 2;
  }
};

const textOf = (data: Buffer, from: number, to: number): string =>
  data[from] === QUOTE
    ? data.toString("utf8", from + 1, to - 1).replaceAll('""', '"')
    : data.toString("utf8", from, to);

/** The cells of a row, without the end of the last one. */
const cellsOf = (row: Buffer): Row => {
  const cells: Cell[] = [];
  const ended = Buffer.concat([row, Buffer.of(LINE)]);
  for (let from = 0; from < ended.length;) {
    let to = from;
    if (ended[from] === QUOTE) to = endOfQuotes(ended, ended.length, from);
    else while (ended[to] !== TAB && to < row.length) to++;
    cells.push(isNull(ended, from, to) ? null : textOf(ended, from, to));
    from = to + 1;
  }
  return cells;
};

/** Digits, or a minus and digits: neither NaN nor infinity. */
const isPlainNumber = (data: Buffer, from: number): boolean =>
  isDigit(data[from]) || (data[from] === MINUS && isDigit(data[from + 1]));

const twoDigits = (data: Buffer, at: number): number => (data[at]! - ZERO) * 10 + data[at + 1]! - ZERO;

/** A time that needs no second look: year 1000 to 9999, a month, a day that every month has, and digits at its end. */
const isPlainTime = (data: Buffer, from: number, to: number): boolean => {
  if (to - from < 10 || data[from + 4] !== MINUS || data[from + 7] !== MINUS || !isDigit(data[to - 1])) return false;
  const first = data[from]!;
  const month = twoDigits(data, from + 5);
  const day = twoDigits(data, from + 8);
  return first > ZERO && first <= NINE && month >= 1 && month <= 12 && day >= 1 && day <= (month === 2 ? 28 : 30);
};
