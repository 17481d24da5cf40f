import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { after, describe, it } from "node:test";
import type { Suppression, Suppressions } from "../erasure-ports.ts";

/** The secret that the adapters under test are opened with. */
export const SUPPRESSION_SECRET = "a second secret of thirty-two and more characters";

export interface OpenSuppressions {
  readonly suppressions: Suppressions;
  /** The same list as somebody else sees it, at the same time. */
  readonly elsewhere: Suppressions;
  /** Everything that the store holds, as text. */
  readonly stored: () => Promise<string>;
  readonly reopen: () => Promise<OpenSuppressions>;
  readonly close: () => Promise<void>;
}

const pseudonym = (name: string): string => `cus_${createHmac("sha256", "x").update(name).digest("hex").slice(0, 32)}`;

const all = async (suppressions: Suppressions): Promise<Suppression[]> => {
  const entries: Suppression[] = [];
  for await (const entry of suppressions.entries()) entries.push(entry);
  return entries;
};

/** What every suppression list promises. */
export const suppressionsContract = (name: string, open: () => Promise<OpenSuppressions>): void => {
  describe(`suppressions: ${name}`, async () => {
    let opened = await open();
    after(async () => opened.close());
    const [ada, bob, eve] = [pseudonym("ada"), pseudonym("bob"), pseudonym("eve")];

    it("knows nobody at first", async () => {
      const list = await opened.suppressions.latest();
      assert.equal(list.has(ada), false);
      assert.equal(list.find(ada), undefined);
      assert.equal(list.size, 0);
    });

    it("knows who was added, at once, over a reopening, and elsewhere; and nobody else", async () => {
      const before = await opened.suppressions.latest();
      await opened.suppressions.add([ada, bob], "era_1", 1_000);
      const list = await opened.suppressions.latest();
      assert.deepEqual([list.has(ada), list.has(bob), list.has(eve), list.size], [true, true, false, 2]);
      assert.notEqual(list.version, before.version);
      assert.equal((await opened.elsewhere.latest()).has(ada), true);
      assert.equal((await opened.suppressions.current()).has(ada), true);
      opened = await opened.reopen();
      assert.equal((await opened.suppressions.latest()).has(bob), true);
    });

    it("keeps the erasure that came first", async () => {
      await opened.suppressions.add([ada], "era_2", 2_000);
      assert.deepEqual((await opened.suppressions.latest()).find(ada), {
        key: opened.suppressions.keyOf(ada),
        erasureId: "era_1",
        suppressedAtMs: 1_000,
      });
    });

    it("stores keys that are HMACs under its own secret, and no pseudonym", async () => {
      const expected = createHmac("sha256", SUPPRESSION_SECRET).update(ada).digest("hex").slice(0, 32);
      assert.equal(opened.suppressions.keyOf(ada), `sup_${expected}`);
      const stored = await opened.stored();
      assert.ok(stored.includes(`sup_${expected}`));
      assert.ok(!stored.includes(ada.slice(4)));
    });

    it("lets go of who comes back, and of nobody else", async () => {
      assert.equal(await opened.suppressions.lift([bob, eve]), 1);
      const list = await opened.suppressions.latest();
      assert.deepEqual([list.has(ada), list.has(bob), list.size], [true, false, 1]);
      assert.equal((await opened.elsewhere.latest()).has(bob), false);
    });

    it("takes in another copy of the list and loses nothing by it", async () => {
      const other: Suppression[] = [
        { key: opened.suppressions.keyOf(ada), erasureId: "era_9", suppressedAtMs: 9 },
        { key: opened.suppressions.keyOf(eve), erasureId: "era_3", suppressedAtMs: 3_000 },
      ];
      assert.equal(await opened.suppressions.merge(other), 1);
      assert.equal(await opened.suppressions.merge(other), 0);
      const byKey = new Map((await all(opened.suppressions)).map((entry) => [entry.key, entry]));
      assert.deepEqual(byKey.get(opened.suppressions.keyOf(ada))?.erasureId, "era_1");
      assert.deepEqual(byKey.get(opened.suppressions.keyOf(eve)), other[1]);
      assert.equal(byKey.size, 2);
    });

    it("holds hundreds", async () => {
      const many = Array.from({ length: 300 }, (_, index) => pseudonym(`many ${index}`));
      await opened.suppressions.add(many, "era_4", 4_000);
      const list = await opened.suppressions.latest();
      assert.ok(many.every((each) => list.has(each)));
      assert.equal(list.size, 302);
      assert.equal((await all(opened.suppressions)).length, 302);
      assert.equal(await opened.suppressions.lift(many), 300);
      assert.equal((await opened.suppressions.latest()).size, 2);
    });
  });
};
