import assert from "node:assert/strict";
import { connect } from "node:net";
import { request } from "node:http";
import { after, before, test } from "node:test";
import { gzipSync } from "node:zlib";
import type { Route } from "@ebb/functions/declarations";
import { type HttpEvent, httpHandler, json } from "@ebb/functions/runtime/http";
import { HttpServer, type RouteHandler } from "./http-server.ts";

const routes: Route[] = [
  { method: "POST", path: "/v1/echo", handler: "echo", auth: "none" },
  { method: "GET", path: "/v1/things/{id}", handler: "echo", auth: "none" },
  { method: "GET", path: "/v1/things/first", handler: "echo", auth: "none" },
  {
    method: "PUT",
    path: "/v1/things/{id}/content",
    handler: "stream",
    auth: "upload-url",
    only: "embedded",
    bodyBytes: 20_000_000,
  },
  { method: "POST", path: "/v1/slow", handler: "slow", auth: "none" },
];

const entered = Promise.withResolvers<void>();
const release = Promise.withResolvers<void>();
const handlers = new Map<string, RouteHandler>([
  ["echo", { kind: "whole", handle: httpHandler(async (event) => json(200, event)) }],
  [
    "stream",
    {
      kind: "streaming",
      handle: async (_, body) => {
        let bytes = 0;
        for await (const chunk of body) bytes += chunk.length;
        return json(200, { bytes });
      },
    },
  ],
  [
    "slow",
    {
      kind: "whole",
      handle: httpHandler(async () => {
        entered.resolve();
        await release.promise;
        return json(200, { done: true });
      }),
    },
  ],
]);

let overload: string | undefined;
const start = async () => {
  const server = new HttpServer(["https://shop.example"]);
  server.open({
    routes,
    handlers,
    now: () => Date.UTC(2026, 10, 21, 22, 7, 26),
    overloaded: () => overload,
    control: () => undefined,
    uploadUrlIsValid: (_, query) => query["signature"] === "good",
  });
  const { port } = await server.listen(0, "127.0.0.1");
  return { server, url: `http://127.0.0.1:${port}`, port };
};

let home: Awaited<ReturnType<typeof start>>;
before(async () => void (home = await start()));
after(() => home.server.close(0));

const echoed = async (path: string, init?: RequestInit): Promise<HttpEvent> =>
  (await (await fetch(home.url + path, init)).json()) as HttpEvent;

test("a request becomes the event that API Gateway makes of it", async () => {
  const event = await echoed("/v1/echo?a=1&b=x%20y&a=2", {
    method: "POST",
    headers: { "Content-Type": "application/json", "X-Write-Key": "k", cookie: "a=1; b=2", "user-agent": "test" },
    body: '{"name":"Zoë"}',
  });
  assert.equal(event.version, "2.0");
  assert.equal(event.routeKey, "POST /v1/echo");
  assert.equal(event.rawPath, "/v1/echo");
  assert.equal(event.rawQueryString, "a=1&b=x%20y&a=2");
  assert.deepEqual(event.queryStringParameters, { a: "1,2", b: "x y" });
  assert.deepEqual(event.cookies, ["a=1", "b=2"]);
  assert.equal(event.headers["x-write-key"], "k");
  assert.equal(event.headers["cookie"], undefined);
  assert.equal(event.body, '{"name":"Zoë"}');
  assert.equal(event.isBase64Encoded, false);
  assert.equal(event.requestContext.http.method, "POST");
  assert.equal(event.requestContext.http.sourceIp, "127.0.0.1");
  assert.equal(event.requestContext.http.userAgent, "test");
  assert.equal(event.requestContext.time, "21/Nov/2026:22:07:26 +0000");
  assert.equal(event.requestContext.timeEpoch, Date.UTC(2026, 10, 21, 22, 7, 26));
  assert.match(event.requestContext.requestId, /^[0-9a-f-]{36}$/);
});

test("bytes that are no text arrive as base64, unchanged: other types, gzip, broken UTF-8", async () => {
  const cases: [Buffer, Record<string, string>][] = [
    [Buffer.from([0, 255, 1]), { "content-type": "application/octet-stream" }],
    [gzipSync("{}"), { "content-type": "application/json", "content-encoding": "gzip" }],
    [Buffer.from([0x7b, 0xff, 0x7d]), { "content-type": "application/json" }],
    [Buffer.from("a=1"), { "content-type": "application/x-www-form-urlencoded" }],
  ];
  for (const [body, headers] of cases) {
    const event = await echoed("/v1/echo", { method: "POST", body: new Uint8Array(body), headers });
    assert.equal(event.isBase64Encoded, true, JSON.stringify(headers));
    assert.deepEqual(Buffer.from(event.body!, "base64"), body);
  }
});

test("a literal path goes before a pattern, and parameters are decoded", async () => {
  assert.equal((await echoed("/v1/things/first")).routeKey, "GET /v1/things/first");
  assert.deepEqual((await echoed("/v1/things/a%2Fb%20c")).pathParameters, { id: "a/b c" });
});

