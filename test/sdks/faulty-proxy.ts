/**
 * Stands between an SDK and the home and fails the first requests, in the two ways that make an SDK send again: the
 * request never arrives, or it arrives and its answer is lost.
 */
import { once } from "node:events";
import { type IncomingMessage, createServer, request as forward } from "node:http";
import type { AddressInfo } from "node:net";

export type Fault =
  /** 503 before anything is forwarded. */
  | "unavailable"
  /** Forwarded and done; the client gets 503 for it all the same. */
  | "answer-lost"
  /** Forwarded and done; the connection is cut in place of an answer. */
  | "connection-dropped";

export interface FaultyProxy {
  readonly url: string;
  /** What each POST met, in order; `undefined` where it was let through. */
  readonly met: (Fault | undefined)[];
  close(): Promise<void>;
}

export const faultyProxy = async (target: string, faults: readonly Fault[]): Promise<FaultyProxy> => {
  const met: (Fault | undefined)[] = [];
  const server = createServer((request, response) => {
    const fault = request.method === "POST" ? faults[met.length] : undefined;
    if (request.method === "POST") met.push(fault);
    const cors = { "access-control-allow-origin": request.headers.origin ?? "*" };
    if (fault === "unavailable") {
      request.resume();
      request.on("end", () => response.writeHead(503, cors).end());
      return;
    }
    const upstream = forward(
      new URL(request.url ?? "/", target),
      { method: request.method ?? "GET", headers: request.headers },
      (answer: IncomingMessage) => {
        if (fault !== undefined) {
          answer.resume();
          answer.on("end", () =>
            fault === "connection-dropped" ? request.socket.destroy() : response.writeHead(503, cors).end(),
          );
          return;
        }
        response.writeHead(answer.statusCode ?? 502, answer.headers);
        answer.pipe(response);
      },
    );
    upstream.on("error", () => response.destroy());
    request.pipe(upstream);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    met,
    close: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
};
