/** When an event happened, from what its producer says and when it came in. All instants are epoch milliseconds. */
import { limits } from "./limits.ts";
import type { Refusal } from "./reasons.ts";

const RFC_3339 =
  /^(\d{4})-(\d\d)-(\d\d)(?:[Tt ](\d\d):(\d\d)(?::(\d\d)(?:[.,](\d{1,9}))?)?\s?([Zz]|[+-]\d\d:?\d\d)?)?$/;

/** `2024-01-02T03:04:05.678Z`. */
const COMMON = /^\d{4}-\d\d-(?:[01]\d|2[0-8])T\d\d:\d\d:\d\d\.\d{3}Z$/;

/** The years that every store on the way can hold. */
const EARLIEST_MS = Date.UTC(1900, 0, 1);
const LATEST_MS = Date.UTC(10_000, 0, 1) - 1;

/** A number below this is in seconds: as milliseconds it would lie before March 1973, as seconds before the year 5138. */
const SECONDS_BELOW = 1e11;

/** @param ms NaN is in no range */
const inRange = (ms: number): number | undefined => (ms >= EARLIEST_MS && ms <= LATEST_MS ? Math.floor(ms) : undefined);

/**
 * An instant from RFC 3339 text or a Unix time (seconds or milliseconds). Text without an offset is UTC; a date alone
 * is its midnight. `undefined` for anything else, for days that no calendar has and for years before 1900.
 */
export const parseInstant = (value: unknown): number | undefined => {
  if (typeof value === "number") return inRange(Math.abs(value) < SECONDS_BELOW ? value * 1000 : value);
  if (typeof value !== "string") return undefined;
  // What every SDK sends, by the engine's own parser, a fifth of the time; days after the 28th are looked at below.
  if (COMMON.test(value)) return inRange(Date.parse(value));
  const parts = RFC_3339.exec(value);
  if (parts === null) return undefined;
  const [, year, month, day, hour = "0", minute = "0", second = "0", fraction = "", zone = "Z"] = parts;
  const [y, mo, d, h, mi, s] = [Number(year), Number(month), Number(day), Number(hour), Number(minute), Number(second)];
  if (mo < 1 || mo > 12 || d < 1 || d > 31 || h > 23 || mi > 59 || s > 60) return undefined;
  if (d > 28 && d > new Date(Date.UTC(y, mo, 0)).getUTCDate()) return undefined;
  const ms = fraction === "" ? 0 : Number(`${fraction}00`.slice(0, 3));
  const utc = Date.UTC(y, mo - 1, d, h, mi, s, ms);
  return inRange(utc - offsetMs(zone));
};

const offsetMs = (zone: string): number => {
  if (zone === "Z" || zone === "z") return 0;
  const minutes = Number(zone.slice(1, 3)) * 60 + Number(zone.slice(-2));
  return (zone.startsWith("-") ? -minutes : minutes) * 60_000;
};

/**
 * How far a producer's clock may be off before its times are corrected. Below it the difference between `sentAt` and
 * receipt is the way of the request, and a retry of the same event must not change when the event happened.
 */
export const CLOCK_TOLERANCE_MS = 60_000;

export interface Times {
  /** When it happened by the producer's clock. Segment's `timestamp`, else `originalTimestamp`. */
  readonly timestamp?: unknown;
  readonly originalTimestamp?: unknown;
}

/**
 * When an event happened: its `timestamp` (else `originalTimestamp`), corrected by the difference between receipt and
 * `sentAt` where the producer's clock is wrong (Segment Spec, Common Fields: timestamp = receivedAt − (sentAt −
 * originalTimestamp)); the receipt where it says nothing. Late events are as good as any.
 */
export const occurredAt = (times: Times, sentAtMs: number | undefined, receivedAtMs: number): number | Refusal => {
  const field = isGiven(times.timestamp) ? "timestamp" : "originalTimestamp";
  const given = times[field];
  if (!isGiven(given)) return receivedAtMs;
  const said = parseInstant(given);
  if (said === undefined)
    return { code: "invalid_time", field, message: `${field} must be an RFC 3339 time or a Unix time from 1900 on.` };
  const skewMs = sentAtMs === undefined ? 0 : receivedAtMs - sentAtMs;
  const corrected = Math.abs(skewMs) > CLOCK_TOLERANCE_MS ? said + skewMs : said;
  if (corrected > receivedAtMs + limits.futureMs)
    return { code: "future_time", field, message: `${field} is more than a day ahead of the server's clock.` };
  return corrected;
};

const isGiven = (value: unknown): boolean => value !== undefined && value !== null && value !== "";

/** A UTC day; UTC has no daylight saving. */
export const DAY_MS = 86_400_000;
