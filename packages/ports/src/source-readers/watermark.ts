/** Which of two watermarks is behind the other, as their databases write them. */

const NUMBER = /^-?\d+$/;

/** Whether `a` is behind `b`: numbers by value, times as text, in UTC. */
export const isLater = (a: string, b: string): boolean =>
  NUMBER.test(a) && NUMBER.test(b) ? BigInt(a) > BigInt(b) : a > b;

export const later = (a: string | undefined, b: string | undefined): string | undefined =>
  a === undefined ? b : b === undefined || !isLater(b, a) ? a : b;
