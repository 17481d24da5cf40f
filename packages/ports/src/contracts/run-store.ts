import assert from "node:assert/strict";
import { after, describe, it } from "node:test";
import type { Run, RunStore } from "../batch-ports.ts";
import { InvalidCursor } from "../ports.ts";

export interface OpenRunStore {
  readonly store: RunStore;
  readonly reopen: () => Promise<OpenRunStore>;
  readonly close: () => Promise<void>;
}

const run = (runId: string, startedAtMs: number): Run => ({
  runId,
  asOf: runId.slice(0, 10),
  horizonDays: 90,
  state: "running",
  startedBy: "schedule",
  startedAtMs,
  steps: [],
});

/** What every run store promises: the trail as last put, and one holder of the right to run. */
export const runStoreContract = (name: string, open: () => Promise<OpenRunStore>): void => {
  describe(`run store: ${name}`, async () => {
    let opened = await open();
    after(async () => opened.close());

    it("does not know a run that was never put", async () => {
      assert.equal(await opened.store.get("2019-01-01"), undefined);
    });

    it("gives the newest state back, steps with their figures included, over a reopening", async () => {
      const begun = run("2020-02-29", 1_582_934_400_000);
      await opened.store.put(begun);
      assert.deepEqual(await opened.store.get(begun.runId), begun);
      const failed: Run = {
        ...begun,
        state: "failed",
        endedAtMs: begun.startedAtMs + 9_000,
        reason: "the lake did not fill",
        steps: [
          {
            name: "curate",
            state: "done",
            startedAtMs: begun.startedAtMs,
            endedAtMs: begun.startedAtMs + 5_000,
            figures: { rows: 12, share: 0.125, engine: "duckdb" },
          },
          { name: "features", state: "failed", startedAtMs: begun.startedAtMs + 5_000, reason: "no rows" },
        ],
      };
      await opened.store.put(failed);
      assert.deepEqual(await opened.store.get(begun.runId), failed);
      opened = await opened.reopen();
      assert.deepEqual(await opened.store.get(begun.runId), failed);
    });

    it("lists every run once, the newest first", async () => {
      const ids = ["2021-03-01", "2021-03-02", "2021-03-02-2", "2021-03-03", "2021-03-04"];
      for (const [index, id] of ids.entries()) await opened.store.put(run(id, 1_614_556_800_000 + index * 1_000));
      await opened.store.put({ ...run(ids[0]!, 1_614_556_800_000), state: "succeeded" }); // stays in its place
      const listed: string[] = [];
      for (let cursor: string | undefined; ;) {
        const page = await opened.store.list({ limit: 2, cursor });
        assert.ok(page.runs.length <= 2);
        listed.push(...page.runs.map(({ runId }) => runId));
        cursor = page.cursor;
        if (cursor === undefined) break;
      }
      assert.equal(new Set(listed).size, listed.length);
      assert.deepEqual(listed.slice(0, ids.length), ids.toReversed());
      await assert.rejects(opened.store.list({ limit: 2, cursor: "nonsense" }), InvalidCursor);
    });

    it("lets one run at a time, until it unlocks or its lease ends", async () => {
      const { store } = opened;
      assert.equal(await store.lock("2022-01-01", 1_000, 10_000), true);
      assert.equal(await store.lock("2022-01-02", 1_500, 10_000), false);
      assert.equal(await store.lock("2022-01-01", 2_000, 10_000), true); // prolongs its own
      assert.equal(await store.lock("2022-01-02", 11_500, 10_000), false);
      await store.unlock("2022-01-02"); // not its own: nothing happens
      assert.equal(await store.lock("2022-01-02", 11_600, 10_000), false);
      assert.equal(await store.lock("2022-01-02", 12_000, 10_000), true); // the lease has ended
      assert.equal(await store.lock("2022-01-01", 12_001, 10_000), false);
      await store.unlock("2022-01-02");
      assert.equal(await store.lock("2022-01-03", 12_002, 10_000), true);
      await store.unlock("2022-01-03");
    });

    it("gives a free lock to one of 32 that ask at once", async () => {
      const granted = await Promise.all(
        Array.from({ length: 32 }, (_, n) => opened.store.lock(`2023-01-01-${n}`, 1_000, 10_000)),
      );
      assert.equal(granted.filter(Boolean).length, 1);
      await opened.store.unlock(`2023-01-01-${granted.indexOf(true)}`);
    });
  });
};
