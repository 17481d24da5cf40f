/** Nothing came in time. */
export class NoAnswer extends Error {
  override readonly name = "NoAnswer";
}

/**
 * What `work` answers, unless it takes longer than `limitMs`.
 * @param late what is to be ended then
 * @throws NoAnswer naming what was waited for
 */
export const within = async <T>(
  limitMs: number,
  what: string,
  work: () => Promise<T>,
  late: (error: NoAnswer) => void = () => undefined,
): Promise<T> => {
  const { promise: expired, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => {
    const error = new NoAnswer(`${what}: no answer in ${limitMs / 1000} s`);
    reject(error);
    late(error);
  }, limitMs);
  try {
    return await Promise.race([work(), expired]);
  } finally {
    clearTimeout(timer);
  }
};
