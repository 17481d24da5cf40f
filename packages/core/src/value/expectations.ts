/** What a fitted BG/NBD model expects of one customer (Fader, Hardie & Lee 2005). Times are in the fit's unit. */
import type { BgNbdParameters } from "./bg-nbd.ts";
import type { PurchaseHistory } from "./histories.ts";
import { hypergeometric2F1 } from "./special-functions.ts";

/**
 * Probability that the customer has not left yet. 1 for everyone without a repeat purchase, by the model's form: nobody
 * leaves before a second purchase. So 1 − P(alive) is no churn score; `probabilityOfNoPurchase` is.
 */
export const probabilityAlive = ({ r, alpha, a, b }: BgNbdParameters, { x, tx, T }: PurchaseHistory): number =>
  x === 0 ? 1 : 1 / (1 + (a / (b + x - 1)) * ((alpha + T) / (alpha + tx)) ** (r + x));

/** Probability of no purchase in the time `h` after T: 1 − P(alive) · [1 − ((α+T)/(α+T+h))^(r+x)]. */
export const probabilityOfNoPurchase = (
  parameters: BgNbdParameters,
  history: PurchaseHistory,
  horizon: number,
): number => {
  const { r, alpha } = parameters;
  const stillAtNone = ((alpha + history.T) / (alpha + history.T + horizon)) ** (r + history.x);
  return 1 - probabilityAlive(parameters, history) * (1 - stillAtNone);
};

/** Nearer than this to a pole of a factor the value is taken as the mean of two points this far beside it. */
const BESIDE_POLE = 1e-5;

/**
 * Expected purchases in the time `h` after T (equation 10). Euler's transformation turns ₂F₁(r+x, b+x; a+b+x−1; z),
 * which overflows for heavy buyers, into one of small arguments:
 * (a+b+x−1)/(a−1) · [1 − (1−z)^(a−1) · ₂F₁(a+b−1−r, a−1; a+b+x−1; z)] · P(alive), z = h/(α+T+h).
 * At a = 1 and at a + b + x = 1 the factors have poles, the product has none.
 */
export const expectedPurchases = (parameters: BgNbdParameters, history: PurchaseHistory, horizon: number): number => {
  const { r, alpha, a, b } = parameters;
  const { x, T } = history;
  if (horizon === 0) return 0;
  const z = horizon / (alpha + T + horizon);
  const ofAlive = (a: number): number => {
    const c = a + b + x - 1;
    return (c / (a - 1)) * (1 - (1 - z) ** (a - 1) * hypergeometric2F1(a + b - 1 - r, a - 1, c, z));
  };
  const nearPole = Math.abs(a - 1) < BESIDE_POLE || Math.abs(a + b + x - 1) < BESIDE_POLE;
  const expected = nearPole ? (ofAlive(a - 2 * BESIDE_POLE) + ofAlive(a + 2 * BESIDE_POLE)) / 2 : ofAlive(a);
  return expected * probabilityAlive(parameters, history);
};
