import assert from "node:assert/strict";
import test from "node:test";
import { Pseudonymizer } from "@ebb/core/ids";
import type { Row, SourceField } from "@ebb/ports/source-ports";
import fc from "fast-check";
import { KnownNames } from "./known-names.ts";
import { mappingOf, tableOf } from "./roles.ts";
import { RowMaker } from "./rows.ts";
import { TextRows, canStayText } from "./text-rows.ts";

const pseudonyms = new Pseudonymizer("a secret of thirty-two characters");
const fields: readonly SourceField[] = [
  { name: "id", type: "bigint", lake: "bigint" },
  { name: "customer", type: "text", lake: "string" },
  { name: "at", type: "timestamp with time zone", lake: "timestamp" },
  { name: "topic", type: "text", lake: "string" },
  { name: "amount", type: "numeric(12,2)", lake: "decimal(12,2)" },
  { name: "agent", type: "text", lake: "string" },
];
const mapping = mappingOf({
  fields: { contact_id: "id", customer_id: "customer", occurred_at: "at", topic: "topic" },
  keep: ["amount"],
  key: ["id"],
  besides: ["agent"],
});
const table = tableOf("source_contacts", mapping, fields, false);
const known = new KnownNames();

const texts = fc.oneof(
  fc.constantFrom("", "\\N", '"', "a\tb", "line\nbreak", '""', "\r\n", "é€😀", "\\", "plain", "\\."),
  fc.string({ unit: "binary", maxLength: 12 }),
);
const row: fc.Arbitrary<Row> = fc.tuple(
  fc.nat().map(String),
  fc.option<string>(fc.oneof(texts, fc.constantFrom("ada", "eve", "gone"))),
  fc.option<string>(
    fc.oneof(
      fc.date({ min: new Date(0), noInvalidDate: true }).map((at) => at.toISOString().slice(0, 19).replace("T", " ")),
      fc.constantFrom(
        ...["infinity", "-infinity", "0044-03-15 00:00:00 BC", "0000-00-00 00:00:00", "2026-02-30 00:00:00"],
        ...["2024-02-29 12:00:00.123456", "10000-01-01 00:00:00", "2024-12-31 23:59:59.9", "0999-12-31"],
      ),
    ),
  ),
  fc.option<string>(texts),
  fc.option<string>(fc.constantFrom("0.00", "-1.50", "NaN", "Infinity", "-Infinity", "12345.67")),
  fc.option<string>(texts),
);

/** As PostgreSQL's COPY writes CSV with tabs and `\N`. */
const written = (cell: string | null): string => {
  if (cell === null) return "\\N";
  return cell === "\\N" || /["\t\n\r]/.test(cell) ? `"${cell.replaceAll('"', '""')}"` : cell;
};

/** Letter by letter. */
const parsed = (text: string): Row[] => {
  const rows: (string | null)[][] = [];
  let cells: (string | null)[] = [];
  let [cell, quoted, was] = ["", false, false];
  for (let at = 0; at < text.length; at++) {
    const one = text[at]!;
    if (quoted) {
      if (one !== '"') cell += one;
      else if (text[at + 1] === '"') cell += text[++at]!;
      else quoted = false;
    } else if (one === '"' && cell === "") [quoted, was] = [true, true];
    else if (one === "\t" || one === "\n") {
      cells.push(!was && cell === "\\N" ? null : cell);
      [cell, was] = ["", false];
      if (one === "\n") {
        rows.push(cells);
        cells = [];
      }
    } else cell += one;
  }
  assert.deepEqual([cells, cell], [[], ""], "whole rows");
  return rows;
};

test("bytes become what their rows would, wherever the pieces are cut; nothing of the erased, nothing personal", () => {
  const isErased = (key: string): boolean => key === pseudonyms.customer("gone");
  fc.assert(
    fc.property(
      fc.array(row, { maxLength: 12 }),
      fc.array(fc.nat({ max: 60 })),
      fc.boolean(),
      (rows, cuts, someErased) => {
        const text = Buffer.from(rows.map((cells) => `${cells.map(written).join("\t")}\n`).join(""));
        const work = new TextRows(table, mapping, pseudonyms, known, someErased ? isErased : undefined);
        const pieces: Buffer[] = [];
        let from = 0;
        for (const cut of [...cuts, text.length]) {
          pieces.push(Buffer.from(work.take(text.subarray(from, Math.min(text.length, from + cut)))));
          from = Math.min(text.length, from + cut);
        }
        const last = work.end();
        const maker = new RowMaker(table, mapping, pseudonyms, undefined);
        const unspoiled = rows.map((cells) =>
          cells.map((cell) => (cell === null ? null : Buffer.from(cell).toString())),
        );
        const expected = unspoiled.filter(
          (cells) => cells[1] == null || !someErased || !isErased(pseudonyms.customer(cells[1])),
        );
        assert.deepEqual(
          parsed(Buffer.concat(pieces).toString()),
          expected.map((cells) => maker.make(cells)),
        );
        assert.deepEqual([work.rows, last], [rows.length, unspoiled.at(-1)]);
        assert.deepEqual(work.nulled, maker.nulled);
      },
    ),
    { seed: 20_261_122, numRuns: 400 },
  );
});

test("a text that ends within a row is told, and so is a row of more than 4 MB", () => {
  const work = new TextRows(table, mapping, pseudonyms, known);
  work.take(Buffer.from('1\tada\t\\N\t"open'));
  assert.throws(() => work.end(), /ended within a row/);
  const long = new TextRows(table, mapping, pseudonyms, known);
  assert.throws(() => long.take(Buffer.from(`1\tada\t\\N\t${"x".repeat(4_000_001)}\t1.00\t\\N\n`)), RangeError);
});

test("rows that are marked as deleted, or of no declared type, or with a field in two columns, are taken apart", () => {
  assert.equal(canStayText(table, mapping), true);
  assert.equal(canStayText({ ...table, marksDeleted: true }, mapping), false);
  assert.equal(canStayText(table, { ...mapping, untyped: true }), false);
  const twice = mappingOf({ fields: { contact_id: "id", topic: "id", channel: "topic" }, keep: [], key: ["id"] });
  assert.equal(canStayText(tableOf("t", twice, fields, false), twice), false);
});
