/** Every declared route of a running home, over HTTP: paths, parameters, headers and bodies that nobody wrote it for. */
import assert from "node:assert/strict";
import { gzipSync } from "node:zlib";
import fc from "fast-check";
import { reasonCodes } from "@ebb/core/reasons";
import { type Route, isKeyed, routes } from "@ebb/functions/declarations";
import { type Sent, ask, askRaw } from "./fuzz-client.ts";
import { ERASED, type FuzzedHome } from "./fuzz-home.ts";
import { type Answer, type Part, part } from "./fuzz-parts.ts";
import { anyJson, jsonOf, mutated, nearlyEvent, oddText } from "./fuzz-texts.ts";

/** Good events that stood beside others and were acknowledged. */
export const acknowledged = { orders: 0 };
/** What the ids of their orders begin with. */
export const GOOD_ORDER = "beside-";

/** In an address: as it should be encoded, or as nobody should. */
const inAddress = (text: string): string => encodeURIComponent(text.toWellFormed());
const pathText = fc.oneof(
  { weight: 9, arbitrary: oddText.map(inAddress) },
  {
    weight: 1,
    arbitrary: fc.constantFrom("%", "%zz", "%ff%fe", "%ED%A0%80", "%2e%2e%2f", "..%5c", "a%00b", ";x=1", "a+b"),
  },
);

const keyOf = (route: Route, keys: FuzzedHome["keys"]): string => {
  const { auth } = route;
  if (!isKeyed(auth) || auth.includes("write")) return keys.write;
  return auth.includes("erase") ? keys.erase : auth.includes("export") ? keys.export : keys.read;
};

const headersOf = (route: Route, home: FuzzedHome): fc.Arbitrary<Record<string, string>> => {
  const right = keyOf(route, home.keys);
  const header = oddText.map((text) =>
    Buffer.from(text.replaceAll(/[^\t\x20-\x7e\x80-\xff]/g, "?"), "latin1").toString("latin1"),
  );
  const credential = fc.oneof(
    { weight: 12, arbitrary: fc.constant(`Bearer ${right}`) },
    { weight: 1, arbitrary: fc.constant(`Basic ${btoa(`${right}:`)}`) },
    {
      weight: 1,
      arbitrary: fc.constantFrom(
        "",
        "Basic",
        "Bearer ",
        "Basic !!",
        "Digest x",
        `Bearer ${right}x`,
        `bearer  ${right}`,
      ),
    },
    { weight: 1, arbitrary: header },
  );
  return fc
    .record(
      {
        authorization: credential,
        "content-type": fc.oneof(
          fc.constantFrom("application/json", "text/plain", "text/csv", "application/x-ndjson", "multipart/form-data"),
          fc.constantFrom("application/x-www-form-urlencoded", "application/json; charset=utf-16", ""),
          header,
        ),
        "content-encoding": fc.oneof(fc.constantFrom("identity", "gzip", "br", "gzip, gzip", "deflate"), header),
        "accept-encoding": fc.oneof(fc.constantFrom("gzip", "br", "*;q=0", "gzip;q=1e99"), header),
        "if-none-match": header,
        origin: header,
        cookie: header,
        "x-write-key": header,
        "x-forwarded-for": header,
        "x-forwarded-proto": fc.constantFrom("https", "x"),
        "x-hub-signature-256": header,
        "x-ebb-signature": fc.oneof(header, fc.constantFrom("t=1,v1=", "t=99999999999999999999,v1=00")),
        range: fc.constantFrom("bytes=0-", "bytes=-1"),
      },
      { requiredKeys: ["authorization"] },
    )
    .chain((all) => {
      // Most requests bear few of them: one alone is what is looked for.
      const names = Object.keys(all).filter((name) => name !== "authorization");
      return fc.subarray(names, { maxLength: Math.min(3, names.length) }).map((some) => ({
        "content-type": "application/json",
        authorization: all.authorization,
        ...Object.fromEntries(some.map((name) => [name, (all as Record<string, string>)[name]!])),
      }));
    });
};

let orders = 0;
const good = (id: string): string =>
  jsonOf({
    type: "track",
    event: "Order Completed",
    messageId: id,
    userId: "u-good",
    properties: { order_id: id, revenue: 1, currency: "EUR" },
  });

