/** GETs at even intervals, of addresses drawn from a list. */
import { Random } from "../../../packages/home/src/shop/random.ts";
import { getRequest } from "./connection.ts";
import { openPool, whenDue } from "./open-loop.ts";
import { answer, lastAnswer, task, told } from "./task.ts";

interface LookupTask {
  readonly url: string;
  readonly readKey: string;
  readonly paths: readonly string[];
  readonly perSecond: number;
  readonly warmUpMs: number;
  readonly measuredMs: number;
}

const { url, readKey, paths, perSecond, warmUpMs, measuredMs } = task<LookupTask>();
const random = new Random("bench", "lookup");
const requests = paths.map((path) => getRequest(url, path, readKey));
const total = Math.round(((warmUpMs + measuredMs) / 1_000) * perSecond);
const pool = await openPool(url);
const answeredMs: number[] = [];
answer("ready");
await told();
const late = await whenDue({ perSecond, warmUpMs, total }, async (_number, dueMs, counted) => {
  const { status, body } = await pool.exchange(requests[random.integer(0, requests.length - 1)]!);
  if (status !== 200) throw new Error(`GET answered ${status}: ${body.toString("utf8").slice(0, 300)}`);
  if (counted) answeredMs.push(performance.now() - dueMs);
});
pool.close();
lastAnswer({ answeredMs, late });
