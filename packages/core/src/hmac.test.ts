import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import test from "node:test";
import fc from "fast-check";
import { hmacSha256 } from "./hmac.ts";

test("is what OpenSSL's HMAC is, for secrets and texts of every length, in any order", () => {
  fc.assert(
    fc.property(
      fc.string({ unit: "binary", minLength: 1, maxLength: 200 }),
      fc.array(
        fc.oneof(fc.string({ unit: "binary" }), fc.string({ unit: "grapheme", minLength: 300, maxLength: 1_200 })),
      ),
      (secret, texts) => {
        const hmac = hmacSha256(secret);
        for (const text of [...texts, "\ud800", ""])
          assert.equal(hmac(text), createHmac("sha256", secret).update(text).digest("hex"));
      },
    ),
    { seed: 20_261_122 },
  );
});

test("is that of RFC 4231, test cases 1 and 2", () => {
  assert.equal(
    hmacSha256("\u000b".repeat(20))("Hi There"),
    "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7",
  );
  assert.equal(
    hmacSha256("Jefe")("what do ya want for nothing?"),
    "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
  );
});
