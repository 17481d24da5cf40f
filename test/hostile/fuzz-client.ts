/** Requests as fuzzing sends them, what every answer promises, and when an answer was a hang. */
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { Agent, request as httpRequest } from "node:http";
import { connect } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import { HANG_MS } from "./fuzz-parts.ts";

export interface Sent {
  readonly method: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: Buffer | undefined;
}

export interface Given {
  readonly status: number;
  readonly type: string;
  readonly text: string;
}

/** Nothing is waited for any longer: it hangs, busy machine or not. */
const GIVEN_UP_MS = 30_000;
/** Clock ticks a second, in which Linux counts (`getconf CLK_TCK` is 100 everywhere). */
const TICKS = 100;

const agent = new Agent({ keepAlive: true, maxSockets: 32 });
export const closeClient = (): void => agent.destroy();

/** Node says no length for the body of a DELETE. */
const withLength = (headers: Sent["headers"], body: Buffer | undefined): Record<string, string | number> =>
  body === undefined ? { ...headers } : { ...headers, "content-length": body.length };

const once = (url: URL, { method, path, headers, body }: Sent): Promise<Given> =>
  new Promise((resolve, reject) => {
    const request = httpRequest(
      {
        host: url.hostname,
        port: url.port,
        agent,
        method,
        path,
        headers: withLength(headers, body),
        timeout: GIVEN_UP_MS,
      },
      (response) => {
        const chunks: Buffer[] = [];
        response.on("data", (chunk: Buffer) => chunks.push(chunk));
        response.on("error", reject);
        response.on("end", () =>
          resolve({
            status: response.statusCode ?? 0,
            type: response.headers["content-type"] ?? "",
            text: Buffer.concat(chunks).toString("utf8"),
          }),
        );
      },
    );
    request.on("timeout", () => request.destroy(new Error(`no answer within ${GIVEN_UP_MS / 1_000} s`)));
    request.on("error", reject);
    request.end(body);
  });

/** A kept connection that the home closed just then is no answer of its. */
const asked = async (url: URL, sent: Sent): Promise<Given> => {
  try {
    return await once(url, sent);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ECONNRESET") throw error;
    return await once(url, sent);
  }
};

/** What is in an answer that tells of the program's inside. */
const INSIDE = /\n\s+at .+:\d+|node:internal|node_modules|SQLITE_|\.ts:\d+/;

/** Requests under way, and who wants to be alone. */
let underWay = 0;
let alone: Promise<unknown> = Promise.resolve();

/** CPU time that the main thread of a process has taken, milliseconds; `undefined` where the system does not say. */
const cpuMsOf = async (pid: number): Promise<number | undefined> => {
  const stat = await readFile(`/proc/${pid}/task/${pid}/stat`, "utf8").catch(() => undefined);
  // After the name, which is in brackets and may hold anything: user and system time are the 12th and 13th fields.
  const fields = stat?.slice(stat.lastIndexOf(")") + 2).split(" ");
  return fields === undefined ? undefined : ((Number(fields[11]) + Number(fields[12])) * 1_000) / TICKS;
};

/**
 * A slow answer may be the machine's doing, or a neighbour's. Asked for again alone, what counts is what it costs the
 * home's main thread; where the system does not tell, how long it takes.
 */
const costMs = (url: URL, pid: number, sent: Sent): Promise<number> => {
  const turn = alone.then(async () => {
    while (underWay > 0) await delay(5);
    const [before, startedMs] = [await cpuMsOf(pid), performance.now()];
    await asked(url, sent);
    const after = await cpuMsOf(pid);
    return before === undefined || after === undefined ? performance.now() - startedMs : after - before;
  });
  alone = turn.catch(() => undefined);
  return turn;
};

/**
 * The answer, with what is promised of every one of them.
 * @param pid of the home
 * @throws Error where a promise is broken
 */
export const ask = async (url: URL, pid: number, sent: Sent): Promise<Given> => {
  await alone;
  underWay++;
  const startedMs = performance.now();
  let given: Given;
  try {
    given = await asked(url, sent);
  } finally {
    underWay--;
  }
  if (performance.now() - startedMs > HANG_MS) {
    const spentMs = await costMs(url, pid, sent);
    assert.ok(spentMs <= HANG_MS, `the answer costs ${Math.round(spentMs)} ms`);
  }
  const { status, type, text } = given;
  assert.ok(status >= 200 && status < 500, `${status} ${text}`);
  assert.doesNotMatch(text, INSIDE);
  if (status >= 400) {
    assert.equal(type, "application/problem+json", text);
    const problem = JSON.parse(text) as { status: number; detail: string; type: string; title: string };
    assert.equal(problem.status, status);
    assert.match(problem.type, /^urn:ebb:problem:[a-z_]+$/);
    assert.ok(problem.detail.length > 10 && problem.title.length > 5, "refused without a reason");
  }
  return given;
};

/** Bytes on a socket of their own, and all that comes back until it is closed. */
export const askRaw = (url: URL, bytes: Buffer): Promise<string> =>
  new Promise((resolve, reject) => {
    let text = "";
    const socket = connect(Number(url.port), url.hostname, () => socket.end(bytes));
    socket.setTimeout(GIVEN_UP_MS, () => {
      socket.destroy();
      reject(new Error(`the connection stood for ${GIVEN_UP_MS / 1_000} s`));
    });
    socket.on("data", (chunk) => (text += chunk.toString("latin1")));
    socket.on("close", () => resolve(text));
    socket.on("error", (error: NodeJS.ErrnoException) =>
      error.code === "ECONNRESET" || error.code === "EPIPE" ? resolve(text) : reject(error),
    );
  });
