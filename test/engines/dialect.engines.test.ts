/** Each macro on each engine, over the edges of its arguments, against JavaScript's own arithmetic. */
import { createHash } from "node:crypto";
import path from "node:path";
import type { Dialect } from "@ebb/lake/dialect";
import type { Plain } from "./engine.ts";
import { temporaryFolder, writeParquet } from "./parquet.ts";
import { type ProofQuery, type ProofTable, proveOnEveryEngine } from "./prove.ts";

// ── arguments ──────────────────────────────────────────────────────────────────────────────────────────────────────

const DAY = 86_400_000;

/** Leap days, ends of months and years, the hours at which daylight saving turns, and before 1970. */
const instants = [
  "1969-12-31T23:59:59.999Z",
  "1970-01-01T00:00:00.000Z",
  "1997-02-28T12:00:00.001Z",
  "1999-12-31T23:59:59.999Z",
  "2000-02-29T00:00:00.000Z",
  "2024-02-29T23:59:59.999Z",
  "2025-10-26T00:59:59.999Z",
  "2025-10-26T01:00:00.000Z",
  "2025-11-02T06:30:00.000Z",
  "2026-01-31T08:26:00.500Z",
  "2026-03-08T07:00:00.000Z",
  "2026-03-29T01:00:00.000Z",
  "2100-02-28T23:00:00.000Z",
].map((iso) => Date.parse(iso));
const shifts = [-1461, -400, -31, -1, 0, 1, 28, 30, 365, 366];

const iso = (ms: number): string => new Date(ms).toISOString();
const dayOf = (ms: number): number => Math.floor(ms / DAY);
const dateText = (days: number): string => iso(days * DAY).slice(0, 10);
const micros = (ms: number): string => iso(ms).replace("Z", "000Z");

const pairs = instants.flatMap((a) => instants.map((b) => ({ a, b })));
const shifted = instants.flatMap((a) => shifts.map((n) => ({ a, n })));

const addMonths = (ms: number, months: number): string => {
  const date = new Date(ms);
  const [year, month] = [date.getUTCFullYear(), date.getUTCMonth() + months];
  const last = new Date(Date.UTC(year, month + 1, 0)).getUTCDate();
  return iso(Date.UTC(year, month, Math.min(date.getUTCDate(), last))).slice(0, 10);
};

const integers = [-9, -7, -2, -1, 0, 1, 2, 7, 1_000_000_007, 2 ** 52 + 1];
const quotients = integers.flatMap((a) => integers.map((b) => ({ a, b })));

/** Text of a JSON column, and what its member `plan` is as text. */
const jsons: readonly [string | null, string | null][] = [
  [null, null],
  ["", null],
  ["not json", null],
  ["{}", null],
  ["[]", null],
  ["[1, 2]", null],
  ['"plan"', null],
  ["7", null],
  ['{"plan": null}', null],
  ['{"other": "x"}', null],
  ['{"plan": "gold"}', "gold"],
  ['{"plan": ""}', ""],
  ['{"plan": " spaced "}', " spaced "],
  ['{"plan": "it\'s \\"quoted\\" \\\\ back"}', 'it\'s "quoted" \\ back'],
  ['{"plan": "caf\\u00e9 \\ud83d\\ude00"}', "café 😀"],
  ['{"plan": "line\\nbreak"}', "line\nbreak"],
  ['{"plan": 7}', "7"],
  ['{"plan": -0.5}', "-0.5"],
  ['{"plan": 123456789012}', "123456789012"],
  ['{"plan": true}', "true"],
  ['{"plan": false}', "false"],
  ['{"plan": {"name": "gold"}}', null],
  ['{"plan": ["gold"]}', null],
  ['{"plan": "{looks like one}"}', null],
  ['{"nested": {"plan": "inner"}}', null],
  ['{"a.plan": "dotted", "plan": "x"}', "x"],
];

const texts = ["", "a", "Ünïcode", "it's", "back\\slash", "two''quotes", "😀", "line\nbreak", "%_{}[]", "\\'"];

// ── tables ─────────────────────────────────────────────────────────────────────────────────────────────────────────

