import assert from "node:assert/strict";
import test from "node:test";
import { authorKeyOf, emailKeyOf, linkedKeysOf, unlinkedKeyOf } from "./identity.ts";
import { Pseudonymizer } from "./ids.ts";

const pseudonyms = new Pseudonymizer("x".repeat(32));

test("an address is one key however it is written, and what is no address has none", () => {
  const key = emailKeyOf("zoe@example.com", pseudonyms);
  assert.match(key!, /^eml_[0-9a-f]{32}$/);
  for (const same of [" Zoe@Example.COM ", "ZOE@EXAMPLE.COM"]) assert.equal(emailKeyOf(same, pseudonyms), key);
  assert.equal(emailKeyOf("zoe\u0301@example.com", pseudonyms), emailKeyOf("zo\u00e9@example.com", pseudonyms));
  for (const other of ["zoe", "", null, undefined, {}, "a b@example.com", `${"x".repeat(65)}@example.com`])
    assert.equal(emailKeyOf(other, pseudonyms), undefined);
  assert.notEqual(emailKeyOf("zoe@example.com", new Pseudonymizer("y".repeat(32))), key);
});

test("a handle in the traits is the author of posts under it", () => {
  const { author_key, email_key } = linkedKeysOf({ social: { platform: "x", handle: "@Zoe_L" } }, pseudonyms);
  assert.equal(author_key, authorKeyOf("x", "zoe_l", pseudonyms));
  assert.equal(email_key, undefined);
  assert.deepEqual(linkedKeysOf({ social: { handle: "zoe" }, email: 3 }, pseudonyms), {});
  assert.notEqual(author_key, authorKeyOf("mastodon", "zoe_l", pseudonyms));
});

test("an un-merge names one key, no more and no fewer", () => {
  assert.equal(unlinkedKeyOf({ anonymous_id: "a-1" }, pseudonyms), pseudonyms.anonymous("a-1"));
  assert.equal(unlinkedKeyOf({ email: "Z@example.com" }, pseudonyms), emailKeyOf("z@example.com", pseudonyms));
  assert.equal(unlinkedKeyOf({ platform: "x", handle: "@Z" }, pseudonyms), authorKeyOf("x", "z", pseudonyms));
  for (const [properties, code] of [
    [{}, "missing_field"],
    [{ platform: "x" }, "missing_field"],
    [{ anonymous_id: "a-1", email: "z@example.com" }, "invalid_field"],
  ] as const) {
    const refused = unlinkedKeyOf(properties, pseudonyms);
    assert.equal(typeof refused === "string" ? refused : refused.code, code);
  }
});
