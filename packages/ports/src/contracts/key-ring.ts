import assert from "node:assert/strict";
import { after, describe, it } from "node:test";
import { readScopes } from "@ebb/core/scopes";
import type { KeyRing } from "../ports.ts";
import { type KeyStore, NoSuchKey, createKey, revokeKey, rotateKey } from "../stored-keys.ts";

export interface OpenKeyRing {
  readonly ring: KeyRing;
  readonly store: KeyStore;
  /** Believes nothing that was read before, and what was noted is there. */
  readonly reopen: () => Promise<OpenKeyRing>;
  readonly close: () => Promise<void>;
}

const HOUR_MS = 3_600_000;

/** What every key ring promises. Instants are of the real clock: adapters look at it themselves. */
export const keyRingContract = (name: string, open: () => Promise<OpenKeyRing>): void => {
  describe(`key ring: ${name}`, async () => {
    let opened = await open();
    after(async () => opened.close());
    const make = async (more: { expiresAtMs?: number } = {}) =>
      await createKey(opened.store, { scopes: readScopes, source: "shop", ...more }, Date.now());
    const listed = async (id: string) => (await opened.store.list()).find((key) => key.id === id);

    it("finds a key with what it was made for, and nothing that differs from it", async () => {
      const limits = { eventsPerSecond: 5, requestsPerSecond: 0.5, bodyBytes: 1_000 };
      const { key, stored } = await createKey(
        opened.store,
        { scopes: ["write"], source: "web", label: "the shop", limits },
        Date.now(),
      );
      assert.deepEqual(await opened.ring.find(key), { id: stored.id, scopes: ["write"], source: "web", limits });
      const last = key.at(-1) === "A" ? "B" : "A";
      for (const wrong of ["", "x", key.slice(1), `${key} `, ` ${key}`, key.slice(0, -1) + last, key.toUpperCase()])
        assert.equal(await opened.ring.find(wrong), undefined, wrong.length.toString());
      assert.equal(await opened.ring.find(stored.sha256), undefined);
      assert.equal(await opened.ring.find(stored.id), undefined);
    });

    it("never stores the key", async () => {
      const { key } = await make();
      assert.ok(!JSON.stringify(await opened.store.list()).includes(key.slice(-43)));
    });

    it("does not find a key that has expired", async () => {
      const [past, future] = [
        await make({ expiresAtMs: Date.now() - 1 }),
        await make({ expiresAtMs: Date.now() + HOUR_MS }),
      ];
      assert.equal(await opened.ring.find(past.key), undefined);
      assert.equal((await opened.ring.find(future.key))?.id, future.stored.id);
    });

    it("does not find a key that was revoked, which stays on the list; to revoke it again changes nothing", async () => {
      const { key, stored } = await make();
      assert.ok(await opened.ring.find(key));
      await revokeKey(opened.store, stored.id, 1_000);
      await revokeKey(opened.store, stored.id, 2_000);
      opened = await opened.reopen();
      assert.equal(await opened.ring.find(key), undefined);
      assert.equal((await listed(stored.id))?.revokedAtMs, 1_000);
    });

    it("finds a rotated key and its successor side by side, and the successor alone when the overlap is over", async () => {
      const [slow, fast] = [await make(), await make()];
      const [slowly, atOnce] = [
        await rotateKey(opened.store, slow.stored.id, HOUR_MS, Date.now()),
        await rotateKey(opened.store, fast.stored.id, 0, Date.now()),
      ];
      opened = await opened.reopen();
      assert.equal((await opened.ring.find(slow.key))?.id, slow.stored.id);
      assert.equal(await opened.ring.find(fast.key), undefined);
      for (const { key, stored } of [slowly, atOnce]) assert.equal((await opened.ring.find(key))?.id, stored.id);
      assert.equal((await listed(fast.stored.id))?.replacedBy, atOnce.stored.id);
    });

    it("gives the successor of a key as long a life as the key was made for, and never lengthens the old one's", async () => {
      const nowMs = Date.now();
      const { stored } = await make({ expiresAtMs: nowMs + HOUR_MS });
      const later = stored.createdAtMs! + HOUR_MS / 2;
      const successor = await rotateKey(opened.store, stored.id, 10 * HOUR_MS, later);
      assert.equal(successor.stored.expiresAtMs, later + (stored.expiresAtMs! - stored.createdAtMs!));
      assert.equal((await listed(stored.id))?.expiresAtMs, stored.expiresAtMs);
    });

    it("rotates and revokes nothing that is not there, and rotates nothing that has ended", async () => {
      await assert.rejects(rotateKey(opened.store, "key_none", 0, 1), NoSuchKey);
      await assert.rejects(revokeKey(opened.store, "key_none", 1), NoSuchKey);
      const { stored } = await make({ expiresAtMs: 1 });
      await assert.rejects(rotateKey(opened.store, stored.id, 0, Date.now()), NoSuchKey);
    });

    it("notes when a key was last used, which a change of the key leaves", async () => {
      const { key, stored } = await make();
      assert.equal((await listed(stored.id))?.lastUsedAtMs, undefined);
      const beforeMs = Date.now();
      await opened.ring.find(key);
      await opened.ring.find(key);
      await revokeKey(opened.store, stored.id, Date.now());
      opened = await opened.reopen();
      const { lastUsedAtMs = 0 } = (await listed(stored.id)) ?? {};
      assert.ok(lastUsedAtMs >= beforeMs && lastUsedAtMs <= Date.now());
    });
  });
};
