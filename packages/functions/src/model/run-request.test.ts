import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { RunRequest, freeRunId, pastCutoffs } from "./run-request.ts";

const DAY_MS = 86_400_000;

describe("the cutoffs of a run", () => {
  it("are one horizon apart, their labels are known at the as-of date, and at most six", () => {
    const cutoffs = pastCutoffs("2026-06-01", 90, "2020-01-01");
    assert.equal(cutoffs.length, 6);
    assert.ok(Date.parse(cutoffs[0]!) + 90 * DAY_MS <= Date.parse("2026-06-01"));
    for (const [index, cutoff] of cutoffs.entries())
      if (index > 0) assert.equal(Date.parse(cutoffs[index - 1]!) - Date.parse(cutoff), 90 * DAY_MS);
  });

  it("stay the same from Monday to Sunday: the newest is a Monday, less than a week before the last that is known", () => {
    const ofDay = new Map<string, number>();
    for (let day = 0; day < 28; day++) {
      const asOf = new Date(Date.parse("2026-06-01") + day * DAY_MS).toISOString().slice(0, 10);
      const [newest] = pastCutoffs(asOf, 90, "2020-01-01");
      assert.equal(new Date(newest!).getUTCDay(), 1);
      const ageDays = (Date.parse(asOf) - Date.parse(newest!)) / DAY_MS;
      assert.ok(ageDays >= 90 && ageDays < 97);
      ofDay.set(newest!, (ofDay.get(newest!) ?? 0) + 1);
    }
    assert.ok([...ofDay.values()].every((days) => days <= 7) && ofDay.size <= 5);
  });

  it("have sixty days of history before them; a short history has none", () => {
    assert.deepEqual(pastCutoffs("2026-06-01", 90, "2026-01-15"), []);
    const some = pastCutoffs("2026-06-01", 90, "2025-08-01");
    assert.ok(some.length > 0 && some.every((cutoff) => Date.parse(cutoff) >= Date.parse("2025-09-30")));
  });
});

describe("a request for a run", () => {
  it("may be empty: a schedule's", () => {
    assert.deepEqual(RunRequest.parse({}), { startedBy: "schedule" });
  });

  it("is refused for a date that no calendar has and for a horizon of no length", () => {
    assert.ok(!RunRequest.safeParse({ asOf: "2026-02-30" }).success);
    assert.ok(!RunRequest.safeParse({ horizonDays: 0 }).success);
  });

  it("takes the first free id of the day", async () => {
    const taken = new Set(["2026-06-01", "2026-06-01-2"]);
    const runs = { get: async (id: string) => (taken.has(id) ? ({} as never) : undefined) };
    assert.equal(await freeRunId(runs, "2026-06-01"), "2026-06-01-3");
    assert.equal(await freeRunId(runs, "2026-06-02"), "2026-06-02");
  });
});
