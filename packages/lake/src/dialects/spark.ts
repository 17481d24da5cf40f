import type { Dialect } from "../dialect.ts";
import { monthOfYear, plainMember, ratio, scalarOnly, textLiteral, truncDay, truncMonth } from "./shared.ts";

export const spark: Dialect = {
  name: "spark",

  epochMs: (timestamp) => `unix_millis(${timestamp})`,
  fromEpochMs: (milliseconds) => `timestamp_millis(CAST(${milliseconds} AS bigint))`,
  elapsedSeconds: (from, to) => `((unix_millis(${to}) - unix_millis(${from})) DIV 1000)`,
  daysBetween: (from, to) => `CAST(datediff(CAST(${to} AS date), CAST(${from} AS date)) AS bigint)`,
  addDays: (day, days) => `date_add(${day}, CAST(${days} AS int))`,
  addDaysToTimestamp: (timestamp, days) => `timestampadd(DAY, CAST(${days} AS int), ${timestamp})`,
  addMonths: (day, months) => `add_months(${day}, CAST(${months} AS int))`,
  truncDay,
  truncMonth,
  isoDow: (instant) => `CAST(weekday(${instant}) + 1 AS bigint)`,
  monthOfYear,
  dayText: (day) => `date_format(${day}, 'yyyy-MM-dd')`,
  daySeries: (from, to) => `SELECT explode(sequence(${from}, ${to}, INTERVAL 1 DAY)) AS day`,

  jsonText: (json, member) => scalarOnly(`get_json_object(${json}, '$.${plainMember(member)}')`),
  explodeRows: (table, list, fields) => ({
    select: [...fields.map((field) => `item.${field}`), "item_index + 1 AS line_number"].join(", "),
    from: `${table} LATERAL VIEW posexplode(${list}) exploded AS item_index, item`,
  }),
  // Plain element_at fails past the end.
  elementAt: (list, position) => `try_element_at(${list}, CAST(${position} AS int))`,
  textLiteral,
  sha256: (text) => `sha2(${text}, 256)`,

  intDiv: (dividend, divisor) => `(CAST(${dividend} AS bigint) DIV nullif(CAST(${divisor} AS bigint), 0))`,
  ratio,
  maxBy: (value, by) => `max_by(${value}, ${by})`,
  minBy: (value, by) => `min_by(${value}, ${by})`,
  numbersText: (numbers) =>
    `array_join(collect_list(concat_ws(' ', ${numbers.map((number) => `CAST(${number} AS string)`).join(", ")})), ';')`,
};
