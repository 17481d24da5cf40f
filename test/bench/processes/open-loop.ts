/**
 * Load that does not wait: a request is due every 1/rate seconds whether or not the last one was answered, and its time
 * counts from when it was due, so that a home that stalls is charged for all that waited (no coordinated omission).
 */
import { setTimeout as delay } from "node:timers/promises";
import { type Answer, Connection } from "./connection.ts";

/** As many connections as a busy client's pool; what finds none free waits. */
const CONNECTIONS = 64;
/** A request that is sent so long after it was due says that the generator itself was late. */
const LATE_MS = 20;

export interface Pool {
  exchange(request: Buffer): Promise<Answer>;
  close(): void;
}

export const openPool = async (url: string): Promise<Pool> => {
  const idle = await Promise.all(Array.from({ length: CONNECTIONS }, () => Connection.open(url)));
  const waiting: ((connection: Connection) => void)[] = [];
  return {
    exchange: async (request) => {
      const connection = idle.pop() ?? (await new Promise<Connection>((resolve) => waiting.push(resolve)));
      const got = await connection.send(request);
      const next = waiting.shift();
      if (next === undefined) idle.push(connection);
      else next(connection);
      return got;
    },
    close: () => {
      for (const connection of idle) connection.close();
    },
  };
};

/** Calls `one` for each number when it is due, `counted` after the warm-up. Resolves with how many were sent late. */
export const whenDue = async (
  { perSecond, warmUpMs, total }: { readonly perSecond: number; readonly warmUpMs: number; readonly total: number },
  one: (number: number, dueMs: number, counted: boolean) => Promise<void>,
): Promise<number> => {
  const startMs = performance.now();
  const under: Promise<void>[] = [];
  let late = 0;
  for (let number = 0; number < total;) {
    const elapsedMs = performance.now() - startMs;
    for (; number < total && (number / perSecond) * 1_000 <= elapsedMs; number++) {
      const dueMs = startMs + (number / perSecond) * 1_000;
      if (performance.now() - dueMs > LATE_MS) late++;
      under.push(one(number, dueMs, dueMs - startMs >= warmUpMs));
    }
    await delay(1);
  }
  await Promise.all(under);
  return late;
};
