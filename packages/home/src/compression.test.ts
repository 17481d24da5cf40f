import assert from "node:assert/strict";
import { test } from "node:test";
import { gunzipSync } from "node:zlib";
import { compressed } from "./compression.ts";

const body = JSON.stringify({ rows: Array.from({ length: 500 }, (_, row) => row) });
const answer = { statusCode: 200, headers: { "content-type": "application/json", vary: "authorization" }, body };

test("a large answer goes out compressed to who takes it, and unpacks to the same", async () => {
  const { headers, body: sent, isBase64Encoded } = await compressed(answer, "br, gzip;q=0.8");
  assert.equal(headers?.["content-encoding"], "gzip");
  assert.equal(headers["vary"], "authorization, accept-encoding");
  assert.equal(isBase64Encoded, true);
  assert.equal(gunzipSync(Buffer.from(sent!, "base64")).toString(), body);
});

test("who does not take gzip, or refuses it, gets the answer as it is, and caches learn that it varies", async () => {
  for (const accepts of [undefined, "", "br", "gzip;q=0", "identity, gzip;q=0.0"]) {
    const { headers, body: sent } = await compressed(answer, accepts);
    assert.equal(sent, body, String(accepts));
    assert.equal(headers?.["content-encoding"], undefined);
    assert.equal(headers?.["vary"], "authorization, accept-encoding");
  }
});

test("small answers and what is no text stay as they are", async () => {
  for (const other of [
    { ...answer, body: "{}" },
    { ...answer, headers: { "content-type": "application/octet-stream" } },
    { statusCode: 304, headers: {} },
  ])
    assert.equal(await compressed(other, "gzip"), other);
});
