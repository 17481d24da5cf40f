/**
 * The shop's clock. Business is not even over the year, the week and the day; the processes that drive customers are
 * stated in *shop days*, of which a mean calendar day holds one, a Saturday in December more and a night hour less.
 * Time is changed, not the process: in shop days purchases are exactly as the theory has them.
 */
import { cumulated } from "./random.ts";

export const DAY_MS = 86_400_000;

/** January to December, mean about 1. */
const months = [0.82, 0.86, 0.95, 0.97, 1.0, 0.93, 0.86, 0.84, 0.97, 1.04, 1.32, 1.44];
/** Sunday to Saturday, mean 1. */
const weekdays = [1.12, 1.02, 0.96, 0.94, 0.93, 0.96, 1.07];
/** Hour of the day in UTC, 0 to 23: a dip at night, a lunch break, the evening. */
const hours = [6, 3, 2, 1, 1, 2, 6, 14, 24, 32, 38, 42, 46, 42, 38, 37, 38, 42, 50, 60, 66, 58, 38, 16];
const hoursCumulated = cumulated([0, ...hours]);
const hoursSum = hoursCumulated[24]!;

/** The share of a day's business that is done by a share of its 24 hours, and the reverse. */
const businessByHour = (dayShare: number): number => {
  const hour = Math.min(23, Math.floor(dayShare * 24));
  return (hoursCumulated[hour]! + (dayShare * 24 - hour) * hours[hour]!) / hoursSum;
};
const hourByBusiness = (share: number): number => {
  const target = share * hoursSum;
  let hour = 0;
  while (hour < 23 && hoursCumulated[hour + 1]! <= target) hour++;
  return (hour + (target - hoursCumulated[hour]!) / hours[hour]!) / 24;
};

export const seasonOf = (month: number, weekday: number): number => months[month]! * weekdays[weekday]!;

/** Calendar time and shop days of one span of time; `startMs` is a start of a UTC day and is shop day 0. */
export class ShopClock {
  readonly startMs: number;
  readonly endMs: number;
  /** Shop days gone at the start of each calendar day; one more at the end. */
  readonly #gone: number[];

  constructor(startMs: number, endMs: number) {
    if (startMs % DAY_MS !== 0 || !(endMs > startMs))
      throw new RangeError("a shop starts at midnight UTC, before it ends");
    this.startMs = startMs;
    this.endMs = endMs;
    const days = Math.ceil((endMs - startMs) / DAY_MS);
    this.#gone = cumulated(
      Array.from({ length: days + 1 }, (_, day) => {
        if (day === 0) return 0;
        const date = new Date(startMs + (day - 1) * DAY_MS);
        return seasonOf(date.getUTCMonth(), date.getUTCDay());
      }),
    );
  }

  /** The shop day of `endMs`: how long the shop has been open. */
  get length(): number {
    return this.shopDayOf(this.endMs);
  }

  shopDayOf(atMs: number): number {
    const day = Math.floor((atMs - this.startMs) / DAY_MS);
    const before = this.#gone[day]!;
    const share = (atMs - this.startMs) / DAY_MS - day;
    return share === 0 ? before : before + businessByHour(share) * (this.#gone[day + 1]! - before);
  }

  /** Whole milliseconds; `endMs` for any shop day at or past the end. */
  timeOf(shopDay: number): number {
    if (shopDay >= this.#gone.at(-1)!) return this.endMs;
    let low = 0;
    let high = this.#gone.length - 2;
    while (low < high) {
      const middle = (low + high + 1) >>> 1;
      if (this.#gone[middle]! <= shopDay) low = middle;
      else high = middle - 1;
    }
    const before = this.#gone[low]!;
    const share = hourByBusiness((shopDay - before) / (this.#gone[low + 1]! - before));
    return Math.min(this.endMs, Math.floor(this.startMs + (low + share) * DAY_MS));
  }
}
