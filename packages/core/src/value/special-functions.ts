/**
 * Functions that the likelihoods need. Own, because they are a few lines each: the kept library for them (stdlib)
 * brings 160 packages and 19 MB for the first two. Relative errors are below 1e-13 where the models use them.
 */

/** From here on the asymptotic series below are exact to a double's last digits. */
const ASYMPTOTIC_FROM = 10;
const HALF_LOG_TWO_PI = 0.5 * Math.log(2 * Math.PI);

/**
 * ln Γ(x) for x > 0: recurrence up to 10, then Stirling's series (Abramowitz & Stegun 6.1.15, 6.1.41).
 * NaN for x ≤ 0: no parameter lies there.
 */
export const logGamma = (x: number): number => {
  if (!(x > 0)) return NaN;
  let product = 1;
  let z = x;
  for (; z < ASYMPTOTIC_FROM; z++) product *= z;
  const inverse = 1 / z;
  const square = inverse * inverse;
  const series =
    inverse *
    (1 / 12 -
      square * (1 / 360 - square * (1 / 1260 - square * (1 / 1680 - square * (1 / 1188 - square * (691 / 360360))))));
  return (z - 0.5) * Math.log(z) - z + HALF_LOG_TWO_PI + series - Math.log(product);
};

/** ψ(x), the derivative of ln Γ(x), for x > 0 (Abramowitz & Stegun 6.3.5, 6.3.18). NaN for x ≤ 0. */
export const digamma = (x: number): number => {
  if (!(x > 0)) return NaN;
  let sum = 0;
  let z = x;
  for (; z < ASYMPTOTIC_FROM; z++) sum -= 1 / z;
  const square = 1 / (z * z);
  const series =
    square *
    (1 / 12 -
      square * (1 / 120 - square * (1 / 252 - square * (1 / 240 - square * (1 / 132 - square * (691 / 32760))))));
  return sum + Math.log(z) - 0.5 / z - series;
};

/** Terms after which the series gives up: at z = 0.999 some 40,000 are enough. */
const MOST_TERMS = 1_000_000;

/**
 * Gauss's hypergeometric function ₂F₁(a, b; c; z) by its series, for 0 ≤ z < 1 and c not 0, −1, −2, …
 *
 * @throws RangeError for z outside [0, 1) or where the series does not settle
 */
export const hypergeometric2F1 = (a: number, b: number, c: number, z: number): number => {
  if (!(z >= 0 && z < 1)) throw new RangeError(`the hypergeometric series needs 0 <= z < 1, not ${z}`);
  let term = 1;
  let sum = 1;
  for (let n = 0; n < MOST_TERMS; n++) {
    term *= (((a + n) * (b + n)) / ((c + n) * (1 + n))) * z;
    sum += term;
    // From |a|, |b|, |c| on the terms shrink by about z each, so what is left is at most term / (1 − z).
    const settled = n > Math.abs(a) && n > Math.abs(b) && n > Math.abs(c);
    if (term === 0 || (settled && Math.abs(term) < 1e-17 * (1 - z) * Math.abs(sum))) return sum;
  }
  throw new RangeError(`the hypergeometric series does not settle: a=${a} b=${b} c=${c} z=${z}`);
};
