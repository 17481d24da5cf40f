/** What a customer's purchases to come are worth today, from the BG/NBD and the Gamma-Gamma model together. */
import type { BgNbdParameters } from "./bg-nbd.ts";
import { expectedPurchases } from "./expectations.ts";
import type { PurchaseHistory } from "./histories.ts";

export interface LifetimeTerms {
  /** Expected spend of one purchase, in any unit of money; the result has the same. Times a margin, if profit is asked. */
  readonly spendPerPurchase: number;
  /** Length of a period in the fit's unit of time, such as 30.4375 days for a month. */
  readonly period: number;
  /** Periods to look ahead. */
  readonly periods: number;
  /** Discount a period, such as 0.01 a month; money of period k counts (1 + rate)^−k, at its end. */
  readonly discountRate: number;
}

/**
 * Discounted value of the purchases expected in the periods after T: Σ over k of [E(k) − E(k−1)] · spend / (1 + d)^k.
 *
 * @throws RangeError unless periods is a count, the period positive and the rate above −1
 */
export const lifetimeValue = (
  parameters: BgNbdParameters,
  history: PurchaseHistory,
  { spendPerPurchase, period, periods, discountRate }: LifetimeTerms,
): number => {
  if (!(Number.isInteger(periods) && periods >= 0 && period > 0 && discountRate > -1))
    throw new RangeError(`no horizon: ${periods} periods of ${period} at a rate of ${discountRate}`);
  let value = 0;
  let before = 0;
  for (let k = 1; k <= periods; k++) {
    const until = expectedPurchases(parameters, history, k * period);
    value += ((until - before) * spendPerPurchase) / (1 + discountRate) ** k;
    before = until;
  }
  return value;
};
