/** Seeded randomness for bootstrap and permutation: the same seed gives the same report. */

/**
 * Uniform doubles in [0, 1) from a 32-bit seed: Mulberry32 (T. Ettinger), period 2^32, which is ample for resampling.
 * Not for secrets.
 */
export const uniform = (seed: number): (() => number) => {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
};
