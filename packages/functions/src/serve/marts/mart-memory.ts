/**
 * A mart of the latest run in the memory of a process, where it is small enough: a period that somebody drags over a
 * chart is then answered in milliseconds. It is read whole by one SELECT, in rows of many numbers (`numbersText`), when
 * the first question of a run comes; larger marts are asked by SQL, question by question.
 */
import type { Dialect } from "@ebb/lake/dialect";
import { type MartQuestion, type MartRow, rowsOf } from "./mart-handler.ts";

/** Rows of a mart that are held: at 20 to 30 bytes each. */
export const MOST_ROWS = 1_000_000;

export interface MartInMemory<Columns> {
  /** Answers no more than the count where there are more rows. */
  readonly sql: (m: Dialect, mostRows: number) => string;
  /** `undefined` where the mart cannot be held. */
  readonly read: (rows: readonly MartRow[], mostRows: number) => Columns | undefined;
}

export class MartMemory<Columns> {
  readonly #mart: MartInMemory<Columns>;
  readonly #mostRows: number;
  #held: { readonly state: string; readonly columns: Promise<Columns | undefined> } | undefined;

  constructor(mart: MartInMemory<Columns>, mostRows = MOST_ROWS) {
    this.#mart = mart;
    this.#mostRows = mostRows;
  }

  /** The mart as the question's run left it; `undefined` where SQL has to be asked. */
  async of({ state, queries }: Pick<MartQuestion, "state" | "queries">): Promise<Columns | undefined> {
    if (this.#held?.state !== state) this.#held = { state, columns: this.#read(queries) };
    const held = this.#held;
    try {
      return await held.columns;
    } catch (error) {
      if (this.#held === held) this.#held = undefined; // the next question tries again
      throw error;
    }
  }

  /** Whether the mart of any run is held: somebody asked for it here. */
  get asked(): boolean {
    return this.#held !== undefined;
  }

  async #read(queries: MartQuestion["queries"]): Promise<Columns | undefined> {
    const rows = await rowsOf(queries, this.#mart.sql(queries.dialect, this.#mostRows));
    return this.#mart.read(rows, this.#mostRows);
  }
}

/** Reads texts of `numbersText`: hands over the numbers of each row, always in the same array. */
export const eachRow = (text: string, width: number, take: (numbers: readonly number[]) => void): void => {
  const numbers = Array.from({ length: width }, () => 0);
  let [at, value, sign] = [0, 0, 1];
  for (let index = 0; index <= text.length; index++) {
    const code = index === text.length ? SEMICOLON : text.charCodeAt(index);
    if (code === SPACE || code === SEMICOLON) {
      numbers[at++] = sign * value;
      [value, sign] = [0, 1];
      if (code === SPACE) continue;
      if (at !== width) throw new Error(`a row has ${at} numbers in place of ${width}`);
      take(numbers);
      at = 0;
    } else if (code === MINUS) sign = -1;
    else value = value * 10 + (code - ZERO);
  }
};
const [SPACE, MINUS, ZERO, SEMICOLON] = [32, 45, 48, 59];

/** Decimals with six digits after the point travel as whole numbers. */
export const UNIT_PARTS = 1_000_000;

/** Whether sums of any of the numbers are exact in a double. */
export const addsExactly = (absoluteSum: number): boolean => absoluteSum < Number.MAX_SAFE_INTEGER;

/** The order of the engines: by bytes of UTF-8. */
export const byBytes = (a: string, b: string): number => (a === b ? 0 : Buffer.compare(Buffer.from(a), Buffer.from(b)));

const DAY_MS = 86_400_000;
/** Days from 1970-01-01 to a day `YYYY-MM-DD`, and back. */
export const dayNumber = (day: string): number => Date.parse(day) / DAY_MS;
export const dayOfNumber = (number: number): string => new Date(number * DAY_MS).toISOString().slice(0, 10);

/** The first index of an ascending list whose value is not below. */
export const indexOf = (ascending: Int32Array, value: number): number => {
  let [low, high] = [0, ascending.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (ascending[middle]! < value) low = middle + 1;
    else high = middle;
  }
  return low;
};
