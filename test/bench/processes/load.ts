/**
 * The load generator of the throughput benchmark: builds every request first, says so, and posts them on the word,
 * each connection its next one when the last is answered.
 */
import { orderBodies } from "../bodies.ts";
import { Connection, postRequest } from "./connection.ts";
import { answer, lastAnswer, task, told } from "./task.ts";

interface LoadTask {
  readonly url: string;
  readonly writeKey: string;
  readonly orders: number;
  readonly customers: number;
  readonly run: string;
  readonly connections: number;
}

const { url, writeKey, connections, ...orders } = task<LoadTask>();
const requests = orderBodies(orders).map((body) => postRequest(url, "/v1/batch", writeKey, body));
const clients = await Promise.all(Array.from({ length: connections }, () => Connection.open(url)));
answer({ bytes: requests.reduce((sum, request) => sum + request.length, 0) });
await told();

const cpuBefore = process.cpuUsage();
const startedMs = performance.now();
let next = 0;
await Promise.all(
  clients.map(async (client) => {
    for (let index = next++; index < requests.length; index = next++) {
      const { status, body } = await client.send(requests[index]!);
      // An order that is refused costs less than one that is taken: one such and the figure is worth nothing.
      if (status !== 200 || !body.includes('"quarantined":0'))
        throw new Error(`answered ${status}: ${body.toString("utf8").slice(0, 500)}`);
    }
  }),
);
const wallMs = performance.now() - startedMs;
const cpu = process.cpuUsage(cpuBefore);
for (const client of clients) client.close();
lastAnswer({ wallMs, cpuMs: (cpu.user + cpu.system) / 1_000 });
