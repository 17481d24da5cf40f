/**
 * Seeded randomness for the made shop. Every person and every visit draws from a stream of their own, named by
 * integers, so that what one does never moves what another does. Methods: Devroye, Non-Uniform Random Variate
 * Generation (1986), where no other source is given.
 */
import { hash } from "node:crypto";
import { uniformFloat64 } from "pure-rand/distribution/uniformFloat64";
import { xoroshiro128plusFromState } from "pure-rand/generator/xoroshiro128plus";

/** One stream of random numbers. */
export class Random {
  readonly #generator;

  /** @param name what the stream is for; the same name gives the same numbers for good */
  constructor(...name: readonly (string | number)[]) {
    const digest = hash("sha256", name.join("/"), "buffer");
    // Never all zero but for a digest that nobody will meet: the generator would stay at zero.
    this.#generator = xoroshiro128plusFromState([0, 4, 8, 12].map((at) => digest.readInt32LE(at)));
  }

  /** In [0, 1). */
  uniform(): number {
    return uniformFloat64(this.#generator);
  }

  between(low: number, high: number): number {
    return low + (high - low) * this.uniform();
  }

  /** An integer from `low` to `high`, both included. */
  integer(low: number, high: number): number {
    return low + Math.floor(this.uniform() * (high - low + 1));
  }

  chance(probability: number): boolean {
    return this.uniform() < probability;
  }

  pick<T>(items: readonly T[]): T {
    return items[Math.floor(this.uniform() * items.length)]!;
  }

  /** An index drawn by ascending cumulative weights; the last one is their sum. */
  weighted(cumulative: ArrayLike<number>): number {
    const target = this.uniform() * cumulative[cumulative.length - 1]!;
    let low = 0;
    let high = cumulative.length - 1;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (cumulative[middle]! <= target) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  exponential(rate: number): number {
    return -Math.log1p(-this.uniform()) / rate;
  }

  /** Box & Muller (1958); the second of the pair is not kept, so that a draw never depends on the one before. */
  normal(): number {
    return Math.sqrt(-2 * Math.log1p(-this.uniform())) * Math.cos(2 * Math.PI * this.uniform());
  }

  /** Marsaglia & Tsang (2000), mean shape / rate; shapes below 1 by their boost U^(1/shape). */
  gamma(shape: number, rate: number): number {
    if (shape < 1) return this.gamma(shape + 1, rate) * (1 - this.uniform()) ** (1 / shape);
    const d = shape - 1 / 3;
    const c = 1 / Math.sqrt(9 * d);
    for (;;) {
      const x = this.normal();
      const v = (1 + c * x) ** 3;
      if (v > 0 && Math.log1p(-this.uniform()) < 0.5 * x * x + d - d * v + d * Math.log(v)) return (d * v) / rate;
    }
  }

  beta(a: number, b: number): number {
    const x = this.gamma(a, 1);
    return x / (x + this.gamma(b, 1));
  }

  /** Knuth's product of uniforms, for the small means that occur here (below about 30). */
  poisson(mean: number): number {
    const limit = Math.exp(-mean);
    let count = 0;
    for (let product = 1 - this.uniform(); product > limit; product *= 1 - this.uniform()) count++;
    return count;
  }
}

/** Running sums, for `weighted`. */
export const cumulated = (weights: Iterable<number>): number[] => {
  let sum = 0;
  return Array.from(weights, (weight) => (sum += weight));
};
