/** What no read route takes: every one says so as problem details, with what it does take. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { Ports } from "@ebb/ports";
import { type Route, isKeyed, routes } from "../declarations.ts";
import type { HttpHandler } from "../runtime/http.ts";
import { type Answer, send } from "../../../../test/support/http-event.ts";
import { READ_KEY, memoryPorts } from "../../../../test/support/memory-ports.ts";
import { operations } from "./openapi/operations.ts";

/** A home to which nothing has come. */
const emptyPorts = {
  ...memoryPorts(),
  runs: { list: async () => ({ runs: [] }) },
  queries: {},
  ledger: {},
} as unknown as Ports;

const read = routes.filter(
  ({ method, path, handler, auth }) =>
    method === "GET" &&
    path.startsWith("/v1/") &&
    handler.startsWith("serve/") &&
    isKeyed(auth) &&
    auth.some((scope) => scope.startsWith("read:")),
);

const ask = async (route: Route, query: Readonly<Record<string, string>>): Promise<Answer> => {
  const { make } = (await import(`../${route.handler}.ts`)) as { make: (ports: Ports) => HttpHandler };
  const named = Object.fromEntries([...route.path.matchAll(/\{(\w+)\}/g)].map(([, name]) => [name!, "x"]));
  return await send(make(emptyPorts), route.path, "", {
    method: "GET",
    query,
    pathParameters: named,
    headers: { authorization: `Bearer ${READ_KEY}` },
  });
};

const assertRefused = (answer: Answer, parameter: string, said: readonly string[]): void => {
  const { type, status, title, detail } = answer.body;
  assert.deepEqual(
    [answer.status, answer.headers["content-type"], type, status, answer.body["parameter"]],
    [400, "application/problem+json", "urn:ebb:problem:invalid_parameter", 400, parameter],
    answer.text,
  );
  assert.ok(typeof title === "string" && title !== "");
  for (const word of said) assert.ok(String(detail).includes(word), `"${String(detail)}" names ${word}`);
};

/** A value that is not of the described kind; `undefined` where every text is. */
const wrongValue = (schema: Readonly<Record<string, unknown>>): string | undefined =>
  schema["enum"] !== undefined || schema["format"] === "date"
    ? "no-such-value"
    : schema["type"] === "integer" || schema["type"] === "number"
      ? "-1"
      : schema["maxLength"] !== undefined
        ? "x".repeat(Number(schema["maxLength"]) + 1)
        : undefined;

test("the read routes are looked at, all of them", () => assert.ok(read.length >= 14, `${read.length}`));

for (const route of read)
  describe(`GET ${route.path}`, () => {
    const { query = {} } = operations[`GET ${route.path}`]!;

    test("a parameter of another name is refused with those that there are", async () => {
      assertRefused(await ask(route, { colour: "red" }), "colour", Object.keys(query));
    });

    for (const [name, schema] of Object.entries(query)) {
      const value = wrongValue(schema);
      if (value === undefined) continue;
      test(`${name} that cannot be served is refused with what can`, async () => {
        const values = ((schema as { enum?: readonly string[] }).enum ?? []).map(String);
        assertRefused(await ask(route, { [name]: value }), name, [name, ...values]);
      });
    }
  });
