import assert from "node:assert/strict";
import { test } from "node:test";
import { type Route, routes } from "@ebb/functions/declarations";
import type { HttpHandler } from "@ebb/functions/runtime/http";
import type { Ports } from "@ebb/ports";
import { send } from "./support/http-event.ts";
import { READ_KEY, WRITE_KEY, memoryPorts } from "./support/memory-ports.ts";

/** Ports whose key ring answers and whose every store fails the test when it is touched before the key is checked. */
const guardedPorts = (): Ports => {
  const known: Partial<Ports> = memoryPorts();
  return new Proxy(known, {
    get: (target, name) =>
      name === "keys" || name === "now" || name === "newId" || name === "settings" || name === "pseudonyms"
        ? target[name]
        : new Proxy({}, { get: () => () => assert.fail(`${String(name)} was touched without a key`) }),
  }) as Ports;
};

const answerOf = async (route: Route, key: string | undefined): Promise<number> => {
  const { make } = (await import(`@ebb/functions/${route.handler}`)) as { make: (ports: Ports) => HttpHandler };
  const { status } = await send(make(guardedPorts()), route.path, route.method === "GET" ? "" : "{}", {
    method: route.method,
    pathParameters: { id: "x", type: "track", platform: "generic" },
    headers: key === undefined ? {} : { authorization: `Bearer ${key}` },
    anonymous: true,
  });
  return status;
};

const keyed = routes.filter(({ auth }) => auth === "write-key" || auth === "read-key" || auth === "any-key");

for (const route of keyed) {
  test(`${route.method} ${route.path} answers 401 without a key and with an unknown one`, async () => {
    assert.equal(await answerOf(route, undefined), 401);
    assert.equal(await answerOf(route, "ebw_nobody-has-this-key-0000000000"), 401);
  });

  if (route.auth !== "any-key")
    test(`${route.method} ${route.path} answers 403 to the other scope: a write key reads nothing`, async () => {
      assert.equal(await answerOf(route, route.auth === "write-key" ? READ_KEY : WRITE_KEY), 403);
    });
}

test("what needs no key: the SDKs' settings and self-counts, a hook's challenge, the API's description, health", () => {
  assert.deepEqual(
    routes.filter(({ auth }) => auth === "none").map(({ path }) => path),
    [
      "/v1/m",
      "/v1/projects/{key}/settings",
      "/sourceConfig",
      "/sourceConfig/",
      "/v1/social/{platform}",
      "/v1/openapi.json",
      "/v1/docs",
      "/healthz",
    ],
  );
});
