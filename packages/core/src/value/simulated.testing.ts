/** Customers drawn from the models themselves, for tests: whoever fits them must find the parameters again. */
import { uniform } from "../numeric/random.ts";
import type { BgNbdParameters } from "./bg-nbd.ts";

const normal = (random: () => number): number =>
  Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());

/** gamma(shape, 1), by Marsaglia & Tsang (2000). */
export const drawGamma = (random: () => number, shape: number): number => {
  if (shape < 1) return drawGamma(random, shape + 1) * (1 - random()) ** (1 / shape);
  const d = shape - 1 / 3;
  const c = 1 / Math.sqrt(9 * d);
  for (;;) {
    const z = normal(random);
    const v = (1 + c * z) ** 3;
    if (v > 0 && Math.log(1 - random()) < 0.5 * z * z + d - d * v + d * Math.log(v)) return d * v;
  }
};

export interface SimulatedCustomer {
  readonly x: number;
  readonly tx: number;
  readonly T: number;
  /** Purchases within the horizon after T. */
  readonly later: number;
}

/** Customers of a BG/NBD population, each observed for a time drawn evenly between 0 and `longest`. */
export const simulate = (
  { r, alpha, a, b }: BgNbdParameters,
  { customers, longest, horizon, seed }: { customers: number; longest: number; horizon: number; seed: number },
): SimulatedCustomer[] => {
  const random = uniform(seed);
  return Array.from({ length: customers }, () => {
    const rate = drawGamma(random, r) / alpha;
    const share = drawGamma(random, a);
    const leaves = share / (share + drawGamma(random, b));
    const T = random() * longest;
    let x = 0;
    let tx = 0;
    let later = 0;
    for (let t = -Math.log(1 - random()) / rate; t <= T + horizon; t -= Math.log(1 - random()) / rate) {
      if (t <= T) {
        x++;
        tx = t;
      } else later++;
      if (random() < leaves) break;
    }
    return { x, tx, T, later };
  });
};