const problemOf = async (path: string, init?: RequestInit) => {
  const response = await fetch(home.url + path, init);
  assert.equal(response.headers.get("content-type"), "application/problem+json");
  return { response, problem: (await response.json()) as { status: number; type: string; detail: string } };
};

test("an unknown address is 404, a known one with another method 405 with Allow, a broken one 400", async () => {
  assert.equal((await problemOf("/v1/nothing")).problem.status, 404);
  const { response, problem } = await problemOf("/v1/echo", { method: "DELETE" });
  assert.equal(problem.status, 405);
  assert.equal(response.headers.get("allow"), "POST");
  assert.equal((await problemOf("/v1/things/%ff")).problem.status, 400);
});

test("a body over the limit is 413, whether its length is announced or not, and the connection goes on", async () => {
  const announced = await problemOf("/v1/echo", { method: "POST", body: new Uint8Array(5_000_000) });
  assert.equal(announced.problem.status, 413);
  const chunks = new ReadableStream<Uint8Array>({
    start(controller) {
      for (let index = 0; index < 50; index++) controller.enqueue(new Uint8Array(100_000));
      controller.close();
    },
  });
  const chunked = await problemOf("/v1/echo", { method: "POST", body: chunks, duplex: "half" });
  assert.equal(chunked.problem.status, 413);
  assert.equal((await echoed("/v1/things/1")).routeKey, "GET /v1/things/{id}");
});

test("a client that asks before it sends too much is told 413 without sending", async () => {
  const status = await new Promise((resolve, reject) => {
    const asking = request(`${home.url}/v1/echo`, {
      method: "POST",
      headers: { "content-length": 50_000_000, expect: "100-continue" },
    });
    asking.on("continue", () => reject(new Error("told to go on")));
    asking.on("response", (response) => resolve(response.statusCode));
    asking.on("error", reject);
    asking.flushHeaders();
  });
  assert.equal(status, 413);
});

test("a streamed body of any size passes through, at a signed address alone", async () => {
  const body = new Uint8Array(15_000_000);
  const taken = await fetch(`${home.url}/v1/things/1/content?signature=good`, { method: "PUT", body });
  assert.deepEqual(await taken.json(), { bytes: 15_000_000 });
  assert.equal(
    (await problemOf("/v1/things/1/content?signature=bad", { method: "PUT", body: "x" })).problem.status,
    403,
  );
});

test("origins that are allowed may call, others get no permission", async () => {
  const preflight = (origin: string) =>
    fetch(`${home.url}/v1/echo`, {
      method: "OPTIONS",
      headers: { origin, "access-control-request-method": "POST", "access-control-request-headers": "authorization" },
    });
  const allowed = await preflight("https://shop.example");
  assert.equal(allowed.status, 204);
  assert.equal(allowed.headers.get("access-control-allow-origin"), "https://shop.example");
  assert.equal(allowed.headers.get("access-control-allow-headers"), "authorization");
  assert.equal(allowed.headers.get("access-control-allow-methods"), "POST");
  assert.equal((await preflight("https://other.example")).headers.get("access-control-allow-origin"), null);
  const answer = await fetch(`${home.url}/v1/things/1`, { headers: { origin: "https://shop.example" } });
  assert.equal(answer.headers.get("access-control-allow-origin"), "https://shop.example");
  assert.match(answer.headers.get("access-control-expose-headers")!, /etag, link/);
  const refused = await fetch(`${home.url}/v1/none`, { headers: { origin: "https://shop.example" } });
  assert.equal(
    refused.headers.get("access-control-allow-origin"),
    "https://shop.example",
    "a browser may read a problem",
  );
});

test("while the stages are too far behind, writing is 503 with Retry-After and reading goes on", async () => {
  overload = "The stages are behind.";
  try {
    const { response } = await problemOf("/v1/echo", { method: "POST", body: "{}" });
    assert.equal(response.status, 503);
    assert.equal(response.headers.get("retry-after"), "1");
    assert.equal((await fetch(`${home.url}/v1/things/1`)).status, 200);
  } finally {
    overload = undefined;
  }
});

test("closing finishes the requests under way and takes no new ones", async () => {
  const other = await start();
  const answer = fetch(`${other.url}/v1/slow`, { method: "POST", body: "{}" });
  await entered.promise;
  const closed = other.server.close(5_000);
  await assert.rejects(fetch(`${other.url}/v1/things/1`));
  release.resolve();
  assert.deepEqual(await (await answer).json(), { done: true });
  await closed;
});

test("a request that breaks off harms nothing", async () => {
  await new Promise<void>((resolve) => {
    const socket = connect(home.port, "127.0.0.1", () => {
      socket.write("POST /v1/echo HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\nabc");
      setTimeout(() => socket.destroy(), 20);
    });
    socket.on("close", () => resolve());
  });
  assert.equal((await fetch(`${home.url}/v1/things/1`)).status, 200);
});
