/** What every worker thread of the home shares: its orders, its reports, its metrics. */
import { parentPort } from "node:worker_threads";
import type { Metrics } from "@ebb/ports";
import type { Order, Report } from "../supervisor.ts";

const port = parentPort!;

export const report = (message: Report): void => port.postMessage(message);

/** Counts travel to the home, which shows them. */
export const workerMetrics: Metrics = {
  count: (name, value, dimensions) =>
    report({ type: "count", name, value, ...(dimensions === undefined ? {} : { dimensions }) }),
};

export interface Orders {
  /** Fires when the thread is told to stop. */
  readonly signal: AbortSignal;
  /** Resolves then. */
  readonly stopped: Promise<void>;
}

/** Takes orders until `stop`. The port keeps the thread alive, so the thread ends by `leave`. */
export const takeOrders = (onOrder: (order: Order) => void): Orders => {
  const stopping = new AbortController();
  const { promise: stopped, resolve } = Promise.withResolvers<void>();
  port.on("message", (order: Order) => {
    if (order.type !== "stop") return onOrder(order);
    stopping.abort();
    resolve();
  });
  return { signal: stopping.signal, stopped };
};

export const leave = (): void => port.close();

/** A pause that ends early when the thread is told to stop. */
export const pause = (ms: number, signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    if (signal.aborted) return resolve();
    const done = (): void => {
      clearTimeout(timer);
      signal.removeEventListener("abort", done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal.addEventListener("abort", done);
  });
