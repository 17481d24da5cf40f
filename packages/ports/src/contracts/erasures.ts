import assert from "node:assert/strict";
import { after, describe, it } from "node:test";
import type { ErasureReceipt } from "@ebb/core/erasure";
import type { Erasure, ErasureStore, Subject } from "../erasure-ports.ts";
import { sampleCustomerKey } from "./samples.ts";

export interface OpenErasures {
  readonly erasures: ErasureStore;
  /** Everything that the store holds, as text, whatever part of it is in use. */
  readonly stored: () => Promise<string>;
  readonly reopen: () => Promise<OpenErasures>;
  readonly close: () => Promise<void>;
}

const subjectOf = (name: string): Subject => ({
  customerKey: sampleCustomerKey(name),
  customerId: `${name}@shop.example`,
  anonymousKeys: [],
});

const requested = (erasureId: string, requestedAtMs: number, customers: number): Erasure => ({
  erasureId,
  state: "requested",
  requestedAtMs,
  customers,
});

const receiptOf = (erasureId: string): ErasureReceipt => ({
  version: 1,
  erasureId,
  requestedAt: "2026-01-01T00:00:00.000Z",
  completedAt: "2026-01-01T00:01:00.000Z",
  suppressionKeys: ["sup_0"],
  removed: [{ store: "customers", count: 3 }],
  boundDays: 30,
  signature: "s",
  publicKey: "p",
});

/** What every store of erasures promises: nothing asked for is lost, and who it was about is gone when it is done. */
export const erasuresContract = (name: string, open: () => Promise<OpenErasures>): void => {
  describe(`erasures: ${name}`, async () => {
    let opened = await open();
    after(async () => opened.close());
    const id = `era_${"1".repeat(32)}`;

    it("keeps what was asked for over a reopening; to ask again changes nothing", async () => {
      assert.equal(await opened.erasures.get(id), undefined);
      await opened.erasures.request(requested(id, 1_000, 2), [subjectOf("ada"), subjectOf("bob")]);
      await opened.erasures.request(requested(id, 9_000, 1), [subjectOf("eve")]);
      opened = await opened.reopen();
      assert.deepEqual(await opened.erasures.get(id), requested(id, 1_000, 2));
      const expected = [subjectOf("ada"), subjectOf("bob")].sort((a, b) => (a.customerKey < b.customerKey ? -1 : 1));
      assert.deepEqual(await opened.erasures.subjects(id), expected);
    });

    it("takes what is found of the people on the way, in the place of what was known", async () => {
      const visitor = `ano_${"2".repeat(32)}` as Subject["anonymousKeys"][number];
      await opened.erasures.putSubjects(id, [{ ...subjectOf("ada"), anonymousKeys: [visitor] }]);
      const found = (await opened.erasures.subjects(id)).find(
        ({ customerKey }) => customerKey === subjectOf("ada").customerKey,
      );
      assert.deepEqual(found?.anonymousKeys, [visitor]);
      assert.equal((await opened.erasures.subjects(id)).length, 2);
    });

    it("tells the step, and lists the newest first, those without an end the oldest first", async () => {
      const later = `era_${"3".repeat(32)}`;
      await opened.erasures.request(requested(later, 2_000, 1), [subjectOf("eve")]);
      await opened.erasures.progress(id, "the lake");
      assert.deepEqual(await opened.erasures.get(id), {
        ...requested(id, 1_000, 2),
        state: "running",
        step: "the lake",
      });
      const ids: string[] = [];
      for (let cursor: string | undefined; ;) {
        const page = await opened.erasures.list({ limit: 1, cursor });
        ids.push(...page.erasures.map(({ erasureId }) => erasureId));
        cursor = page.cursor;
        if (cursor === undefined) break;
      }
      assert.deepEqual(ids, [later, id]);
      assert.deepEqual(
        (await opened.erasures.unfinished()).map(({ erasureId }) => erasureId),
        [id, later],
      );
    });

    it("knows nobody of an erasure that is done, and stays done", async () => {
      await opened.erasures.end(id, receiptOf(id), 61_000);
      const done: Erasure = { ...requested(id, 1_000, 2), state: "done", endedAtMs: 61_000, receipt: receiptOf(id) };
      assert.deepEqual(await opened.erasures.get(id), done);
      assert.deepEqual(await opened.erasures.subjects(id), []);
      await opened.erasures.progress(id, "again");
      assert.deepEqual(await opened.erasures.get(id), done);
      const stored = await opened.stored();
      for (const person of ["ada", "bob"]) {
        assert.ok(!stored.includes(subjectOf(person).customerKey), `${person} is still there by key`);
        assert.ok(!stored.includes(`${person}@shop.example`), `${person} is still there by id`);
      }
      assert.ok(stored.includes("eve@shop.example"));
    });

    it("holds thousands of people", async () => {
      const many = `era_${"4".repeat(32)}`;
      const subjects = Array.from({ length: 1_234 }, (_, index) => subjectOf(`person ${index}`));
      await opened.erasures.request(requested(many, 3_000, subjects.length), subjects);
      assert.equal((await opened.erasures.subjects(many)).length, 1_234);
      await opened.erasures.end(many, receiptOf(many), 4_000);
      assert.deepEqual(await opened.erasures.subjects(many), []);
    });
  });
};
