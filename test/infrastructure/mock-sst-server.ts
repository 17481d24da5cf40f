import { mkdirSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import path from "node:path";

export interface SstServer {
  readonly url: string;
  /** Methods that were asked for and are not known here: each is answered with an error and fails the evaluation. */
  readonly unknownCalls: readonly string[];
}

/**
 * The part of SST's own server that its components call while they are constructed. It keeps no process alive: an
 * evaluation ends when nothing else is under way.
 */
export const startSstServer = async (work: string): Promise<SstServer> => {
  const unknownCalls: string[] = [];
  let bundles = 0;
  const answers: Readonly<Record<string, (input: { handler: string }) => unknown>> = {
    "Provider.Aws.Bootstrap": () => ({ asset: "sst-asset-bucket", state: "sst-state-bucket" }),
    // The code of a handler is no business of the infrastructure's tests: bundles.test.ts builds the real ones.
    // The name of the handler is kept, so that a test sees what would be built.
    "Runtime.Build": ({ handler }) => {
      const out = path.join(work, `bundle-${(bundles += 1)}`);
      mkdirSync(out, { recursive: true });
      writeFileSync(path.join(out, "bundle.mjs"), "");
      return { handler, out, errors: [], sourcemaps: [] };
    },
  };
  const server = createServer((request, response) => {
    let body = "";
    request.on("data", (chunk: Buffer) => (body += chunk.toString()));
    request.on("end", () => {
      const { method, params } = JSON.parse(body) as { method: string; params: [{ handler: string }] };
      const answer = answers[method];
      if (answer === undefined) unknownCalls.push(method);
      response.setHeader("connection", "close");
      response.end(
        JSON.stringify(
          answer === undefined
            ? { id: 1, error: `rpc: can't find method ${method}`, result: null }
            : { id: 1, error: null, result: answer(params[0]) },
        ),
      );
    });
  });
  await new Promise<void>((ready) => server.listen(0, "127.0.0.1", ready));
  server.unref();
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, unknownCalls };
};
