import assert from "node:assert/strict";
import { createHash, createHmac } from "node:crypto";
import { describe, it } from "node:test";
import { Pseudonymizer, digest, eventIdOf } from "./ids.ts";

const secret = "a secret of thirty-two characters";

describe("event ids", () => {
  it("are the first half of SHA-256 over source and message id", () => {
    const expected = createHash("sha256").update("shop\u001fm-1").digest("hex").slice(0, 32);
    assert.equal(eventIdOf("shop", "m-1"), `evt_${expected}`);
  });

  it("keep the parts apart", () => {
    assert.notEqual(digest("ab", "c"), digest("a", "bc"));
    assert.notEqual(eventIdOf("shop", "1"), eventIdOf("shop2", "1"));
  });
});

describe("pseudonyms", () => {
  it("are HMAC-SHA-256 under the secret, stable and by kind", () => {
    const names = new Pseudonymizer(secret);
    const expected = createHmac("sha256", secret).update("cus\u001fada@example.com").digest("hex").slice(0, 32);
    assert.equal(names.customer("ada@example.com"), `cus_${expected}`);
    assert.equal(names.customer("ada@example.com"), new Pseudonymizer(secret).customer("ada@example.com"));
    assert.notEqual(names.customer("1").slice(4), names.anonymous("1").slice(4));
    assert.notEqual(names.handle("author", "1").slice(7), names.customer("1").slice(4));
  });

  it("are others under another secret, and a short secret is refused", () => {
    assert.notEqual(new Pseudonymizer(`${secret}!`).customer("1"), new Pseudonymizer(secret).customer("1"));
    assert.throws(() => new Pseudonymizer("short"), RangeError);
  });

  it("stay right when the cache is full", () => {
    const names = new Pseudonymizer(secret);
    const first = names.customer("0");
    for (let n = 1; n <= 50_001; n++) names.customer(String(n));
    assert.equal(names.customer("0"), first);
  });
});
