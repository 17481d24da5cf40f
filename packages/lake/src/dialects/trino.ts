import type { Dialect } from "../dialect.ts";
import { monthOfYear, plainMember, ratio, scalarOnly, textLiteral, truncDay, truncMonth } from "./shared.ts";
import { DAY_MS } from "@ebb/core/time";

// to_unixtime would go through a double.
const epochMs = (timestamp: string): string =>
  `date_diff('millisecond', TIMESTAMP '1970-01-01 00:00:00.000', ${timestamp})`;
const intDiv = (dividend: string, divisor: string): string =>
  `(CAST(${dividend} AS bigint) / nullif(CAST(${divisor} AS bigint), 0))`;

export const trino: Dialect = {
  name: "trino",

  epochMs,
  // date_add takes no more milliseconds than an integer holds.
  fromEpochMs: (milliseconds) =>
    `date_add('day', (${milliseconds}) / ${DAY_MS}, date_add('millisecond', (${milliseconds}) % ${DAY_MS}, TIMESTAMP '1970-01-01 00:00:00.000'))`,
  elapsedSeconds: (from, to) => `((${epochMs(to)} - ${epochMs(from)}) / 1000)`,
  daysBetween: (from, to) => `date_diff('day', CAST(${from} AS date), CAST(${to} AS date))`,
  addDays: (day, days) => `date_add('day', ${days}, ${day})`,
  addDaysToTimestamp: (timestamp, days) => `date_add('day', ${days}, ${timestamp})`,
  addMonths: (day, months) => `date_add('month', ${months}, ${day})`,
  truncDay,
  truncMonth,
  isoDow: (instant) => `day_of_week(${instant})`,
  monthOfYear,
  dayText: (day) => `CAST(${day} AS varchar)`,
  daySeries: (from, to) => `SELECT day FROM UNNEST(sequence(${from}, ${to}, INTERVAL '1' DAY)) AS days (day)`,

  jsonText: (json, member) => scalarOnly(`json_extract_scalar(${json}, '$.${plainMember(member)}')`),
  // A list of rows unnests to one column a field, in the order of the type.
  explodeRows: (table, list, fields) => ({
    select: [...fields.map((field) => `item.${field}`), "item.line_number"].join(", "),
    from: `${table} CROSS JOIN UNNEST(${list}) WITH ORDINALITY AS item (${fields.join(", ")}, line_number)`,
  }),
  elementAt: (list, position) => `element_at(${list}, ${position})`,
  textLiteral,
  sha256: (text) => `lower(to_hex(sha256(to_utf8(${text}))))`,

  intDiv,
  ratio,
  maxBy: (value, by) => `max_by(${value}, ${by})`,
  minBy: (value, by) => `min_by(${value}, ${by})`,
  numbersText: (numbers) =>
    `array_join(array_agg(concat_ws(' ', ${numbers.map((number) => `CAST(${number} AS varchar)`).join(", ")})), ';')`,
};
