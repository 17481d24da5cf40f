import assert from "node:assert/strict";
import { after, describe, it } from "node:test";
import type { Profile, ProfileStore } from "../ports.ts";
import { sampleCustomerKey } from "./samples.ts";

export interface OpenProfileStore {
  readonly store: ProfileStore;
  readonly reopen: () => Promise<OpenProfileStore>;
  readonly close: () => Promise<void>;
}

const profile = (name: string, updatedAtMs: number, traits: Profile["traits"]): Profile => ({
  customerKey: sampleCustomerKey(name),
  customerId: `id of ${name}`,
  traits,
  updatedAtMs,
});

/** What every profile store promises: the newest value of each trait, whatever the order of arrival. */
export const profileStoreContract = (name: string, open: () => Promise<OpenProfileStore>): void => {
  describe(`profile store: ${name}`, async () => {
    let opened = await open();
    after(async () => opened.close());
    const get = (customer: string) => opened.store.get(sampleCustomerKey(customer));

    it("does not know a customer that was never put", async () => {
      assert.equal(await get("stranger"), undefined);
    });

    it("keeps the producer's id and traits of every JSON type", async () => {
      const ada = profile("ada", 10, {
        name: "Ada Ü",
        age: 36,
        vip: true,
        tags: ["a", 1],
        address: { city: "London" },
        none: null,
      });
      await opened.store.put([ada]);
      assert.deepEqual(await get("ada"), ada);
    });

    it("merges traits, the newer value of each, in either order", async () => {
      const older = (customer: string) => profile(customer, 10, { city: "Bonn", plan: "free" });
      const newer = (customer: string) => profile(customer, 20, { city: "Köln", phone: "1" });
      for (const customer of ["forth", "back"])
        for (const step of customer === "forth" ? [older, newer] : [newer, older])
          await opened.store.put([step(customer)]);
      for (const customer of ["forth", "back"]) {
        const stored = await get(customer);
        assert.deepEqual(stored?.traits, { city: "Köln", plan: "free", phone: "1" });
        assert.equal(stored.updatedAtMs, 20);
      }
    });

    it("keeps traits when a later put brings none", async () => {
      await opened.store.put([profile("quiet", 10, { city: "Bonn" })]);
      await opened.store.put([profile("quiet", 20, {})]);
      assert.deepEqual((await get("quiet"))?.traits, { city: "Bonn" });
    });

    it("keeps the mapping of a customer without traits", async () => {
      await opened.store.put([profile("bare", 10, {})]);
      assert.equal((await get("bare"))?.customerId, "id of bare");
    });

    it("takes the same customer several times in one call, and many calls at once", async () => {
      await opened.store.put([profile("twice", 5, { a: 1 }), profile("twice", 6, { b: 2 })]);
      assert.deepEqual((await get("twice"))?.traits, { a: 1, b: 2 });
      await Promise.all(
        Array.from({ length: 16 }, (_, n) => opened.store.put([profile("busy", n, { [`t${n}`]: n, last: n })])),
      );
      const busy = await get("busy");
      assert.equal(Object.keys(busy?.traits ?? {}).length, 17);
      assert.equal(busy?.traits["last"], 15);
    });

    it("keeps profiles over a reopening", async () => {
      await opened.store.put([profile("kept", 10, { city: "Bonn" })]);
      opened = await opened.reopen();
      assert.deepEqual(await get("kept"), profile("kept", 10, { city: "Bonn" }));
    });
  });
};
