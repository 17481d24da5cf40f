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

/**
 * Takes orders until `stop`, whose signal is the answer. The port keeps the thread alive, so the thread ends by
 * `leave`.
 */
export const takeOrders = (onOrder: (order: Order) => void): AbortSignal => {
  const stopping = new AbortController();
  port.on("message", (order: Order) => (order.type === "stop" ? stopping.abort() : onOrder(order)));
  return stopping.signal;
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
