/** How a benchmark's child process learns what to do and tells how it went: one JSON value each way, over IPC. */

/** What the parent asks for: the JSON in the last argument. */
export const task = <T>(): T => JSON.parse(process.argv.at(-1)!) as T;

/** Tells the parent. The process goes on. */
export const answer = (value: unknown): void => void process.send!(value);

/** Tells the parent, and leaves once it is all in the channel: a long message takes more than one write. */
export const lastAnswer = (value: unknown): void =>
  void process.send!(value, undefined, undefined, () => process.disconnect());

/** Waits for the parent's next word. */
export const told = <T>(): Promise<T> =>
  new Promise((resolve) => process.once("message", (value) => resolve(value as T)));
