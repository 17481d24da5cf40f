/** The daily run of one machine. There is nothing in its lake, so that each run ends at once and says so. */
import assert from "node:assert/strict";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { type TestContext, describe, test } from "node:test";
import { setImmediate } from "node:timers/promises";
import type { Run } from "@ebb/ports";
import { EmbeddedEventLog } from "@ebb/ports/embedded/event-log";
import { LakeManifest } from "@ebb/ports/embedded/lake-manifest";
import { EmbeddedRunStore } from "@ebb/ports/embedded/run-store";
import { ModelStage } from "./model-stage.ts";

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
/** Noon by this machine's clock: the next run is due at 03:00 of the day after. */
const NOON = new Date(2026, 5, 10, 12, 0);
const dayOf = (at: Date): string => at.toISOString().slice(0, 10);
const TODAY = dayOf(NOON);

interface Home {
  readonly folder: string;
  readonly runs: EmbeddedRunStore;
  start(options?: { clock?: false; events?: false }): ModelStage;
  /** The clock goes on; whatever it sets off has begun when this resolves. */
  wait(ms: number): Promise<void>;
}

const homeAtNoon = async (context: TestContext): Promise<Home> => {
  const folder = await mkdtemp(path.join(tmpdir(), "ebb-model-stage-"));
  const runs = new EmbeddedRunStore(folder);
  new EmbeddedEventLog(folder).close();
  await mkdir(path.join(folder, "lake"));
  new LakeManifest(path.join(folder, "lake"), { readOnly: false }).close();
  context.mock.timers.enable({ apis: ["setTimeout", "Date"], now: NOON });
  const stages: ModelStage[] = [];
  context.after(async () => {
    context.mock.timers.reset();
    for (const stage of stages) await stage.close(1_000);
    runs.close();
    await rm(folder, { recursive: true, force: true });
  });
  return {
    folder,
    runs,
    start({ clock, events } = {}) {
      const stage = new ModelStage({
        folder,
        settings: {
          rates: { reportingCurrency: "EUR", rates: {} },
          corsOrigins: [],
          hookSecrets: {},
          allowedProperties: [],
          allowedTraits: [],
        },
        runs,
        counters: { count: () => undefined },
        flush: async () => undefined,
        clock: clock === false ? undefined : { hour: 3, minute: 0 },
        hasEvents: () => events !== false,
      });
      stages.push(stage);
      return stage;
    },
    async wait(ms) {
      // In steps no longer than the stage's own: a timer that is due sets the next.
      for (let left = ms; left > 0; left -= MINUTE_MS) context.mock.timers.tick(Math.min(left, MINUTE_MS));
      for (let turn = 0; turn < 20; turn++) await setImmediate();
    },
  };
};

const runOf = (asOf: string, state: Run["state"]): Run => ({
  runId: asOf,
  asOf,
  horizonDays: 90,
  state,
  startedBy: "schedule",
  startedAtMs: NOON.getTime() - 12 * HOUR_MS,
  steps: [],
});

describe("the daily run", () => {
  test("is made up for when the home was off at its hour, and made again at the next", async (context) => {
    const home = await homeAtNoon(context);
    await home.runs.put(runOf("2026-06-08", "succeeded"));
    const stage = home.start();
    await home.wait(MINUTE_MS - 1_000);
    assert.equal(stage.runUnderWay, undefined, "the home comes first");
    await home.wait(1_000);
    assert.equal(stage.runUnderWay, TODAY);
    const run = await stage.ended(TODAY);
    assert.deepEqual([run?.asOf, run?.startedBy, run?.state], [TODAY, "schedule", "failed"]);
    assert.match(run!.reason!, /There is no order before/);

    await home.wait(12 * HOUR_MS);
    assert.equal(stage.runUnderWay, undefined, "the run of the day has been made");
    await home.wait(3 * HOUR_MS);
    const next = dayOf(new Date(2026, 5, 11, 3, 0));
    assert.equal(stage.runUnderWay, next);
    assert.equal((await stage.ended(next))?.asOf, next);
  });

  test("is not made when it has been made, without events, or without a clock", async (context) => {
    const home = await homeAtNoon(context);
    for (const options of [{ clock: false }, { events: false }] as const) {
      const stage = home.start(options);
      await home.wait(16 * HOUR_MS);
      assert.equal(stage.runUnderWay, undefined);
    }
    await home.runs.put(runOf(dayOf(new Date()), "failed"));
    const stage = home.start();
    await home.wait(HOUR_MS);
    assert.equal(stage.runUnderWay, undefined, "one that failed is not made again by the clock");
    assert.equal((await home.runs.list({ limit: 5 })).runs.length, 1);
  });
});

test("a run whose process goes down before its first step ends as failed, so that nobody waits for it", async (context) => {
  const home = await homeAtNoon(context);
  const stage = home.start();
  await writeFile(path.join(home.folder, "scores.db"), "this is no database ".repeat(300));
  const runId = await stage.begin({ startedBy: "command" });
  let run = await stage.ended(runId);
  while (run === undefined) run = await stage.ended(runId); // it is tried again
  assert.deepEqual([run.runId, run.state, run.startedBy, run.horizonDays], [TODAY, "failed", "command", 90]);
  assert.match(run.reason!, /went down 3 times/);
  assert.equal(stage.runUnderWay, undefined);
});

describe("a run that an earlier home left unfinished", () => {
  test("goes on when the home starts, with what it had settled; nothing else begins before it is over", async (context) => {
    const home = await homeAtNoon(context);
    const { runId, asOf, startedAtMs } = runOf("2026-06-05", "running");
    const left = { ...runOf("2026-06-05", "running"), horizonDays: 45 };
    await home.runs.put(left);
    home.runs.remember(
      runId,
      "begin",
      JSON.stringify({ runId, asOf, horizonDays: 45, startedBy: "schedule", startedAtMs }),
    );
    const stage = home.start();
    for (let turn = 0; turn < 20; turn++) await setImmediate();
    assert.equal(stage.runUnderWay, runId);
    await assert.rejects(stage.begin({ startedBy: "command" }), /One runs at a time/);
    const run = await stage.ended(runId);
    assert.deepEqual([run?.state, run?.horizonDays, run?.startedAtMs], ["failed", 45, startedAtMs]);
    assert.match(run!.reason!, /There is no order before 2026-06-05/);
    assert.deepEqual(await home.runs.unfinished(), []);
  });
});
