import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import Papa from "papaparse";
import { fieldsOf } from "@ebb/core/files/csv";
import { LONGEST_RECORD, RecordSplitter } from "./split-records.ts";

const split = (text: string, fields: number, chunkBytes = 1_000_000, from = { byte: 0, row: 1 }) => {
  const records: { text: string; row: number; next: { byte: number; row: number } }[] = [];
  const bytes = Buffer.from(text);
  const splitter = new RecordSplitter(
    { newline: 10, quoted: { delimiter: 44, fields } },
    from,
    (data, start, end, row) =>
      records.push({ text: data.toString("utf8", start, end), row, next: { byte: 0, row: 0 } }),
  );
  for (let at = from.byte; at < bytes.length; at += chunkBytes) splitter.push(bytes.subarray(at, at + chunkBytes));
  splitter.end();
  return records;
};
const texts = (text: string, fields: number, chunkBytes?: number) =>
  split(text, fields, chunkBytes).map((one) => one.text);

/** Cells with commas or with line breaks: with both, two stray quotes can look the same (the next test but one). */
const alphabets = [
  ["a", "é", ",", '"', " ", "1"],
  ["a", "é", "\n", "\r\n", '"', " "],
];
const table = fc.tuple(fc.integer({ min: 2, max: 5 }), fc.constantFrom(...alphabets)).chain(([width, alphabet]) => {
  const cell = fc.string({ unit: fc.constantFrom(...alphabet), maxLength: 6 });
  return fc.array(fc.array(cell, { minLength: width, maxLength: width }), { minLength: 1, maxLength: 8 });
});

test("a well-formed file splits as papaparse splits it, in chunks of any size", () => {
  fc.assert(
    fc.property(table, fc.integer({ min: 1, max: 40 }), fc.constantFrom("\n", "\r\n"), (rows, chunkBytes, newline) => {
      const text = Papa.unparse(rows, { newline, quotes: true });
      const width = rows[0]!.length;
      const expected = Papa.parse<string[]>(text, { delimiter: ",", newline }).data;
      const found = texts(text, width, chunkBytes).map((record) => fieldsOf(record, ","));
      assert.deepEqual(found, expected);
    }),
    { seed: 3, numRuns: 500 },
  );
});

test("a stray quote costs its own row and no neighbour", () => {
  const cases = [
    '1,"open,6\n2,b,7\n3,c,8\n',
    '1,"open,6\n2,"b, b",7\n3,c,8\n',
    '1,"open,6\n2,b",7\n3,c,8\n',
    '1,"a"x,6\n2,b,7\n3,c,8\n',
    '1,5" pipe,6\n2,b,7\n3,c,8',
    '1,"a\n2,b,7\n3,"c\n',
  ];
  for (const text of cases)
    for (const chunkBytes of [1, 3, 100])
      assert.deepEqual(texts(text, 3, chunkBytes), text.trimEnd().split("\n"), text);
});

test("a quoted field over several lines is one record", () => {
  const text = '1,"two\nlines, and a comma",6\r\n2,b,7\r\n';
  assert.deepEqual(
    split(text, 3, 5).map(({ text, row }) => [row, text]),
    [
      [1, '1,"two\nlines, and a comma",6'],
      [2, "2,b,7"],
    ],
  );
});

test("blank lines are no records but count as rows, and the last line needs no end", () => {
  assert.deepEqual(
    split("a,b\n\n\r\nc,d", 2).map(({ text, row }) => [row, text]),
    [
      [1, "a,b"],
      [4, "c,d"],
    ],
  );
});

test("reading goes on from any record's place with the same records and row numbers", () => {
  const text = Array.from({ length: 50 }, (_, n) => `${n},"q\n${n}",x`).join("\n");
  const bytes = Buffer.from(text);
  const whole = split(text, 3);
  const places: { byte: number; row: number }[] = [];
  const splitter = new RecordSplitter(
    { newline: 10, quoted: { delimiter: 44, fields: 3 } },
    { byte: 0, row: 1 },
    () => undefined,
  );
  for (let at = 0; at < bytes.length; at += 7) {
    splitter.push(bytes.subarray(at, at + 7));
    places.push(splitter.position);
  }
  for (const place of places)
    assert.deepEqual(
      split(text, 3, 11, place),
      whole.filter(({ row }) => row >= place.row),
    );
});

test("a record without end is cut at the limit, and the next line is read", () => {
  const text = `${"x".repeat(LONGEST_RECORD + 500_000)}\n1,b,c\n`;
  const found = split(text, 3, 65_536);
  assert.deepEqual(
    found.map(({ text, row }) => [row, text.length]),
    [
      [1, LONGEST_RECORD],
      [2, 5],
    ],
  );
});

test("a quote that never closes costs one line of a large file", () => {
  const lines = Array.from({ length: 100_000 }, (_, n) => `${n},abcdefghij,${n}`);
  lines[10] = '10,"abcdefghij,10';
  assert.deepEqual(texts(lines.join("\n"), 3, 65_536), lines);
});
