import assert from "node:assert/strict";
import { test } from "node:test";
import { RecentAnswers } from "./recent-answers.ts";

const answer = (body: string) => ({ statusCode: 200, body });

test("an answer is made once, also while it is being made, and not by one that failed", async () => {
  const recent = new RecentAnswers();
  let made = 0;
  const make = async () => answer(String(++made));
  const [one, two] = await Promise.all([recent.get("a", make), recent.get("a", make)]);
  assert.deepEqual([one.body, two.body, (await recent.get("a", make)).body], ["1", "1", "1"]);
  await assert.rejects(
    recent.get("b", () => Promise.reject(new Error("the engine stopped"))),
    /the engine stopped/,
  );
  assert.equal((await recent.get("b", make)).body, "2");
});

test("what was used longest ago goes when the memory is full, and a long list is not kept at all", async () => {
  const recent = new RecentAnswers();
  let made = 0;
  const make = (length: number) => async () => {
    made++;
    return answer("x".repeat(length));
  };
  await recent.get("first", make(400_000));
  for (let at = 0; at < 19; at++) await recent.get(`later ${at}`, make(400_000));
  await recent.get("first", make(400_000)); // twenty fit, and the first is used again
  assert.equal(made, 20);
  await recent.get("one too many", make(400_000));
  await recent.get("first", make(400_000));
  assert.equal(made, 21);
  await recent.get("later 0", make(400_000));
  assert.equal(made, 22);
  await recent.get("long", make(600_000));
  await recent.get("long", make(600_000));
  assert.equal(made, 24);
});
