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

/** True for timestamps that fall into one of the months `YYYY-MM`. @throws RangeError for what is no month */
export const inMonths = (timestamp: string, months: readonly string[]): string => {
  if (months.length === 0) return "false";
  const ranges = months.map((month) => {
    if (!/^\d{4}-(0[1-9]|1[0-2])$/.test(month)) throw new RangeError(`Not a month: ${month}`);
    const [year, number] = month.split("-").map(Number) as [number, number];
    const [from, to] = [Date.UTC(year, number - 1), Date.UTC(year, number)];
    return `(${timestamp} >= ${timestampLiteral(from)} AND ${timestamp} < ${timestampLiteral(to)})`;
  });
  return `(${ranges.join(" OR ")})`;
};
