/** Bytes on a socket that no client of good faith sends: what could be read as two requests, headers without end. */
import assert from "node:assert/strict";
import { connect } from "node:net";
import { after, before, beforeEach, describe, it } from "node:test";
import type { Route } from "@ebb/functions/declarations";
import { httpHandler, json } from "@ebb/functions/runtime/http";
import { HttpServer, type RouteHandler } from "@ebb/home/http-server";

const routes: Route[] = [
  { method: "POST", path: "/v1/echo", handler: "echo", auth: "none" },
  { method: "GET", path: "/v1/secret", handler: "secret", auth: "none" },
];
/** Paths and bodies that reached a handler. */
const reached: string[] = [];
const handlers = new Map<string, RouteHandler>(
  ["echo", "secret"].map((name) => [
    name,
    {
      kind: "whole",
      handle: httpHandler(async (event) => {
        reached.push(`${name} ${event.body ?? ""}`);
        return json(200, {});
      }),
    },
  ]),
);

let server: HttpServer;
let port: number;
before(async () => {
  server = new HttpServer(["*"]);
  server.open({
    routes,
    handlers,
    now: Date.now,
    overloaded: () => undefined,
    control: () => undefined,
    uploadUrlIsValid: () => false,
  });
  ({ port } = await server.listen(0, "127.0.0.1"));
});
after(() => server.close(0));
beforeEach(() => void (reached.length = 0));

/** Everything that comes back until the server closes, or says nothing more for a while after it has answered. */
const raw = (bytes: string | Buffer): Promise<string> =>
  new Promise((resolve, reject) => {
    let text = "";
    const socket = connect(port, "127.0.0.1", () => socket.write(bytes));
    const quiet = () => {
      socket.setTimeout(300, () => {
        socket.destroy();
        resolve(text);
      });
    };
    socket.on("data", (chunk) => {
      text += chunk.toString("latin1");
      quiet();
    });
    socket.on("close", () => resolve(text));
    socket.on("error", (error: NodeJS.ErrnoException) =>
      error.code === "ECONNRESET" || error.code === "EPIPE" ? resolve(text) : reject(error),
    );
  });

const statuses = (answer: string): number[] =>
  [...answer.matchAll(/HTTP\/1\.1 (\d{3})/g)].map((match) => Number(match[1]));

const head = "POST /v1/echo HTTP/1.1\r\nHost: x\r\nContent-Type: text/plain\r\n";
const SMUGGLED = "GET /v1/secret HTTP/1.1\r\nHost: x\r\n\r\n";

const ambiguous: Readonly<Record<string, string>> = {
  "a length beside chunks": `${head}Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n${SMUGGLED}`,
  "chunks beside a length": `${head}Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n${SMUGGLED}`,
  "two lengths": `${head}Content-Length: 0\r\nContent-Length: ${SMUGGLED.length}\r\n\r\n${SMUGGLED}`,
  "the same length twice": `${head}Content-Length: 0\r\nContent-Length: 0\r\n\r\n${SMUGGLED}`,
  "a list of lengths": `${head}Content-Length: 0, 0\r\n\r\n${SMUGGLED}`,
  "a length with a sign": `${head}Content-Length: +0\r\n\r\n${SMUGGLED}`,
  "a length below nothing": `${head}Content-Length: -1\r\n\r\n${SMUGGLED}`,
  "a length in hex": `${head}Content-Length: 0x0\r\n\r\n${SMUGGLED}`,
  "a length above all integers": `${head}Content-Length: 99999999999999999999999\r\n\r\n${SMUGGLED}`,
  "a space before the colon": `${head}Content-Length : 0\r\n\r\n${SMUGGLED}`,
  "an unknown transfer encoding": `${head}Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n${SMUGGLED}`,
  "chunks that are not last": `${head}Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n${SMUGGLED}`,
  "a folded header": `${head}Transfer-Encoding:\r\n chunked\r\nX: y\r\n folded\r\nContent-Length: 0\r\n\r\n${SMUGGLED}`,
  "a chunk of more than all bytes": `${head}Transfer-Encoding: chunked\r\n\r\nFFFFFFFFFFFFFFFFF\r\n${SMUGGLED}`,
  "a chunk size that is none": `${head}Transfer-Encoding: chunked\r\n\r\n0z\r\n\r\n${SMUGGLED}`,
  "a header that ends in a bare CR": `${head}X: y\rTransfer-Encoding: chunked\r\nContent-Length: 0\r\n\r\n${SMUGGLED}`,
  "a NUL in a header": `${head}X: a\0b\r\nContent-Length: 0\r\n\r\n${SMUGGLED}`,
  "another protocol": `\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03${SMUGGLED}`,
};

