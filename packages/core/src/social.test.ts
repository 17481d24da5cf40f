import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { maskAddresses, maskText } from "./social.ts";

test("names, addresses, numbers and link targets go; what was said stays", () => {
  assert.equal(maskText("@VirginAmerica plus you've added commercials"), "@… plus you've added commercials");
  assert.equal(maskText("thanks @anna_b, @Åsa: great!"), "thanks @…, @…: great!");
  assert.equal(maskText("mail me: ann.b+shop@mail.example.co.uk!"), "mail me: [email]!");
  assert.equal(maskText("call +44 20 7946 0958 or (030) 123456-78"), "call [phone] or [phone]");
  assert.equal(maskText("see https://t.co/Ab12?x=1 now"), "see https://t.co/… now");
  assert.equal(maskText("http://ann:pw@shop.example/orders/7"), "https://shop.example/…");
  assert.equal(maskText("＠anna hi"), "@… hi");
});

test("prices, years, times and short numbers are no telephone numbers", () => {
  for (const text of ["paid 1299.90 in 2024", "flight 4461 at 10:45", "10/10 would buy", "order 123456", "€5"])
    assert.equal(maskText(text), text);
});

test("a masked text is not masked further, and holds no name that it had", () => {
  fc.assert(
    fc.property(
      fc.array(fc.oneof(fc.string(), fc.stringMatching(/^@[a-z_0-9]{1,15}$/), fc.constant("a@b.example")), {
        maxLength: 8,
      }),
      (words) => {
        const masked = maskText(words.join(" "));
        assert.equal(maskText(masked), masked);
        assert.doesNotMatch(masked, /@[\p{L}\p{N}_]/u);
      },
    ),
    { seed: 2, numRuns: 2_000 },
  );
});

test("hostile texts of the largest size are masked without backtracking", { timeout: 20_000 }, () => {
  for (const part of ["a", "a.", "@", "@a.", "1 ", "1-", "https://", "a@a.", "@@@", "(1"])
    maskText(part.repeat(16_384 / part.length) + "!");
});

test("in short texts only addresses are masked", () => {
  assert.equal(maskAddresses("/reset/ann@shop.example/4006381333931"), "/reset/[email]/4006381333931");
});
