/** Every route against every kind of credential, by the table in declarations.ts. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, before, describe, it, test } from "node:test";
import { type Scope, readScopes, scopeNames } from "@ebb/core/scopes";
import { type Route, isKeyed, routes } from "@ebb/functions/declarations";
import type { HttpHandler } from "@ebb/functions/runtime/http";
import type { KeyRing, Ports } from "@ebb/ports";
import { EmbeddedKeyRing } from "@ebb/ports/embedded/key-ring";
import { createKey, revokeKey, rotateKey } from "@ebb/ports/stored-keys";
import { send } from "./support/http-event.ts";
import { memoryPorts } from "./support/memory-ports.ts";

// Handlers that are let in touch stores that are not there: what they log of it is of no interest.
process.env["POWERTOOLS_LOG_LEVEL"] = "SILENT";

const HOUR_MS = 3_600_000;
const NOW_MS = Date.UTC(2026, 10, 22);
let nowMs = NOW_MS;
let folder: string;
let ring: EmbeddedKeyRing;
/** Key texts by what they are. */
const credentials = new Map<string, string>();

before(async () => {
  folder = mkdtempSync(path.join(tmpdir(), "ebb-authorisation-"));
  ring = new EmbeddedKeyRing(folder, () => nowMs);
  const make = async (scopes: readonly Scope[], more: { expiresAtMs?: number } = {}) =>
    await createKey(ring, { scopes, source: "shop", ...more }, nowMs);
  const both = async (name: string, of: (scopes: readonly Scope[]) => Promise<string>): Promise<void> => {
    credentials.set(`${name} write`, await of(["write"]));
    credentials.set(`${name} read`, await of([...readScopes, "export", "erase"]));
  };
  for (const scope of scopeNames) credentials.set(scope, (await make([scope])).key);
  await both("expired", async (scopes) => (await make(scopes, { expiresAtMs: nowMs })).key);
  await both("revoked", async (scopes) => {
    const { key, stored } = await make(scopes);
    await revokeKey(ring, stored.id, nowMs);
    return key;
  });
  await both("rotated", async (scopes) => {
    const { key, stored } = await make(scopes);
    await rotateKey(ring, stored.id, 0, nowMs);
    return key;
  });
  await both("other secret of a known id", async (scopes) => {
    const { key } = await make(scopes);
    return key.slice(0, -1) + (key.endsWith("A") ? "B" : "A");
  });
  credentials.set("unknown", `ebr_${"0".repeat(12)}_${"A".repeat(43)}`);
  credentials.set("no key of ours", "nobody-has-this-key");
  credentials.set("a property of every object", "constructor");
});
after(() => rmSync(folder, { recursive: true, force: true }));

/** Ports whose key ring answers and whose every store fails when it is touched. */
const guardedPorts = (keys: KeyRing): Ports => {
  const known: Partial<Ports> = memoryPorts();
  return new Proxy(known, {
    get: (target, name) =>
      name === "keys"
        ? keys
        : name === "now" || name === "newId" || name === "settings" || name === "pseudonyms"
          ? target[name]
          : new Proxy({}, { get: () => () => assert.fail(`${String(name)} was touched`) }),
  }) as Ports;
};

const answerOf = async (route: Route, key: string | undefined): Promise<number> => {
  const { make } = (await import(`@ebb/functions/${route.handler}`)) as { make: (ports: Ports) => HttpHandler };
  const answer = await send(make(guardedPorts(ring)), route.path, route.method === "GET" ? "" : "{}", {
    method: route.method,
    pathParameters: { id: "x", type: "track", platform: "generic", name: "Champions" },
    headers: key === undefined ? {} : { authorization: `Bearer ${key}` },
    anonymous: true,
  });
  const { status, headers, body } = answer;
  if (status >= 400)
    assert.deepEqual(
      [headers["content-type"], body["status"], headers["www-authenticate"] !== undefined],
      ["application/problem+json", status, status === 401],
      answer.text,
    );
  return status;
};

/** Past the key: whatever the handler makes of a request like this one. */
const passed = (status: number): boolean => status !== 401 && status !== 403 && status !== 429;

for (const route of routes) {
  const { auth } = route;
  if (!isKeyed(auth)) continue;
  describe(`${route.method} ${route.path}`, () => {
    it("answers 401 without a key, and with one that is unknown, wrong, expired, revoked or rotated", async () => {
      assert.equal(await answerOf(route, undefined), 401);
      for (const [name, key] of credentials)
        if (!(scopeNames as readonly string[]).includes(name)) assert.equal(await answerOf(route, key), 401, name);
    });

    it(`takes ${auth.join(" or ")} and answers 403 to every other scope`, async () => {
      for (const scope of scopeNames) {
        const status = await answerOf(route, credentials.get(scope));
        if (auth.includes(scope)) assert.ok(passed(status), `${scope}: ${status}`);
        else assert.equal(status, 403, scope);
      }
    });
  });
}

test("a write key reads nothing but what became of its own uploads", () => {
  assert.deepEqual(
    routes
      .filter(({ method, auth }) => method !== "POST" && isKeyed(auth) && auth.includes("write"))
      .map(({ path }) => path),
    ["/v1/uploads", "/v1/uploads/{id}"],
  );
});

test("nothing that sends takes a key that reads, and no key has both", async () => {
  for (const { method, handler, auth } of routes)
    if (isKeyed(auth) && method === "POST" && handler.startsWith("collect/")) assert.deepEqual(auth, ["write"]);
  await assert.rejects(createKey(ring, { scopes: ["write", "read:analytics"], source: "shop" }, nowMs), RangeError);
});

test("a rotated key goes on until its overlap ends, its successor at once; an expiring key to its last millisecond", async () => {
  const sales = routes.find(({ path }) => path === "/v1/sales")!;
  const old = await createKey(ring, { scopes: ["read:analytics"], source: "shop" }, nowMs);
  const successor = await rotateKey(ring, old.stored.id, HOUR_MS, nowMs);
  const expiring = await createKey(
    ring,
    { scopes: ["read:analytics"], source: "shop", expiresAtMs: NOW_MS + HOUR_MS },
    nowMs,
  );
  const at = async (ms: number, key: string): Promise<number> => {
    nowMs = ms;
    try {
      return await answerOf(sales, key);
    } finally {
      nowMs = NOW_MS;
    }
  };
  for (const key of [old.key, expiring.key]) {
    assert.ok(passed(await at(NOW_MS + HOUR_MS - 1, key)));
    assert.equal(await at(NOW_MS + HOUR_MS, key), 401);
  }
  assert.ok(passed(await at(NOW_MS, successor.key)));
  assert.ok(passed(await at(NOW_MS + 1000 * HOUR_MS, successor.key)));
});

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
      "/v1/health",
      "/v1/ready",
    ],
  );
});