describe("what could be read in two ways", () => {
  for (const [name, bytes] of Object.entries(ambiguous))
    it(`${name}: is refused as 400, closes the connection, and nothing behind it is read`, async () => {
      const answer = await raw(bytes);
      assert.deepEqual(statuses(answer), [400], answer);
      assert.match(answer, /connection: close/i);
      assert.ok(!reached.includes("secret "), "the request behind it reached a handler");
    });
});

describe("what the parser refuses", () => {
  it("is answered as every problem is: problem details, security headers, no word of what was sent", async () => {
    const answer = await raw(`${head}Content-Length: 4\r\nTransfer-Encoding: chunked\r\nX-Write-Key: hush\r\n\r\n`);
    assert.match(answer, /content-type: application\/problem\+json/);
    assert.match(answer, /x-content-type-options: nosniff/);
    assert.match(answer, /content-security-policy: default-src 'none'/);
    assert.match(answer, /"type":"urn:ebb:problem:bad_request"/);
    assert.doesNotMatch(answer, /hush/);
  });

  it("headers of more than 16 KB are 431, in one line or in thousands", async () => {
    for (const headers of [`X: ${"y".repeat(20_000)}\r\n`, "X: y\r\n".repeat(10_000)])
      assert.deepEqual(statuses(await raw(`${head}${headers}Content-Length: 0\r\n\r\n`)), [431]);
  });
});

describe("what is only unusual", () => {
  it("an absolute address, a path of another host and dots are no way to a route", async () => {
    for (const target of ["http://other/v1/secret", "//other/v1/secret", "/v1/../v1/secret", "/v1/%2e%2e/secret", "*"])
      assert.deepEqual(statuses(await raw(`GET ${target} HTTP/1.1\r\nHost: x\r\n\r\n`)), [404], target);
    assert.deepEqual(reached, []);
  });

  it("HTTP/0.9 and HTTP/1.1 without a host are 400; HTTP/1.0 needs none", async () => {
    assert.deepEqual(statuses(await raw("GET /v1/secret\r\n\r\n")), [400]);
    assert.deepEqual(statuses(await raw("GET /v1/secret HTTP/1.1\r\n\r\n")), [400]);
    assert.deepEqual(reached, []);
    assert.deepEqual(statuses(await raw("GET /v1/secret HTTP/1.0\r\n\r\n")), [200]);
  });

  it("chunks, pipelining and long queries are taken", async () => {
    const chunked = `${head}Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n`;
    assert.deepEqual(statuses(await raw(chunked + SMUGGLED)), [200, 200]);
    assert.deepEqual(reached.sort(), ["echo abcde", "secret "]);
    assert.deepEqual(statuses(await raw(`GET /v1/secret?${"a=b&".repeat(2_000)} HTTP/1.1\r\nHost: x\r\n\r\n`)), [200]);
  });

  it("methods that nobody serves are 405 or 400, and none reaches a handler", async () => {
    for (const method of ["TRACE", "PATCH", "PROPFIND", "DELETE", "OPTIONS"])
      assert.deepEqual(statuses(await raw(`${method} /v1/secret HTTP/1.1\r\nHost: x\r\n\r\n`)), [405], method);
    assert.deepEqual(statuses(await raw("BREW /v1/secret HTTP/1.1\r\nHost: x\r\n\r\n")), [400]);
    // A tunnel is not offered: Node closes the connection.
    assert.deepEqual(statuses(await raw("CONNECT /v1/secret HTTP/1.1\r\nHost: x\r\n\r\n")), []);
    assert.deepEqual(reached, []);
  });
});
