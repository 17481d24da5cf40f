/** The CDNOW 1/10 sample as the literature fits it: calibration to 1997-09-30, purchases of one day are one purchase. */
import { readFileSync } from "node:fs";
import path from "node:path";
import { gunzipSync } from "node:zlib";
import { DAY_MS } from "../time.ts";

export const cdnowSampleFile = path.join(
  process.env["EBB_TEST_DATA"] ?? path.resolve(import.meta.dirname, "../../../../../shared/data"),
  "cdnow_sample.txt.gz",
);

export interface CdnowCustomer {
  readonly x: number;
  /** Days. */
  readonly tx: number;
  readonly T: number;
  /** Mean spend of the repeat purchases, dollars; 0 without one. */
  readonly meanSpend: number;
}

const LAST_DAY = Date.UTC(1997, 8, 30) / DAY_MS;

export const cdnowSample = (): CdnowCustomer[] => {
  const spendByDay = new Map<string, Map<number, number>>();
  for (const line of gunzipSync(readFileSync(cdnowSampleFile)).toString("latin1").split("\n")) {
    const [, customer, date, , dollars] = line.trim().split(/\s+/);
    if (customer === undefined || date === undefined) continue;
    const day = Date.UTC(Number(date.slice(0, 4)), Number(date.slice(4, 6)) - 1, Number(date.slice(6))) / DAY_MS;
    if (day > LAST_DAY) continue;
    const days = spendByDay.get(customer) ?? new Map<number, number>();
    days.set(day, (days.get(day) ?? 0) + Number(dollars));
    spendByDay.set(customer, days);
  }
  return [...spendByDay.values()].map((spends) => {
    const days = [...spends.keys()].sort((one, other) => one - other);
    const first = days[0]!;
    const x = days.length - 1;
    const repeatSpend = days.slice(1).reduce((sum, day) => sum + spends.get(day)!, 0);
    return { x, tx: days.at(-1)! - first, T: LAST_DAY - first, meanSpend: x === 0 ? 0 : repeatSpend / x };
  });
};
