import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { silentSources } from "./check-quality.ts";

const source = (lastDay: string, longestGapDays: number) => ({
  source: "shop",
  firstDay: "2025-01-01",
  lastDay,
  events: 100,
  longestGapDays,
});

describe("the gate for sources that went silent", () => {
  it("lets pass what has sent until the day before, and pauses like those there were", () => {
    assert.deepEqual(silentSources({ sources: [source("2026-05-31", 1)] }, "2026-06-01"), []);
    assert.deepEqual(silentSources({ sources: [source("2026-05-24", 1)] }, "2026-06-01"), []);
    assert.deepEqual(silentSources({ sources: [source("2026-05-01", 20)] }, "2026-06-01"), []);
  });

  it("names a source that has been silent for longer than a week and twice its longest pause", () => {
    const [sentence, ...more] = silentSources(
      { sources: [source("2026-05-31", 1), { ...source("2026-05-20", 3), source: "till" }] },
      "2026-06-01",
    );
    assert.deepEqual(more, []);
    assert.match(sentence!, /^The source till went silent: its last order is of 2026-05-20, 11 days before 2026-06-01/);
  });
});