const event = fc.oneof(nearlyEvent, anyJson).map(jsonOf);
const goodBody = fc.constant(
  Buffer.from(jsonOf({ batch: [JSON.parse(good("m-1")) as unknown], sentAt: "2026-11-21T00:00:00Z", writeKey: "x" })),
);
const deep = (levels: number): string => `${'{"a":['.repeat(levels)}1${"]}".repeat(levels)}`;
/** Some kilobytes that are to cost much: rare, since they cost the fuzzing as much. */
const bomb = fc.constantFrom(
  ...[gzipSync(Buffer.alloc(30_000_000, 32)), gzipSync(deep(500_000)), gzipSync(Buffer.alloc(4_100_000, "[1,"))],
  ...[deep(900), deep(2_000), `[${"1,".repeat(12_000)}1]`, `{"batch":[${"{},".repeat(9_999)}{}]}`].map((text) =>
    Buffer.from(text),
  ),
  Buffer.from(`{"batch":[{"type":"track","event":"x","properties":{"a":"${"\\u0000".repeat(100_000)}"}}]}`),
);
const bodyOf = (route: Route): fc.Arbitrary<Buffer> => {
  const erasures = route.path === "/v1/erasures";
  const json = erasures
    ? fc.oneof(
        fc.record({
          customer_ids: fc.oneof(
            fc.subarray(ERASED),
            fc.array(fc.oneof(fc.integer(), fc.constant(null), fc.constant(""))),
          ),
        }),
        fc.record({ customer_ids: fc.constant(Array(1_001).fill("erased-1")), more: fc.constant(1) }),
        fc.array(anyJson),
      )
    : fc.oneof(anyJson, nearlyEvent);
  return fc.oneof(
    { weight: 300, arbitrary: json.map((value) => Buffer.from(jsonOf(value))) },
    // A mutation of ids would be people: those routes get none.
    { weight: 200, arbitrary: erasures ? json.map((value) => Buffer.from(jsonOf(value).slice(1))) : mutated(goodBody) },
    { weight: 50, arbitrary: fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes)) },
    { weight: 50, arbitrary: json.map((value) => gzipSync(jsonOf(value))) },
    { weight: 50, arbitrary: mutated(goodBody.map((bytes) => gzipSync(bytes))) },
    { weight: 1, arbitrary: bomb },
  );
};

/** Names of the query of each route, as the API's own description has them. */
export type Parameters = ReadonlyMap<string, readonly string[]>;
export const parametersOf = async ({ url, pid }: FuzzedHome): Promise<Parameters> => {
  const { text } = await ask(url, pid, { method: "GET", path: "/v1/openapi.json", headers: {} });
  const { paths } = JSON.parse(text) as {
    paths: Record<string, Record<string, { parameters?: { name: string; in: string }[] }>>;
  };
  return new Map(
    Object.entries(paths).flatMap(([path, operations]) =>
      Object.entries(operations).map(([method, { parameters = [] }]) => [
        `${method.toUpperCase()} ${path}`,
        parameters.filter((parameter) => parameter.in === "query").map(({ name }) => name),
      ]),
    ),
  );
};

const ALWAYS_TRIED = ["limit", "cursor", "from", "to", "as_of", "format", "__proto__", "writeKey", "expires"];

const requestOf = (route: Route, home: FuzzedHome, parameters: Parameters): fc.Arbitrary<Sent> => {
  const named = parameters.get(`${route.method} ${route.path}`) ?? [];
  const name = fc.oneof(...(named.length === 0 ? [] : [{ weight: 4, arbitrary: fc.constantFrom(...named) }]), {
    weight: 1,
    arbitrary: fc.constantFrom(...ALWAYS_TRIED),
  });
  const query = fc
    .array(fc.tuple(name, pathText), { maxLength: 2 })
    .map((pairs) => pairs.map(([each, value]) => `${each}=${value}`).join("&"));
  const erases = route.method === "DELETE";
  const id =
    erases && !route.path.endsWith("/suppression")
      ? fc.constantFrom(...ERASED).map(inAddress)
      : pathText.filter((text) => text !== "" && !text.startsWith("erased"));
  const isHook = route.auth === "hook-signature";
  const platforms = fc.oneof(
    { weight: 3, arbitrary: fc.constantFrom("generic", "twitter") },
    { weight: 1, arbitrary: pathText },
  );
  return fc
    .record({
      id: isHook ? platforms.filter((text) => text !== "") : id,
      query,
      headers: headersOf(route, home),
      body: route.method === "GET" ? fc.constant(undefined) : bodyOf(route),
      sign: fc.integer({ min: 0, max: 3 }),
    })
    .map(({ id, query, headers, body, sign }) => ({
      method: route.method,
      path: route.path.replaceAll(/\{\w+\}/g, () => id) + (query === "" ? "" : `?${query}`),
      headers: {
        ...headers,
        ...(isHook && sign > 0 && body !== undefined ? { "x-hub-signature-256": home.signed(body) } : {}),
      },
      body,
    }));
};

/** What a batch is answered: its ledger adds up, and each refused event has its reason. */
const checkBatch = (text: string): Answer => {
  const answer = JSON.parse(text) as {
    received: number;
    appended: number;
    quarantined: number;
    errors: { index: number; code: string; message: string }[];
  };
  assert.equal(answer.received, answer.appended + answer.quarantined, text);
  assert.ok(answer.errors.length === answer.quarantined || answer.errors.length >= 100, text);
  for (const { code, message } of answer.errors) {
    assert.ok((reasonCodes as readonly string[]).includes(code), code);
    assert.ok(message.length > 10 && message !== "The event could not be read.", "refused without a reason");
  }
  return answer.quarantined === 0 ? "200" : "200, refused in part";
};

