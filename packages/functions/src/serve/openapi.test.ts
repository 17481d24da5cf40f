import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { Validator } from "@seriousme/openapi-schema-validator";
import { eventKinds } from "@ebb/core/kinds";
import { send } from "../../../../test/support/http-event.ts";
import { routes } from "../declarations.ts";
import { make } from "./openapi.ts";
import type { Ports, Vital } from "@ebb/ports";
import type { HttpHandler } from "../runtime/http.ts";
import { make as makeHealth } from "./health.ts";
import { eventsPage } from "./openapi/markdown.ts";
import { eventSchemaName } from "./openapi/schemas.ts";

const handler = make();
const answer = await send(handler, "/v1/openapi.json", "", { method: "GET" });
const document = JSON.parse(answer.text) as {
  openapi: string;
  paths: Record<string, Record<string, { operationId: string }>>;
  components: { schemas: Record<string, object> };
};

test("the description is valid OpenAPI 3.1 by the specification's own schema", async () => {
  assert.equal(answer.status, 200);
  const validator = new Validator();
  const result = await validator.validate(JSON.parse(answer.text) as Record<string, unknown>);
  assert.deepEqual(result.errors ?? [], []);
  assert.equal(result.valid, true);
  assert.equal(validator.version, "3.1");
});

test("every declared route is described, and nothing that is not declared", () => {
  const described = Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`),
  );
  assert.deepEqual(described.sort(), routes.map((route) => `${route.method} ${route.path}`).sort());
});

test("every operation has an id of its own", () => {
  const ids = Object.values(document.paths).flatMap((methods) =>
    Object.values(methods).map((operation) => operation.operationId),
  );
  assert.equal(new Set(ids).size, ids.length);
});

test("every reference leads to a schema that is there", () => {
  const references = [...answer.text.matchAll(/"\$ref":"([^"]+)"/g)].map((match) => match[1]!);
  assert.ok(references.length > 20);
  for (const reference of references) {
    assert.match(reference, /^#\/components\/schemas\/\w+$/);
    assert.ok(Object.hasOwn(document.components.schemas, reference.slice("#/components/schemas/".length)), reference);
  }
});

test("every event kind has its schema, and personal fields are marked in it", () => {
  for (const kind of eventKinds) {
    const schema = document.components.schemas[eventSchemaName(kind)] as {
      properties: Record<string, Record<string, unknown>>;
    };
    assert.equal(schema.properties["userId"]?.["x-personal"], true, kind);
  }
});

test("a description that the client already has is not sent again", async () => {
  const again = await send(handler, "/v1/openapi.json", "", {
    method: "GET",
    headers: { "if-none-match": answer.headers["etag"]! },
  });
  assert.equal(again.status, 304);
  assert.equal(again.text, "");
});

test("the page names every route, and neither runs nor fetches anything", async () => {
  const page = await send(handler, "/v1/docs", "", { method: "GET" });
  assert.equal(page.status, 200);
  assert.match(page.headers["content-type"]!, /^text\/html/);
  for (const route of routes) assert.ok(page.text.includes(`<code>${route.path}</code>`), route.path);
  assert.doesNotMatch(page.text, /<script|<link|<img|<iframe|@import|url\(|https?:\/\//i);
  assert.match(page.headers["content-security-policy"]!, /^default-src 'none'; style-src 'sha256-[\w+/=]+'/);
});

test("the health check says that requests are taken", async () => {
  for (const path of ["/healthz", "/v1/health"]) {
    const health = await send(healthOf({}), path, "", { method: "GET" });
    assert.equal(health.status, 200);
    assert.deepEqual(health.body, { status: "ok" });
  }
});

const healthOf = ({
  cutPoints = async () => undefined,
  vitals = async () => [],
}: {
  readonly cutPoints?: () => Promise<undefined>;
  readonly vitals?: () => Promise<readonly Vital[]>;
}) =>
  makeHealth({
    now: () => 0,
    customers: { cutPoints } as unknown as Ports["customers"],
    vitals: { check: vitals },
  });

test("readiness says which store does not answer and which stage is behind, without a figure", async () => {
  const ready = async (handler: HttpHandler) => send(handler, "/v1/ready", "", { method: "GET" });
  assert.equal((await ready(healthOf({ vitals: async () => [{ name: "disk", ok: true }] }))).status, 200);

  const down = await ready(healthOf({ cutPoints: () => Promise.reject(new Error("disk I/O error at /var/ebb")) }));
  assert.equal(down.status, 503);
  assert.ok(Number(down.headers["retry-after"]) > 0);
  assert.ok(!down.text.includes("/var/ebb"));
  assert.deepEqual(down.body["checks"], [{ name: "customer_store", ok: false, detail: "It does not answer." }]);

  const late = await ready(healthOf({ vitals: async () => [{ name: "score", ok: false, detail: "It is behind." }] }));
  assert.equal(late.status, 503);
  assert.equal(late.body["status"], "not_ready");
});

test("docs/events.md is what the definitions say", () => {
  const file = new URL("../../../../docs/events.md", import.meta.url);
  assert.equal(readFileSync(file, "utf8"), eventsPage(), "node scripts/events.ts writes it");
});
