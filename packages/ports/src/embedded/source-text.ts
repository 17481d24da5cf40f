/**
 * Staged rows as text that DuckDB reads back exactly: tabs between fields, `\N` for null, quotes round what would be read
 * otherwise.
 */
import type { Row } from "../source-ports.ts";

const SPECIAL = /["\t\n\r\\]/;

const cellText = (cell: string | null): string =>
  cell === null ? "\\N" : SPECIAL.test(cell) ? `"${cell.replaceAll('"', '""')}"` : cell;

/** Bytes of the longest row: DuckDB reads with a buffer of twice that for each thread. */
const LONGEST_ROW = 4_000_000;

/** @throws RangeError for a row of more than 4 MB */
export const stagedText = (rows: readonly Row[]): string => {
  let text = "";
  for (const row of rows) {
    const start = text.length;
    for (let index = 0; index < row.length; index++)
      text += index === 0 ? cellText(row[0]!) : `\t${cellText(row[index]!)}`;
    text += "\n";
    // A UTF-16 unit has at most three bytes of UTF-8.
    if ((text.length - start) * 3 > LONGEST_ROW && Buffer.byteLength(text.slice(start)) > LONGEST_ROW)
      throw new RangeError(`a row has more than ${LONGEST_ROW.toLocaleString("en")} bytes`);
  }
  return text;
};

/** Options of DuckDB's `read_csv` for that text. */
export const stagedFormat = `delim = '\\t', quote = '"', escape = '"', nullstr = '\\N', allow_quoted_nulls = false, header = false, auto_detect = false, new_line = '\\n', max_line_size = ${LONGEST_ROW}, buffer_size = ${2 * LONGEST_ROW}`;

/** The rows of that text as they stand, their ends included: a line's end between quotes is no row's. */
export function* stagedRows(text: string): Generator<string> {
  let start = 0;
  let isQuoted = false;
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code === 34) isQuoted = !isQuoted;
    else if (code === 10 && !isQuoted) {
      yield text.slice(start, at + 1);
      start = at + 1;
    }
  }
  if (start < text.length) yield text.slice(start);
}
