/** An erasure in a home that is killed again and again while it is at work. */
import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { type HomeProcess, spawnHome } from "../support/home-process.ts";
import { searchHome } from "./search-home.ts";
import { call, erased, tracesOf, trustKey } from "./shop-to-forget.ts";

/** Customers, of whom every third is erased. */
const CUSTOMERS = 12;
const ORDERS = 4;
const idOf = (customer: number): string => `customer-${customer}@retail.example`;

/**
 * @param kills milliseconds after which the home is killed, one for each of its lives; the last one ends the erasure
 */
export const eraseUnderKills = async (kills: readonly number[]): Promise<void> => {
  const folder = await mkdtemp(path.join(tmpdir(), "ebb-erasure-kill-"));
  let home: HomeProcess | undefined = await spawnHome(folder);
  try {
    const ids = Array.from({ length: CUSTOMERS }, (_, customer) => idOf(customer));
    const batch = ids.flatMap((userId, customer) => [
      { type: "identify", userId, anonymousId: `browser-${customer}`, messageId: `i-${customer}` },
      ...Array.from({ length: ORDERS }, (_, order) => ({
        type: "track",
        event: "Order Completed",
        userId,
        messageId: `o-${customer}-${order}`,
        properties: { order_id: `O-${customer}-${order}`, revenue: 1 + customer + order / 100, currency: "EUR" },
      })),
    ]);
    assert.equal((await call(home, home.writeKey, "POST", "/v1/batch", { batch })).body["quarantined"], 0);
    await home.control("settle");
    await home.control("flush");
    const gone = ids.filter((_, customer) => customer % 3 === 0);
    const stay = ids.filter((_, customer) => customer % 3 !== 0);
    const figures = async (): Promise<unknown[]> =>
      Promise.all(
        stay.map(async (id) => {
          const { body } = await call(home!, home!.readKey, "GET", `/v1/customers/${encodeURIComponent(id)}`);
          return [body["orders"], body["net_minor"]];
        }),
      );
    const before = await figures();
    const traces = tracesOf(
      folder,
      gone,
      gone.map((id) => `browser-${ids.indexOf(id)}`),
    );
    assert.ok((await searchHome(folder, traces)).length > 0);

    const key = await trustKey(folder);
    const asked = await call(home, key, "POST", "/v1/erasures", { customer_ids: gone });
    assert.equal(asked.status, 202);
    for (const lifeMs of kills) {
      await delay(lifeMs);
      await home.kill();
      home = await spawnHome(folder);
      // Acknowledged before the kill: no answer tells of them whatever the files still hold.
      for (const id of gone)
        assert.equal((await call(home, home.readKey, "GET", `/v1/customers/${encodeURIComponent(id)}`)).status, 404);
    }
    const removed = await erased(home, key, String(asked.body["erasure_id"]));
    assert.equal(removed.get("customers")?.count, gone.length);
    assert.equal(removed.get("customers' orders")?.count, gone.length * ORDERS);
    assert.equal(removed.get("raw_events")?.count, gone.length * (ORDERS + 1));
    assert.deepEqual(await searchHome(folder, traces), []);
    assert.deepEqual(await figures(), before);
    // Sent again, all of it: nothing of the erased comes back, and the others stay as they are.
    const again = await call(home, home.writeKey, "POST", "/v1/batch", { batch });
    assert.equal(again.body["quarantined"], gone.length * (ORDERS + 1));
    await home.control("settle");
    await home.control("flush");
    assert.deepEqual(await figures(), before);
    assert.deepEqual(await searchHome(folder, traces), []);
    assert.equal(await home.stop(), 0);
    home = undefined;
  } finally {
    await home?.kill();
    await rm(folder, { recursive: true, force: true });
  }
};
