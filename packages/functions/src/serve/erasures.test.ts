import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { after, test } from "node:test";
import { EmbeddedErasures } from "@ebb/ports/embedded/erasures";
import { send } from "../../../../test/support/http-event.ts";
import { memoryPorts } from "../../../../test/support/memory-ports.ts";
import { make } from "./erasures.ts";

const folder = mkdtempSync(path.join(os.tmpdir(), "ebb-erasures-route-"));
const erasures = new EmbeddedErasures(folder);
after(() => {
  erasures.close();
  rmSync(folder, { recursive: true, force: true });
});

const KEY = "rk_that_may_erase_0123456789";
const started: string[] = [];
const handler = make({
  ...memoryPorts({ nowMs: Date.UTC(2026, 10, 22) }),
  erasures,
  erasing: { start: async (erasureId) => void started.push(erasureId) },
  keys: { find: async (key) => (key === KEY ? { id: "k", scopes: ["erase"], source: "shop" } : undefined) },
});
const ask = (method: string, address: string, query: Record<string, string> = {}, body: unknown = "") =>
  send(handler, address, body, { method, query, anonymous: true, headers: { authorization: `Bearer ${KEY}` } });

// Found by fuzzing: it was a fault of ours, 500.
test("a cursor that was never handed out is the client's mistake, whatever it holds", async () => {
  for (const cursor of ["", "x", "e30", "WzFd", "WyIxIl0", "%00", "a".repeat(2_000)]) {
    const { status, body } = await ask("GET", "/v1/erasures", { cursor });
    if (cursor === "WzFd")
      assert.equal(status, 200); // [1], in the form of one
    else assert.deepEqual([cursor, status, body["parameter"]], [cursor, 400, "cursor"]);
  }
});

test("pages of erasures follow each other by their cursors, newest first, each erasure once", async () => {
  for (const id of ["ann", "bea", "cid"]) {
    const { status } = await ask("POST", "/v1/erasures", {}, { customer_ids: [id] });
    assert.equal(status, 202);
  }
  const seen: unknown[] = [];
  for (let cursor: string | undefined; ;) {
    const { body } = await ask("GET", "/v1/erasures", { limit: "2", ...(cursor === undefined ? {} : { cursor }) });
    seen.push(...(body["erasures"] as { erasure_id: string }[]).map((each) => each.erasure_id));
    cursor = body["cursor"] as string | undefined;
    if (cursor === undefined) break;
  }
  assert.deepEqual(seen, started.toReversed());
});

test("a body that is no list of 1 to 1,000 ids is refused, and nobody is erased by it", async () => {
  const before = started.length;
  for (const body of ["", "[]", "{}", '{"customer_ids":[]}', '{"customer_ids":[1]}', '{"customer_ids":["a"],"more":1}'])
    assert.equal((await ask("POST", "/v1/erasures", {}, body)).status, 400, body);
  const many = { customer_ids: Array.from({ length: 1_001 }, (_, n) => String(n)) };
  assert.equal((await ask("POST", "/v1/erasures", {}, many)).status, 400);
  assert.equal(started.length, before);
});

test("again means those who were erased before, and nobody else", async () => {
  const before = started.length;
  const again = (ids: string[]) => ask("POST", "/v1/erasures", {}, { customer_ids: ids, again: true });
  const { status, body } = await again(["ann", "dan", "cid"]);
  assert.deepEqual([status, body["customers"], body["erased_before"]], [202, 2, undefined]);
  const [id] = started.slice(before);
  assert.equal(id, body["erasure_id"]);
  const keys = (await erasures.subjects(id!)).map(({ customerId }) => customerId);
  assert.deepEqual(keys.sort(), ["ann", "cid"]);
  assert.equal((await again(["dan"])).status, 404);
  assert.equal((await ask("POST", "/v1/erasures", {}, { customer_ids: ["dan"] })).body["customers"], 1);
});