const sqlText = (text: string | null): string => (text === null ? "NULL::varchar" : `'${text.replaceAll("'", "''")}'`);
const timestamp = (ms: number): string => `epoch_ms(${ms}::bigint)`;
const numbered = <T>(rows: readonly T[], row: (item: T) => string): string =>
  rows.map((item, id) => `SELECT ${id} AS id, ${row(item)}`).join(" UNION ALL ");

const tables = async (): Promise<Record<string, ProofTable>> => {
  const folder = temporaryFolder();
  const selects = {
    pairs: `${numbered(pairs, ({ a, b }) => `${timestamp(a)} AS a, ${timestamp(b)} AS b`)}
      UNION ALL SELECT -1, NULL, ${timestamp(0)} UNION ALL SELECT -2, ${timestamp(0)}, NULL`,
    shifted: numbered(
      shifted,
      ({ a, n }) => `${timestamp(a)} AS a, CAST(${timestamp(a)} AS date) AS day, ${n}::bigint AS n, ${a}::bigint AS ms`,
    ),
    quotients: `${numbered(quotients, ({ a, b }) => `${a}::bigint AS a, ${b}::bigint AS b`)}
      UNION ALL SELECT -1, NULL, 2 UNION ALL SELECT -2, 2, NULL`,
    jsons: numbered(jsons, ([json]) => `${sqlText(json)} AS json`),
    texts: numbered(texts, (text) => `${sqlText(text)} AS t`),
    lists: `SELECT 0 AS id, [{'sku': 'a', 'amount': 1.5::decimal(18,6)}, {'sku': NULL, 'amount': -2}] AS items
      UNION ALL SELECT 1, [] UNION ALL SELECT 2, NULL
      UNION ALL SELECT 3, [{'sku': 'b', 'amount': NULL}]`,
    groups: `SELECT * FROM (VALUES
      ('a', 1, 'first'), ('a', 3, NULL), ('a', 2, 'second'), ('b', NULL, 'lost'), ('c', NULL, 'no'), ('c', 5, 'yes')
    ) AS t (g, n, v)`,
  };
  const made: Record<string, ProofTable> = {};
  for (const [name, sql] of Object.entries(selects)) {
    const file = path.join(folder, `${name}.parquet`);
    await writeParquet(file, sql, name === "lists" ? "snappy" : "zstd");
    made[name] = { parquet: file };
  }
  return made;
};

// ── proofs ─────────────────────────────────────────────────────────────────────────────────────────────────────────

const over = <T>(
  table: string,
  rows: readonly T[],
  macro: (dialect: Dialect) => string,
  value: (row: T) => Plain,
  nulls: readonly number[] = [],
): ProofQuery => ({
  sql: (dialect) => `SELECT id, ${macro(dialect)} AS value FROM ${table}`,
  key: ["id"],
  expected: [
    ...rows.map((row, id): readonly Plain[] => [BigInt(id), value(row)]),
    ...nulls.map((id): readonly Plain[] => [BigInt(id), null]),
  ],
});
const overPairs = (macro: (dialect: Dialect) => string, value: (row: { a: number; b: number }) => Plain) =>
  over("pairs", pairs, macro, value, [-1, -2]);
const overShifts = (macro: (dialect: Dialect) => string, value: (row: { a: number; n: number }) => Plain) =>
  over("shifted", shifted, macro, value);
const overQuotients = (macro: (dialect: Dialect) => string, value: (row: { a: number; b: number }) => Plain) =>
  over("quotients", quotients, macro, value, [-1, -2]);

