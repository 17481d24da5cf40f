import assert from "node:assert/strict";
import { after, describe, it } from "node:test";
import type { LoadEnd, SourceState, SourceStore } from "../source-ports.ts";
import { newReceipt } from "./samples.ts";

export interface OpenSourceStore {
  readonly store: SourceStore;
  readonly reopen: () => Promise<OpenSourceStore>;
  readonly close: () => Promise<void>;
}

const newName = (): string => `source_${newReceipt().slice(4)}`;
const counts = { read: 10, events: 4, quarantined: 1, nulled: { born: 2 } };
const columns = [
  { name: "order_id", missing: 0 },
  { name: "total", missing: 1 / 3, mean: 12.345678901234567, sd: 0.1 },
];
const endOf = (loadId: string): LoadEnd => ({
  loadId,
  startedAtMs: 1_700_000_000_000,
  endedAtMs: 1_700_000_001_000,
  attempts: 2,
  outcome: "loaded",
  counts,
  tables: [{ name: "source_orders", rows: 3, inserted: 1, updated: 1, deleted: 0, unchanged: 1, columns }],
});

/** What every store of sources promises: the state as last put, one load at a time, ends that are not forgotten. */
export const sourceStoreContract = (name: string, open: () => Promise<OpenSourceStore>): void => {
  describe(`source store: ${name}`, async () => {
    let opened = await open();
    after(async () => opened.close());

    it("does not know a source that was never loaded, leased or not", async () => {
      const source = newName();
      assert.equal(await opened.store.get(source), undefined);
      assert.deepEqual(await opened.store.ends(source, 5), []);
      await opened.store.lease(source, "one", 1_000, 0);
      assert.equal(await opened.store.get(source), undefined);
    });

    it("gives the newest state back, position and counts included, also over a reopening", async () => {
      const state: SourceState = {
        name: newName(),
        generation: 3,
        plan: "digest",
        watermark: "2026-01-01 00:00:00.123456",
        fields: [{ name: "total", type: "numeric(12,2)", lake: "decimal(12,2)" }],
        underWay: {
          loadId: "load_1",
          plan: "digest",
          startedAtMs: 1,
          attempts: 1,
          since: "2026-01-01",
          after: { watermark: null, key: ['tab\t"quote"', "ü€\u2028"] },
          parts: 2,
          counts,
        },
        loadedAtMs: 5,
      };
      await opened.store.put({ ...state, generation: 2 });
      await opened.store.put(state);
      assert.deepEqual(await opened.store.get(state.name), state);
      const { underWay: _, ...rest } = state;
      await opened.store.put(rest);
      opened = await opened.reopen();
      assert.deepEqual(await opened.store.get(state.name), rest);
    });

    it("leases to one owner until the lease ends or is given back; a put does not end it", async () => {
      const source = newName();
      const { store } = opened;
      assert.equal(await store.lease(source, "one", 1_000, 10_000), true);
      assert.equal(await store.lease(source, "two", 1_000, 10_999), false);
      await store.put({ name: source, generation: 0 });
      assert.equal(await store.lease(source, "two", 1_000, 10_999), false);
      assert.equal(await store.lease(source, "one", 1_000, 10_999), true, "renewed");
      assert.equal(await store.lease(source, "two", 1_000, 11_500), false);
      assert.equal(await store.lease(source, "two", 1_000, 11_999), true, "it ran out");
      assert.equal(await store.lease(source, "two", 0, 12_000), true, "given back");
      assert.equal(await store.lease(source, "one", 1_000, 12_000), true);
    });

    it("gives a free lease to one of 64 that ask at once", async () => {
      const source = newName();
      const granted = await Promise.all(
        Array.from({ length: 64 }, (_, at) => opened.store.lease(source, `owner ${at}`, 1_000, 10_000)),
      );
      assert.equal(granted.filter(Boolean).length, 1);
    });

    it("lists the ends of a source alone, the newest first", async () => {
      const [source, other] = [newName(), newName()];
      for (let at = 0; at < 7; at++) await opened.store.ended(source, endOf(`load_${at}`));
      await opened.store.ended(other, {
        ...endOf("other"),
        outcome: "failed",
        problem: { code: "access", message: "no" },
      });
      assert.deepEqual(
        (await opened.store.ends(source, 5)).map(({ loadId }) => loadId),
        ["load_6", "load_5", "load_4", "load_3", "load_2"],
      );
      assert.deepEqual(await opened.store.ends(source, 1), [endOf("load_6")]);
      assert.equal((await opened.store.ends(other, 5))[0]?.problem?.code, "access");
    });
  });
};
