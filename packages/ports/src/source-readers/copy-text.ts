/** PostgreSQL's COPY text format: a line a row, tabs between fields, `\N` for null, backslash escapes. */
import type { Cell, Row } from "../source-ports.ts";

const escapes: Readonly<Record<string, string>> = { b: "\b", f: "\f", n: "\n", r: "\r", t: "\t", v: "\v" };
const unescaped = (text: string): string => text.replaceAll(/\\(.)/gs, (_, one: string) => escapes[one] ?? one);

const cellOf = (text: string): Cell => (text === "\\N" ? null : text.includes("\\") ? unescaped(text) : text);

/** The rows of the lines of a chunk that ends at a line's end. */
const rowsOf = (text: string): Row[] => {
  const lines = text.split("\n");
  const rows = new Array<Row>(lines.length);
  for (let index = 0; index < lines.length; index++) {
    const line = lines[index]!;
    const cells: Cell[] = line.split("\t");
    if (line.includes("\\")) for (let at = 0; at < cells.length; at++) cells[at] = cellOf(cells[at]!);
    rows[index] = cells;
  }
  return rows;
};

/** Rows as their bytes arrive; as many in memory as a chunk holds. */
export async function* copyRows(stream: AsyncIterable<Buffer>): AsyncIterable<Row[]> {
  let rest: Buffer | undefined;
  for await (const chunk of stream) {
    const end = chunk.lastIndexOf(0x0a);
    if (end === -1) {
      rest = rest === undefined ? Buffer.from(chunk) : Buffer.concat([rest, chunk]);
      continue;
    }
    const whole = chunk.subarray(0, end);
    const text = rest === undefined ? whole.toString("utf8") : Buffer.concat([rest, whole]).toString("utf8");
    rest = end + 1 === chunk.length ? undefined : Buffer.from(chunk.subarray(end + 1));
    yield rowsOf(text);
  }
  if (rest !== undefined) throw new Error("the COPY stream ended within a row");
}
