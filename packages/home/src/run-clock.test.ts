import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { parseRunAt, untilNext } from "./run-clock.ts";

describe("the clock of the daily run", () => {
  it("reads a time of the day and nothing else", () => {
    assert.deepEqual(parseRunAt("03:00"), { hour: 3, minute: 0 });
    assert.deepEqual(parseRunAt("23:59"), { hour: 23, minute: 59 });
    for (const text of ["24:00", "3:00", "03:60", "", "noon"]) assert.equal(parseRunAt(text), undefined);
  });

  it("waits for the next time it stands there, today or tomorrow, never no time at all", () => {
    const at = { hour: 3, minute: 30 };
    assert.equal(untilNext(at, new Date(2026, 5, 1, 3, 0)), 30 * 60_000);
    assert.equal(untilNext(at, new Date(2026, 5, 1, 3, 30)), 24 * 3_600_000);
    assert.equal(untilNext(at, new Date(2026, 5, 1, 4, 0)), 23.5 * 3_600_000);
    assert.equal(untilNext(at, new Date(2026, 11, 31, 23, 30)), 4 * 3_600_000);
  });
});
