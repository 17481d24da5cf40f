import assert from "node:assert/strict";
import { test } from "node:test";
import { overload, timesOf, told } from "./overload.ts";

test("at three times what it can take, the home refuses with 503 and Retry-After, keeps what it acknowledged, stays under 500 MB and recovers by itself", async (t) => {
  const figures = await overload({ batchEvents: 100, connections: 500, seconds: 15 });
  const { overload: over, after } = figures;
  t.diagnostic(`\n${told(figures)}`);
  assert.ok(timesOf(figures) >= 3, "more was sent than can be taken");
  assert.deepEqual(Object.keys(over.statuses).sort(), ["200", "503"]);
  assert.deepEqual([over.broken, over.unsaid], [0, 0], "every refusal is an answer that says when to come again");
  assert.deepEqual(Object.keys(after.statuses), ["200"], "patient clients are refused nothing afterwards");
  assert.deepEqual([figures.lost, figures.doubled, figures.unexplained], [0, 0, 0]);
  assert.equal(figures.storedEvents, figures.acknowledgedEvents);
  assert.ok(figures.peakMemoryMb < 500, `${figures.peakMemoryMb} MB`);
});
