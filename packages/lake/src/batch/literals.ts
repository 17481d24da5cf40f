/** Instants and months as they stand in the SQL. */
import { DAY_MS } from "@ebb/core/time";

export { textLiteral } from "../dialects/shared.ts";

/** Milliseconds of an RFC 3339 instant. @throws RangeError for what is none */
export const instantMs = (text: string): number => {
  const ms = Date.parse(text);
  if (Number.isNaN(ms)) throw new RangeError(`Not an instant: ${text}`);
  return ms;
};

/** `TIMESTAMP '2026-01-31 00:00:00.000'`: the same in every dialect. */
export const timestampLiteral = (ms: number): string =>
  `TIMESTAMP '${new Date(ms).toISOString().replace("T", " ").replace("Z", "")}'`;

/** `DATE '2026-01-31'`, the UTC day of an instant. */
export const dateLiteral = (ms: number): string => `DATE '${dayOf(ms)}'`;

/** `2026-01-31`: the name of a cutoff's partition. */
export const dayOf = (ms: number): string => new Date(ms).toISOString().slice(0, 10);

export const daysBefore = (ms: number, days: number): number => ms - days * DAY_MS;

const MONTH = /^\d{4}-(0[1-9]|1[0-2])$/;

/** The first instants of a month `YYYY-MM` and of the next. @throws RangeError for what is no month */
const endsOf = (month: string): [from: string, to: string] => {
  if (!MONTH.test(month)) throw new RangeError(`Not a month: ${month}`);
  const [from, to] = [new Date(`${month}-01`), new Date(`${month}-01`)];
  to.setUTCMonth(to.getUTCMonth() + 1);
  return [timestampLiteral(from.getTime()), timestampLiteral(to.getTime())];
};

/** True for timestamps that fall into one of the months `YYYY-MM`. @throws RangeError for what is no month */
export const inMonths = (timestamp: string, months: readonly string[]): string => {
  if (months.length === 0) return "false";
  const ranges = months.map((month) => {
    const [from, to] = endsOf(month);
    return `(${timestamp} >= ${from} AND ${timestamp} < ${to})`;
  });
  return `(${ranges.join(" OR ")})`;
};

/** Stands for a month that is not known yet in SQL that is rendered before it is: `ofMonth` puts one in its place. */
export const ANY_MONTH = "1000-01";

/** SQL that was rendered for `ANY_MONTH`, for a month `YYYY-MM`. @throws RangeError for what is no month */
export const ofMonth = (sql: string, month: string): string => {
  const [from, to] = endsOf(month);
  const [anyFrom, anyTo] = endsOf(ANY_MONTH);
  return sql.replaceAll(anyFrom, from).replaceAll(anyTo, to);
};

/**
 * A text column without spaces (U+0020) around it: what each engine means by `trim` alone is its own. Few texts have any, and
 * to look at both ends takes a tenth of what it takes to look for them.
 */
export const trimmed = (column: string): string =>
  `CASE WHEN ${column} LIKE ' %' OR ${column} LIKE '% ' THEN trim(BOTH ' ' FROM ${column}) ELSE ${column} END`;
