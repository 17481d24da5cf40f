import assert from "node:assert/strict";
import { test } from "node:test";
import { parseId, parseNumber, parseTime } from "./values.ts";

test("a number is what its text says, with either decimal sign", () => {
  const cases: [string, boolean, number | undefined][] = [
    ["6", false, 6],
    ["-12", false, -12],
    ["2.55", false, 2.55],
    [".5", false, 0.5],
    ["5.", false, 5],
    ["0.001", false, 0.001],
    ["1,234,567.89", false, 1234567.89],
    ["$ 29.33", false, 29.33],
    ["-£4.50", false, -4.5],
    ["12.50 €", false, 12.5],
    ["2,55", true, 2.55],
    ["1.234,5", true, 1234.5],
    ["1.5", true, undefined],
    ["2,55", false, undefined],
    ["1.2345678", false, 1.234568],
    ["1E-3", false, 0.001],
    ["", false, undefined],
    ["0x10", false, undefined],
    ["NaN", false, undefined],
    ["Infinity", false, undefined],
    ["12 pieces", false, undefined],
    ["1e999", false, undefined],
    ["-0", false, 0],
  ];
  for (const [text, comma, expected] of cases) assert.equal(parseNumber(text, comma), expected, text);
});

test("an id keeps its zeros and loses only the decimal that a table with gaps gave it", () => {
  assert.equal(parseId("17850.0"), "17850");
  assert.equal(parseId(" 17850 "), "17850");
  assert.equal(parseId("00001"), "00001");
  assert.equal(parseId("A1.0"), "A1.0");
  assert.equal(parseId("10.50"), "10.50");
  for (const empty of ["", "  ", "NaN", "nan", "NULL", "null"]) assert.equal(parseId(empty), undefined);
});

test("a time is read in the forms that exports use, and is UTC where it names no zone", () => {
  const cases: [string, Parameters<typeof parseTime>[1], string][] = [
    ["2010-12-01 08:26:00", {}, "2010-12-01T08:26:00.000Z"],
    ["2010-12-01T08:26", {}, "2010-12-01T08:26:00.000Z"],
    ["2010-12-01", {}, "2010-12-01T00:00:00.000Z"],
    ["2019-10-01 00:00:00 UTC", {}, "2019-10-01T00:00:00.000Z"],
    ["2015-02-24 11:35:52 -0800", {}, "2015-02-24T19:35:52.000Z"],
    ["2020-02-29T12:00:00.1234+05:30", {}, "2020-02-29T06:30:00.123Z"],
    ["19970101", {}, "1997-01-01T00:00:00.000Z"],
    ["12/1/2010 8:26", { slashes: "mdy" }, "2010-12-01T08:26:00.000Z"],
    ["12/1/10 8:26", { slashes: "mdy" }, "2010-12-01T08:26:00.000Z"],
    ["12/1/2010 8:26", { slashes: "dmy" }, "2010-01-12T08:26:00.000Z"],
    ["31.12.2010 23:59:59", {}, "2010-12-31T23:59:59.000Z"],
    ["1/2/2010 12:05 AM", { slashes: "mdy" }, "2010-01-02T00:05:00.000Z"],
    ["40513.3513888889", { serials: 1900 }, "2010-12-01T08:26:00.000Z"],
    ["39051.3513888889", { serials: 1904 }, "2010-12-01T08:26:00.000Z"],
  ];
  for (const [text, forms, expected] of cases) {
    const ms = parseTime(text, forms);
    assert.equal(ms === undefined ? undefined : new Date(ms).toISOString(), expected, text);
  }
});

test("what could be two dates, or is none, is no time", () => {
  for (const text of [
    "12/1/2010",
    "2010-02-30",
    "2010-13-01",
    "25:00",
    "yesterday",
    "40513",
    "",
    "2010-12-01 24:00:00",
  ])
    assert.equal(parseTime(text, {}), undefined, text);
  assert.equal(parseTime("13/1/2010", { slashes: "mdy" }), undefined);
});
