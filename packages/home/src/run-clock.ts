/** When the daily run is due. */

/** Local time of this machine. */
export interface RunClock {
  readonly hour: number;
  readonly minute: number;
}

export const DEFAULT_RUN_AT = "03:00";

/** `HH:MM`, 00:00 to 23:59; `undefined` for anything else. */
export const parseRunAt = (text: string): RunClock | undefined => {
  const [, hour, minute] = /^([01]\d|2[0-3]):([0-5]\d)$/.exec(text) ?? [];
  return hour === undefined ? undefined : { hour: Number(hour), minute: Number(minute) };
};

/** Milliseconds from `now` to the next time the clock stands there, more than 0. Local time, with its jumps. */
export const untilNext = ({ hour, minute }: RunClock, now: Date): number => {
  const next = new Date(now);
  next.setHours(hour, minute, 0, 0);
  if (next <= now) next.setDate(next.getDate() + 1);
  return next.getTime() - now.getTime();
};
