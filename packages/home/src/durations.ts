/** Durations and instants as a person types them on a command line. */

const units: Readonly<Record<string, number>> = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };
const DURATION = /^(\d{1,6})([smhd])$/;

/** `90d`, `12h`, `30m`, `10s` or `0` in milliseconds; `undefined` for anything else. */
export const parseDuration = (text: string): number | undefined => {
  if (text === "0") return 0;
  const [, count, unit] = DURATION.exec(text) ?? [];
  return count === undefined ? undefined : Number(count) * units[unit!]!;
};

/** A duration from now, or a day (`2027-01-31`, from its beginning in UTC), as an instant; `undefined` otherwise. */
export const parseExpiry = (text: string, nowMs: number): number | undefined => {
  const durationMs = parseDuration(text);
  if (durationMs !== undefined) return nowMs + durationMs;
  if (!/^\d{4}-\d\d-\d\d$/.test(text)) return undefined;
  const atMs = Date.parse(`${text}T00:00:00Z`);
  return Number.isNaN(atMs) || new Date(atMs).toISOString().slice(0, 10) !== text ? undefined : atMs;
};