const routePart = (route: Route, weight: number, home: FuzzedHome, parameters: Parameters): Part =>
  part(`${route.method} ${route.path}`, weight, requestOf(route, home, parameters), async (sent) => {
    const { status, text } = await ask(home.url, home.pid, sent);
    const isBatch = status === 200 && route.handler === "collect/events" && text.includes('"appended"');
    return isBatch ? checkBatch(text) : String(status);
  });

const besides = (home: FuzzedHome): Part =>
  part("POST /v1/batch, beside good events", 30, fc.array(event, { maxLength: 6 }), async (events) => {
    const ids = [`${GOOD_ORDER}${orders++}`, `${GOOD_ORDER}${orders++}`] as const;
    const { status, text } = await ask(home.url, home.pid, {
      method: "POST",
      path: "/v1/batch",
      headers: { authorization: `Bearer ${home.keys.write}`, "content-type": "application/json" },
      body: Buffer.from(`{"batch":[${[good(ids[0]), ...events, good(ids[1])].join()}]}`),
    });
    assert.equal(status, 200, text);
    const { received, errors } = JSON.parse(text) as { received: number; errors: { index: number }[] };
    assert.equal(received, events.length + 2);
    assert.ok(
      !errors.some(({ index }) => index === 0 || index === events.length + 1),
      `a good event was refused: ${text}`,
    );
    acknowledged.orders += 2;
    return checkBatch(text);
  });

const goodRequest = (home: FuzzedHome): fc.Arbitrary<Buffer> => {
  const body = good("m-wire");
  const write = `Authorization: Bearer ${home.keys.write}\r\nContent-Type: application/json\r\n`;
  return fc
    .constantFrom(
      `POST /v1/track HTTP/1.1\r\nHost: x\r\n${write}Content-Length: ${body.length}\r\n\r\n${body}`,
      `POST /v1/track HTTP/1.1\r\nHost: x\r\n${write}Transfer-Encoding: chunked\r\n\r\n${body.length.toString(16)}\r\n${body}\r\n0\r\n\r\n`,
      `POST /v1/track HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n${write}Content-Length: ${body.length}\r\n\r\n${body}`,
      `GET /v1/customers/u-1?limit=1 HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${home.keys.read}\r\n\r\n`,
      `OPTIONS /v1/track HTTP/1.1\r\nHost: x\r\nOrigin: http://x\r\nAccess-Control-Request-Method: POST\r\n\r\n`,
      `GET /v1/health HTTP/1.0\r\n\r\nGET /v1/ready HTTP/1.1\r\nHost: x\r\n\r\n`,
    )
    .map((text) => Buffer.from(text));
};

const WIRE_WORDS = [
  ...[
    "\r\n",
    "\r\n\r\n",
    "\n",
    " ",
    ":",
    "Transfer-Encoding: chunked\r\n",
    "Content-Length: 5\r\n",
    "HTTP/9.9",
    "PUT ",
  ],
  ...[
    "Upgrade: websocket\r\nConnection: Upgrade\r\n",
    "Trailer: x\r\n",
    "Expect: x\r\n",
    "ffffffffffffffff\r\n",
    "\x00",
  ],
];

/** Bytes that are nearly HTTP: every connection ends, and nothing that comes back is a 5xx. */
const wire = (home: FuzzedHome): Part =>
  part("requests, bytes changed", 12, mutated(goodRequest(home), WIRE_WORDS), async (bytes) => {
    const statuses = [...(await askRaw(home.url, bytes)).matchAll(/HTTP\/1\.1 (\d{3}) /g)].map((match) => match[1]!);
    const last = statuses.filter((status) => status !== "100").at(-1);
    // A version of HTTP or an expectation that is not ours has answers of its own (RFC 9110, 15.6.6, 15.5.18).
    for (const status of statuses) assert.ok(!status.startsWith("5"), status);
    return last ?? "closed without an answer";
  });

/** What a route costs, or does: those that start work get fewer. */
const weightOf = ({ method, path, handler }: Route): number => {
  if (path === "/v1/erasures" || method === "DELETE") return 1;
  if (path === "/v1/uploads" && method === "POST") return 2;
  if (handler === "collect/events") return path === "/v1/batch" ? 16 : 2;
  if (handler === "collect/social") return 6;
  return 2;
};

export const routeParts = (home: FuzzedHome, parameters: Parameters): Part[] => [
  ...routes.map((route) => routePart(route, weightOf(route), home, parameters)),
  besides(home),
  wire(home),
];
