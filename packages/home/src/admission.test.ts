import assert from "node:assert/strict";
import { test } from "node:test";
import { Admission } from "./admission.ts";

/** How many are let in one after the other, none of which leaves. */
const letIn = (admission: Admission, declaredBytes?: number): number => {
  let count = 0;
  for (; admission.refusal() === undefined; count++) admission.enter(declaredBytes);
  return count;
};

test("128 small requests are let in, 50 of 160 KB, and as many that do not say how long they will be", () => {
  assert.equal(letIn(new Admission(), 1_000), 128);
  assert.equal(letIn(new Admission(), 160_000), 50);
  assert.equal(letIn(new Admission()), 50);
});

test("who announces much and sends nothing keeps no more of the door than who announces 160 KB", () => {
  assert.equal(letIn(new Admission(), 4_000_000), 50);
});

test("bodies count as they arrive, beyond what was expected: two of 4 MB fill the door", () => {
  const admission = new Admission();
  const bodies = [admission.enter(4_000_000), admission.enter()];
  for (const { received } of bodies) for (let sent = 0; sent < 4_000_000; sent += 64_000) received(64_000);
  assert.match(admission.refusal() ?? "", /^Too much is under way/);
});

test("who leaves makes room again, for all that was counted", () => {
  const admission = new Admission();
  for (let round = 0; round < 3; round++) {
    const inHand = Array.from({ length: 128 }, () => admission.enter(1_000));
    assert.match(admission.refusal() ?? "", /^Too many requests/);
    for (const { received, leave } of inHand) {
      received(600);
      received(400);
      leave();
    }
    const large = admission.enter(9_000_000);
    large.received(9_000_000);
    assert.match(admission.refusal() ?? "", /^Too much/);
    large.leave();
    assert.equal(admission.refusal(), undefined);
  }
});
