import { once } from "node:events";
import { rm } from "node:fs/promises";
import { Child } from "./child.ts";
import { BenchHome, temporaryFolder } from "./home.ts";
import { quantile, quantiles } from "./quantiles.ts";
import { type Bench } from "./result.ts";

const ORDERS_PER_SECOND = 1_000;
const TARGET_P99_MS = 100;

/** From when an order was due to be sent until `GET /v1/customers/{id}` shows it, under an even load. */
export const latency: Bench = async ({ quick }) => {
  const commitMs = await commitFloor(quick ? 500 : 3_000);
  const home = await BenchHome.start();
  try {
    const { url, writeKey, readKey } = home.started;
    const measuredMs = quick ? 3_000 : 30_000;
    const task = { url, writeKey, readKey, ordersPerSecond: ORDERS_PER_SECOND, warmUpMs: 3_000, measuredMs };
    const load = new Child("latency-load", task);
    await load.next();
    const done = load.next<{ answeredMs: number[]; visibleMs: number[]; late: number; refused: number }>();
    load.tell("go");
    const { answeredMs, visibleMs, late, refused } = await done;
    const visibleP99 = quantile(visibleMs, 0.99);
    return {
      name: "latency",
      title: "POST to visible in GET /v1/customers/{id}",
      method:
        `${ORDERS_PER_SECOND.toLocaleString("en")} orders a second, each of ten lines in a POST of its own over 64 ` +
        `connections, due at even intervals whatever was answered, for ${measuredMs / 1_000} s after 3 s of warm-up. Every twentieth is the first of a new customer, ` +
        "who is asked for every 2 ms until the answer shows the order. Times count from when the order was due (no " +
        "coordinated omission). Beside them what one commit of one such order to SQLite takes on this disk.",
      figures: [
        { what: "visible, p50 / p95 / p99", value: quantiles(visibleMs) },
        { what: "answered (durable), p50 / p95 / p99", value: quantiles(answeredMs) },
        { what: "one commit alone, p50 / p95 / p99", value: quantiles(commitMs) },
        {
          what: "visible ÷ one commit, p50 / p99",
          value: [0.5, 0.99].map((q) => (quantile(visibleMs, q) / quantile(commitMs, q)).toFixed(1)).join(" / "),
        },
        { what: "orders sent over 20 ms after they were due", value: `${late} of ${answeredMs.length}` },
        { what: "refused (503) and sent again when the answer said", value: String(refused) },
      ],
      target: { what: `p99 visible under ${TARGET_P99_MS} ms`, met: visibleP99 < TARGET_P99_MS },
    };
  } finally {
    await home.stop();
  }
};

const commitFloor = async (commits: number): Promise<number[]> => {
  const folder = await temporaryFolder();
  const child = new Child("commit-floor", { folder, commits });
  const gone = once(child.process, "exit");
  const { commitMs } = await child.next<{ commitMs: number[] }>();
  await gone;
  await rm(folder, { recursive: true });
  return commitMs;
};
