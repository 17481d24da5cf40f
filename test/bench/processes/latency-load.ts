/**
 * Orders at even intervals. Every twentieth is the first order of a customer nobody knows, who is then asked for until
 * the answer shows the order.
 */
import { setTimeout as delay } from "node:timers/promises";
import { orderCall } from "../bodies.ts";
import { Random } from "../../../packages/home/src/shop/random.ts";
import { type Answer, getRequest, postRequest } from "./connection.ts";
import { openPool, whenDue } from "./open-loop.ts";
import { answer, lastAnswer, task, told } from "./task.ts";

interface LatencyTask {
  readonly url: string;
  readonly writeKey: string;
  readonly readKey: string;
  readonly ordersPerSecond: number;
  readonly warmUpMs: number;
  readonly measuredMs: number;
}

const PROBE_EVERY = 20;
const ASK_AGAIN_MS = 2;
const GIVE_UP_MS = 30_000;

const { url, writeKey, readKey, ordersPerSecond, warmUpMs, measuredMs } = task<LatencyTask>();
const random = new Random("bench", "latency");
const total = Math.round(((warmUpMs + measuredMs) / 1_000) * ordersPerSecond);
const isProbe = (number: number): boolean => number % PROBE_EVERY === 0;
const requests = Array.from({ length: total }, (_, number) => {
  const customer = isProbe(number) ? `probe-${number}` : `customer-${random.integer(1, 10_000)}`;
  const call = orderCall(random, "latency", number, customer);
  return postRequest(url, "/v1/track", writeKey, Buffer.from(JSON.stringify(call)));
});

const pool = await openPool(url);
let refused = 0;
/** As a client of good faith: it waits as long as a refusal asks it to, and the order's time goes on. */
const answerTo = async (request: Buffer): Promise<Answer> => {
  for (;;) {
    const got = await pool.exchange(request);
    if (got.status !== 503) return got;
    refused++;
    await delay(Number(/\r\nretry-after: (\d+)/i.exec(got.head)?.[1] ?? 1) * 1_000);
  }
};
const answeredMs: number[] = [];
const visibleMs: number[] = [];
const one = async (number: number, dueMs: number, counted: boolean): Promise<void> => {
  const { status, body } = await answerTo(requests[number]!);
  if (status !== 200 || !body.includes('"quarantined":0'))
    throw new Error(`POST answered ${status}: ${body.toString("utf8").slice(0, 300)}`);
  if (counted) answeredMs.push(performance.now() - dueMs);
  if (!isProbe(number)) return;
  const ask = getRequest(url, `/v1/customers/probe-${number}`, readKey);
  for (;;) {
    const seen = await pool.exchange(ask);
    if (seen.status === 200) break;
    if (seen.status !== 404)
      throw new Error(`GET answered ${seen.status}: ${seen.body.toString("utf8").slice(0, 300)}`);
    if (performance.now() - dueMs > GIVE_UP_MS)
      throw new Error(`order ${number} was not visible after ${GIVE_UP_MS} ms`);
    await delay(ASK_AGAIN_MS);
  }
  if (counted) visibleMs.push(performance.now() - dueMs);
};

answer({ requests: requests.length });
await told();
const late = await whenDue({ perSecond: ordersPerSecond, warmUpMs, total }, one);
pool.close();
lastAnswer({ answeredMs, visibleMs, late, refused });
