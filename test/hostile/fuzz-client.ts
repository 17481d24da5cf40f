/** Requests as fuzzing sends them, what every answer promises, and when an answer was a hang. */
import assert from "node:assert/strict";
import { Agent, request as httpRequest } from "node:http";
import { connect } from "node:net";
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
/** A slow answer may be the machine's doing, or a neighbour's: it is a hang where each of so many is as slow. */
const TRIES = 4;

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

/** The answer, with what is promised of every one of them. @throws Error where a promise is broken */
export const ask = async (url: URL, sent: Sent): Promise<Given> => {
  let fastestMs = Infinity;
  let given: Given | undefined;
  for (let tries = 0; tries < TRIES && fastestMs > HANG_MS; tries++) {
    const startedMs = performance.now();
    given = await asked(url, sent);
    fastestMs = Math.min(fastestMs, performance.now() - startedMs);
  }
  assert.ok(fastestMs <= HANG_MS, `every one of ${TRIES} answers took more than ${HANG_MS} ms`);
  const { status, type, text } = given!;
  assert.ok(status >= 200 && status < 500, `${status} ${text}`);
  assert.doesNotMatch(text, INSIDE);
  if (status >= 400) {
    assert.equal(type, "application/problem+json", text);
    const problem = JSON.parse(text) as { status: number; detail: string; type: string; title: string };
    assert.equal(problem.status, status);
    assert.match(problem.type, /^urn:ebb:problem:[a-z_]+$/);
    assert.ok(problem.detail.length > 10 && problem.title.length > 5, "refused without a reason");
  }
  return given!;
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
