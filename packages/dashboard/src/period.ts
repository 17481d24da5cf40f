/** Periods of whole UTC days. A period's end is the first day after it. */
export interface Period {
  /** `YYYY-MM-DD` */
  readonly from: string;
  readonly to: string;
}

const DAY_MS = 86_400_000;
const msOf = (day: string): number => Date.parse(`${day}T00:00:00Z`);
export const dayOf = (ms: number): string => new Date(ms).toISOString().slice(0, 10);
export const secondsOf = (day: string): number => msOf(day) / 1000;
export const addDays = (day: string, days: number): string => dayOf(msOf(day) + days * DAY_MS);
export const daysIn = ({ from, to }: Period): number => Math.round((msOf(to) - msOf(from)) / DAY_MS);

/** The period of the same length that ends where this one begins. */
export const periodBefore = (period: Period): Period => ({
  from: addDays(period.from, -daysIn(period)),
  to: period.from,
});

/** The whole days that a dragged stretch of time touches. Epoch seconds. */
export const periodOf = ([from, to]: readonly [number, number]): Period => ({
  from: dayOf(from * 1000),
  to: addDays(dayOf(to * 1000), 1),
});
