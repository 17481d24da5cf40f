import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { JobState, Run, WorkflowContext } from "@ebb/ports";
import { RunSteps, StepFailed } from "./run-steps.ts";

const job = { name: "job", writes: [] };
const done: JobState = { state: "succeeded", written: {}, exports: { rows: "exports/rows.parquet" } };
const lost: JobState = { state: "failed", reason: "the machine went away", mayRetry: true };

/** Steps over a runner that answers a job's looks in turn; what happened, in order. */
const stepsOver = (answers: readonly JobState[]) => {
  const happened: string[] = [];
  const context: WorkflowContext = {
    step: (_name, work) => work(),
    waitFor: async (_name, _seconds, look) => {
      for (;;) {
        const answer = await look();
        if (answer !== undefined) return answer;
      }
    },
  };
  let run: Run = {
    runId: "r",
    asOf: "2026-06-01",
    horizonDays: 90,
    state: "running",
    startedBy: "command",
    startedAtMs: 0,
    steps: [],
  };
  const left = [...answers];
  const steps = new RunSteps({ ...run }, context, {
    now: () => 0,
    runs: {
      lock: async () => true,
      unlock: async () => undefined,
      get: async () => run,
      put: async (changed) => void (run = changed),
      list: async () => ({ runs: [run] }),
    },
    runner: {
      start: async (_job, token) => {
        happened.push(`started ${token}`);
        return token;
      },
      state: async (id) => {
        happened.push(`looked at ${id}`);
        return left.shift()!;
      },
      unwritten: async () => [],
      readColumns: async () => ({}),
    },
  });
  return { steps, happened, trail: () => run.steps.map(({ name, state }) => `${name} ${state}`) };
};

describe("a job that a run has begun", () => {
  it("is under way while other steps are at work, and is waited for where its end is needed", async () => {
    const { steps, happened, trail } = stepsOver([{ state: "running" }, done]);
    const begun = await steps.begin("marts", job);
    await steps.step("clusters", async () => void happened.push("computed"));
    assert.deepEqual(trail(), ["marts running", "clusters done"]);
    assert.equal((await begun.ended()).exports["rows"], "exports/rows.parquet");
    assert.deepEqual(happened, ["started r/marts/1", "computed", "looked at r/marts/1", "looked at r/marts/1"]);
    assert.deepEqual(trail(), ["marts done", "clusters done"]);
  });

  it("is begun again where that may help, and fails with the engine's reason at the third failure", async () => {
    const once = stepsOver([lost, done]);
    assert.equal((await once.steps.job("marts", job)).state, "succeeded");
    assert.deepEqual(
      once.happened.filter((each) => each.startsWith("started")),
      ["started r/marts/1", "started r/marts/2"],
    );
    const never = stepsOver([lost, lost, lost]);
    await assert.rejects(
      never.steps.job("marts", job),
      (error: unknown) => error instanceof StepFailed && error.message === "marts: the machine went away",
    );
    assert.equal(never.happened.length, 6);
  });
});