proveOnEveryEngine({
  title: "macros",
  tables,
  queries: {
    epochMs: overShifts(
      (d) => d.epochMs("a"),
      ({ a }) => BigInt(a),
    ),
    fromEpochMs: overShifts(
      (d) => d.fromEpochMs("ms"),
      ({ a }) => micros(a),
    ),
    elapsedSeconds: overPairs(
      (d) => d.elapsedSeconds("a", "b"),
      ({ a, b }) => BigInt(Math.trunc((b - a) / 1000)),
    ),
    daysBetween: overPairs(
      (d) => d.daysBetween("a", "b"),
      ({ a, b }) => BigInt(dayOf(b) - dayOf(a)),
    ),
    addDays: overShifts(
      (d) => d.addDays("day", "n"),
      ({ a, n }) => dateText(dayOf(a) + n),
    ),
    addDaysToTimestamp: overShifts(
      (d) => d.addDaysToTimestamp("a", "n"),
      ({ a, n }) => micros(a + n * DAY),
    ),
    addMonths: overShifts(
      (d) => d.addMonths("day", "n"),
      ({ a, n }) => addMonths(a, n),
    ),
    "truncDay of a timestamp": overShifts(
      (d) => d.truncDay("a"),
      ({ a }) => dateText(dayOf(a)),
    ),
    "truncMonth of a timestamp": overShifts(
      (d) => d.truncMonth("a"),
      ({ a }) => `${iso(a).slice(0, 7)}-01`,
    ),
    "truncMonth of a date": overShifts(
      (d) => d.truncMonth("day"),
      ({ a }) => `${iso(a).slice(0, 7)}-01`,
    ),
    "isoDow of a timestamp": overShifts(
      (d) => d.isoDow("a"),
      ({ a }) => BigInt(new Date(a).getUTCDay() || 7),
    ),
    "isoDow of a date": overShifts(
      (d) => d.isoDow("day"),
      ({ a }) => BigInt(new Date(a).getUTCDay() || 7),
    ),
    monthOfYear: overShifts(
      (d) => d.monthOfYear("a"),
      ({ a }) => BigInt(new Date(a).getUTCMonth() + 1),
    ),
    dayText: overShifts(
      (d) => d.dayText("day"),
      ({ a }) => dateText(dayOf(a)),
    ),
    daySeries: {
      sql: (d) => d.daySeries("DATE '2024-02-27'", "DATE '2024-03-02'"),
      expected: ["2024-02-27", "2024-02-28", "2024-02-29", "2024-03-01", "2024-03-02"].map((day) => [day]),
    },
    "daySeries of one day": {
      sql: (d) => d.daySeries("DATE '2026-03-29'", "DATE '2026-03-29'"),
      expected: [["2026-03-29"]],
    },
    intDiv: overQuotients(
      (d) => d.intDiv("a", "b"),
      ({ a, b }) => (b === 0 ? null : BigInt(a) / BigInt(b)),
    ),
    ratio: overQuotients(
      (d) => d.ratio("a", "b"),
      ({ a, b }) => (b === 0 ? null : a / b),
    ),
    jsonText: over(
      "jsons",
      jsons,
      (d) => d.jsonText("json", "plan"),
      ([, plan]) => plan,
    ),
    sha256: over(
      "texts",
      texts,
      (d) => d.sha256("t"),
      (text) => createHash("sha256").update(text).digest("hex"),
    ),
    textLiteral: {
      sql: (d) =>
        `SELECT id, t FROM texts WHERE ${texts.map((text, id) => `(id = ${id} AND t = ${d.textLiteral(text)})`).join(" OR ")}`,
      key: ["id"],
      expected: texts.map((text, id) => [BigInt(id), text]),
    },
    explodeRows: {
      sql: (d) => {
        const items = d.explodeRows("lists", "items", ["sku", "amount"]);
        return `SELECT id, ${items.select} FROM ${items.from}`;
      },
      expected: [
        [0n, "a", "1.5", 1n],
        [0n, null, "-2", 2n],
        [3n, "b", null, 1n],
      ],
    },
    elementAt: {
      sql: (d) => `SELECT id, ${d.elementAt("items", "2")}.amount AS amount FROM lists`,
      expected: [
        [0n, "-2"],
        [1n, null],
        [2n, null],
        [3n, null],
      ],
    },
    "maxBy and minBy": {
      sql: (d) => `SELECT g, ${d.maxBy("v", "n")} AS latest, ${d.minBy("v", "n")} AS earliest FROM groups GROUP BY g`,
      expected: [
        ["a", null, "first"],
        ["b", null, null],
        ["c", "yes", "yes"],
      ],
    },
    numbersText: {
      sql: (d) => `SELECT id, ${d.numbersText(["a", "b"])} AS value FROM quotients WHERE id >= 0 GROUP BY id`,
      key: ["id"],
      expected: quotients.map(({ a, b }, id) => [BigInt(id), `${a} ${b}`]),
    },
    "numbersText of many rows": {
      sql: (d) => `SELECT ${d.numbersText(["2", "-1"])} AS value FROM quotients WHERE id BETWEEN 0 AND 2`,
      expected: [["2 -1;2 -1;2 -1"]],
    },
    "lists and structs as they are": () => "SELECT id, items FROM lists",
  },
});
