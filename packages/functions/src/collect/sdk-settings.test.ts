import assert from "node:assert/strict";
import { test } from "node:test";
import { type RequestOptions, send } from "../../../../test/support/http-event.ts";
import { READ_KEY, WRITE_KEY, memoryPorts } from "../../../../test/support/memory-ports.ts";
import { make } from "./sdk-settings.ts";

const handler = make(memoryPorts());
const settings = (key: string, headers: Record<string, string> = { host: "events.shop.example:8080" }) =>
  send(handler, `/v1/projects/${key}/settings`, "", {
    method: "GET",
    anonymous: true,
    pathParameters: { key },
    headers,
  });

test("Segment's SDK is told to send here, by the address and scheme it came with", async () => {
  const plain = await settings(WRITE_KEY);
  const segment = (plain.body["integrations"] as Record<string, Record<string, unknown>>)["Segment.io"]!;
  assert.deepEqual(
    [segment["apiHost"], segment["protocol"], segment["apiKey"]],
    ["events.shop.example:8080/v1", "http", WRITE_KEY],
  );
  assert.deepEqual(Object.keys(plain.body["integrations"] as object), ["Segment.io"]);
  const proxied = await settings(WRITE_KEY, { host: "events.shop.example", "x-forwarded-proto": "https" });
  assert.match(proxied.text, /"protocol":"https"/);
});

test("RudderStack's SDK is given a source without destinations, with this server as data plane", async () => {
  const presented: RequestOptions[] = [
    { query: { writeKey: WRITE_KEY } },
    { headers: { authorization: `Basic ${btoa(`${WRITE_KEY}:`)}` } },
  ];
  for (const options of presented) {
    const { status, body } = await send(handler, "/sourceConfig/", "", { method: "GET", anonymous: true, ...options });
    const source = body["source"] as Record<string, unknown>;
    assert.equal(status, 200);
    assert.deepEqual(
      [source["enabled"], source["destinations"], source["dataplaneUrl"]],
      [true, [], "http://shop.example"],
    );
  }
});

test("an unknown key, a read key, no key and an odd Host header are told apart", async () => {
  assert.equal((await settings("nobody")).status, 404);
  assert.equal((await settings(READ_KEY)).status, 404);
  assert.equal((await send(handler, "/sourceConfig", "", { method: "GET", anonymous: true })).status, 401);
  assert.equal((await settings(WRITE_KEY, { host: 'a"onload=' })).status, 400);
});
