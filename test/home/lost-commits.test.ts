/**
 * What a power failure may take: the newest commits of customers.db, which are not waited for. They come again from the
 * log, which is on disk before anything is acknowledged.
 */
import assert from "node:assert/strict";
import { cp, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { test } from "node:test";
import { type Home, startHome } from "@ebb/home/home";

const post = async (home: Home, orders: readonly [id: string, customer: string, total: number][]): Promise<void> => {
  const batch = orders.map(([id, userId, total]) => ({
    type: "track",
    event: "Order Completed",
    messageId: id,
    userId,
    properties: { order_id: id, total, currency: "EUR" },
  }));
  const response = await fetch(`${home.url}/v1/batch`, {
    method: "POST",
    headers: { "content-type": "application/json", "x-write-key": home.writeKey },
    body: JSON.stringify({ batch }),
  });
  assert.equal(response.status, 200);
  await home.settled();
};

const customer = async (home: Home, id: string): Promise<unknown> => {
  const response = await fetch(`${home.url}/v1/customers/${id}`, { headers: { "x-write-key": home.readKey } });
  const { orders, net_minor } = (await response.json()) as { orders?: number; net_minor?: number };
  return [response.status, orders, net_minor];
};

test("scores that a power failure took are made again from the log, each order once", async () => {
  const folder = await mkdtemp(path.join(tmpdir(), "ebb-power-"));
  const kept = path.join(folder, "kept.db");
  try {
    const first = await startHome({ folder });
    await post(first, [
      ["a1", "ann", 10],
      ["b1", "bob", 5],
    ]);
    await first.close();
    await cp(path.join(folder, "customers.db"), kept);

    const second = await startHome({ folder });
    await post(second, [
      ["a2", "ann", 20],
      ["c1", "cid", 1],
    ]);
    await post(second, [["b2", "bob", 7]]);
    await second.close();
    await cp(kept, path.join(folder, "customers.db")); // as the disk had it

    const third = await startHome({ folder });
    try {
      await third.settled();
      assert.deepEqual(await customer(third, "ann"), [200, 2, 3_000]);
      assert.deepEqual(await customer(third, "bob"), [200, 2, 1_200]);
      assert.deepEqual(await customer(third, "cid"), [200, 1, 100]);
    } finally {
      await third.close();
    }
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});
