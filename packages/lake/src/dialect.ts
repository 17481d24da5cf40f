/**
 * What the three engines disagree on, as macros: SQL expressions in, a SQL expression out. Everything else in the SQL is
 * the portable core: CTEs, joins, GROUP BY, FILTER (WHERE), CASE, COALESCE, NULLIF, ROWS frames, window functions with a
 * total order, explicit NULLS LAST, CAST to bigint, double, date and decimal, literals such as DATE '2026-01-31' and
 * TIMESTAMP '2026-01-31 00:00:00'. Athena's engine is Trino. Each macro is proven on the engines themselves in
 * `test/engines/dialect.engines.test.ts`; an argument that is NULL makes the result NULL.
 */
import { duckdb } from "./dialects/duckdb.ts";
import { spark } from "./dialects/spark.ts";
import { trino } from "./dialects/trino.ts";

export { duckdb, spark, trino };

export interface Dialect {
  readonly name: "duckdb" | "trino" | "spark";

  // ── time ────────────────────────────────────────────────────────────────────────────────────────────────────────
  // A timestamp is UTC without a zone and holds whole milliseconds. A "day" argument is a DATE.

  /** Milliseconds from 1970-01-01 UTC to a timestamp, exact, bigint. */
  epochMs(timestamp: string): string;
  /** The timestamp at milliseconds from 1970-01-01 UTC, a bigint. */
  fromEpochMs(milliseconds: string): string;
  /** Whole seconds from one timestamp to another, cut towards zero, bigint; negative when `to` is earlier. */
  elapsedSeconds(from: string, to: string): string;
  /** Days of the calendar (UTC) from one date or timestamp to another, bigint: 23:59 to 00:01 is one day. */
  daysBetween(from: string, to: string): string;
  /** The DATE some days after a DATE; negative goes back. `days` is an integer. */
  addDays(day: string, days: string): string;
  /** The timestamp some days of 24 hours after a timestamp; negative goes back. `days` is an integer. */
  addDaysToTimestamp(timestamp: string, days: string): string;
  /** The DATE some months after a DATE: the same day of the month, or that month's last. `months` is an integer. */
  addMonths(day: string, months: string): string;
  /** The DATE (UTC) of a date or timestamp. */
  truncDay(instant: string): string;
  /** The first day of the month (UTC) of a date or timestamp, a DATE. */
  truncMonth(instant: string): string;
  /** Day of the week of a date or timestamp, bigint: Monday 1 to Sunday 7. */
  isoDow(instant: string): string;
  /** Month of a date or timestamp, bigint: 1 to 12. */
  monthOfYear(instant: string): string;
  /** `YYYY-MM-DD` of a DATE in the years 1 to 9999. */
  dayText(day: string): string;
  /** A SELECT of one column `day`: every DATE from one to another, both included; at most 10,000 (Trino's limit). */
  daySeries(from: string, to: string): string;

  // ── JSON, lists, text ───────────────────────────────────────────────────────────────────────────────────────────

  /**
   * The text of a member of the JSON object in a text column. NULL where the object lacks it, where it is null, an object
   * or an array, where its text begins with a brace or a bracket, and where the column holds no JSON.
   *
   * @throws TypeError for a name that is not of letters, digits and underscores
   */
  jsonText(json: string, member: string): string;
  /**
   * The rows of a list of structs. `select` lists the fields under their own names and `line_number` (from 1) among the
   * columns of a SELECT; `from` is its FROM. Rows with an empty list or NULL disappear.
   *
   * @param table that has the list: a name, or a SELECT in parentheses with a name
   */
  explodeRows(
    table: string,
    list: string,
    fields: readonly string[],
  ): { readonly select: string; readonly from: string };
  /** An element of a list, counted from 1; NULL past the end. */
  elementAt(list: string, position: string): string;
  /** A constant text, whatever is in it. */
  textLiteral(value: string): string;
  /** SHA-256 of a text's UTF-8 bytes, 64 lower-case hexadecimal digits. */
  sha256(text: string): string;

  // ── numbers and aggregates ──────────────────────────────────────────────────────────────────────────────────────

  /** Quotient of two integers, cut towards zero, bigint; NULL when the divisor is 0. */
  intDiv(dividend: string, divisor: string): string;
  /** Quotient as a double; NULL when the divisor is 0. */
  ratio(numerator: string, denominator: string): string;
  /**
   * Aggregate: `value` in the row with the largest `by`, which may be NULL; rows where `by` is NULL do not count. Any of
   * the rows answers when several share the largest: make `by` unique, or use row_number with a total order.
   */
  maxBy(value: string, by: string): string;
  /** As `maxBy`, in the row with the smallest `by`. */
  minBy(value: string, by: string): string;
  /**
   * Aggregate: the rows of a group as one text, whole numbers parted by a space and rows by `;`, in no order: many small
   * rows in few large ones, since engines hand over rows one by one. No number may be NULL.
   */
  numbersText(numbers: readonly string[]): string;
}

/**
 * Settings of a Spark session without which the SQL means something else: casts and overflows that fail instead of
 * giving NULL, days in UTC, timestamps of Parquet files that are instants however written, partition keys that stay text.
 */
export const sparkSettings = {
  "spark.sql.ansi.enabled": "true",
  "spark.sql.session.timeZone": "UTC",
  "spark.sql.parquet.inferTimestampNTZ.enabled": "false",
  "spark.sql.sources.partitionColumnTypeInference.enabled": "false",
} as const;
