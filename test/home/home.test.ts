import assert from "node:assert/strict";
import { once } from "node:events";
import { chmod, mkdtemp, readFile, rm, stat } from "node:fs/promises";
import { type AddressInfo, createServer } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { FolderInUse, FolderNotWritable } from "@ebb/home/folder-lock";
import { SettingsError } from "@ebb/home/home-folder";
import { startHome } from "@ebb/home/home";
import { readShop } from "@ebb/home/shop-feed";
import { makeShop } from "@ebb/home/shop/shop";
import { runEbb, spawnHome } from "../support/home-process.ts";

const folders: string[] = [];
const newFolder = async (): Promise<string> => {
  const folder = await mkdtemp(path.join(tmpdir(), "ebb-home-"));
  folders.push(folder);
  return folder;
};
after(async () => {
  for (const folder of folders) await rm(folder, { recursive: true, force: true });
});

const order = (id: string, userId: string, total: number) => ({
  type: "track",
  event: "Order Completed",
  messageId: id,
  userId,
  properties: { order_id: id, total, currency: "EUR" },
});
const post = (home: { url: string; writeKey: string }, batch: unknown[]) =>
  fetch(`${home.url}/v1/batch`, {
    method: "POST",
    headers: { "content-type": "application/json", "x-write-key": home.writeKey },
    body: JSON.stringify({ batch }),
  });
const customer = async (home: { url: string; readKey: string }, id: string) => {
  const response = await fetch(`${home.url}/v1/customers/${id}`, { headers: { "x-write-key": home.readKey } });
  return { status: response.status, body: (await response.json()) as { orders: number; net_minor: number } };
};

test("an order that is posted is scored and can be read, and the next start knows it", async () => {
  const folder = await newFolder();
  const first = await startHome({ folder });
  assert.equal((await post(first, [order("a1", "ann", 12.5), order("a2", "ann", 7.5)])).status, 200);
  await first.settled();
  assert.deepEqual((await customer(first, "ann")).body.net_minor, 2_000);
  await first.close();

  const second = await startHome({ folder });
  try {
    assert.equal(second.writeKey, first.writeKey, "keys stay");
    assert.equal((await post(second, [order("a2", "ann", 7.5), order("a3", "ann", 1)])).status, 200);
    await second.settled();
    assert.deepEqual(
      [(await customer(second, "ann")).body.orders, (await customer(second, "ann")).body.net_minor],
      [3, 2_100],
    );
  } finally {
    await second.close();
  }
});

test("reading needs a read key", async () => {
  const home = await startHome({ folder: await newFolder() });
  try {
    for (const address of ["/v1/customers/ann", "/v1/ledger", "/v1/ledger/rcp_1", "/v1/quarantine"]) {
      const asked = (key?: string) =>
        fetch(home.url + address, key === undefined ? {} : { headers: { "x-write-key": key } });
      assert.equal((await asked()).status, 401, `${address} without a key`);
      assert.equal((await asked("ebr_wrong")).status, 401, `${address} with an unknown key`);
      assert.equal((await asked(home.writeKey)).status, 403, `${address} with a write key`);
      assert.notEqual((await asked(home.readKey)).status, 401, `${address} with a read key`);
    }
  } finally {
    await home.close();
  }
});

test("the control addresses take the folder's token alone", async () => {
  const home = await startHome({ folder: await newFolder() });
  try {
    const flush = (token: string) =>
      fetch(`${home.url}/_ebb/flush`, { method: "POST", headers: { authorization: `Bearer ${token}` } });
    assert.equal((await flush(home.readKey)).status, 401);
    assert.equal((await flush(home.controlToken)).status, 200);
  } finally {
    await home.close();
  }
});

test("secrets are stored for their owner alone, and keys only hashed", async () => {
  const folder = await newFolder();
  const home = await startHome({ folder });
  await home.close();
  for (const file of ["secrets.json", "keys.json", "first-keys.json", "log.db"])
    assert.equal((await stat(path.join(folder, file))).mode & 0o077, 0, file);
  assert.ok(!(await readFile(path.join(folder, "keys.json"), "utf8")).includes(home.writeKey));
});

test("two homes never open one folder, and a killed one leaves it free", async () => {
  const folder = await newFolder();
  const first = await spawnHome(folder);
  await assert.rejects(startHome({ folder }), FolderInUse);
  const refused = runEbb(["start", "--data", folder, "--port", "0", "--empty"]);
  assert.equal(await refused.ended, 1);
  assert.match(refused.output(), new RegExp(`Another home has .* open\\. It answers at ${first.url}`));
  await first.kill();
  const second = await startHome({ folder });
  await second.close();
});

test("within one process two homes never open one folder either", async () => {
  const folder = await newFolder();
  const first = await startHome({ folder });
  await assert.rejects(startHome({ folder }), FolderInUse);
  assert.equal((await post(first, [order("b1", "bob", 1)])).status, 200, "the first goes on");
  await first.close();
});

test("a port in use, an unwritable folder and wrong options are said in a sentence each, options all at once", async () => {
  const taken = createServer().listen(0, "127.0.0.1");
  await once(taken, "listening");
  const { port } = taken.address() as AddressInfo;
  const folder = await newFolder();
  const inUse = runEbb(["start", "--empty", "--data", folder, "--port", String(port)]);
  assert.equal(await inUse.ended, 1);
  assert.match(inUse.output(), new RegExp(`^Port ${port} is in use\\. Give another with --port`));
  taken.close();
  const free = await startHome({ folder });
  await free.close(); // the failed start has given the folder back

  const wrong = runEbb(["start", "--port", "99999", "--seed", "x", "--currency", "euro", "--nonsense"]);
  assert.equal(await wrong.ended, 2);
  for (const fault of [
    /--port takes a whole number, 0 to 65535; "99999"/,
    /--seed .*"x"/,
    /--currency: "euro"/,
    /--nonsense/,
  ])
    assert.match(wrong.output(), fault);

  const file = path.join(folder, "settings.json");
  await assert.rejects(startHome({ folder: file }), FolderNotWritable, "a file is no folder");
});

test(
  "a folder that may not be written is named",
  { skip: process.getuid?.() === 0 && "root may write anywhere" },
  async () => {
    const folder = await newFolder();
    await chmod(folder, 0o500);
    await assert.rejects(startHome({ folder: path.join(folder, "data") }), FolderNotWritable);
  },
);

test("the reporting currency is fixed by the first start", async () => {
  const folder = await newFolder();
  await (await startHome({ folder, currency: "GBP" })).close();
  await assert.rejects(startHome({ folder, currency: "EUR" }), SettingsError);
  const again = await startHome({ folder });
  assert.equal(again.currency, "GBP");
  await again.close();
});

test("a shop that is interrupted is taken up by the next start, and is whole in the end", async () => {
  const folder = await newFolder();
  const first = await spawnHome(folder, ["--customers", "100"]);
  while (((await first.control("status")) as { events: number }).events === 0) await delay(5);
  await first.kill();
  const second = await spawnHome(folder, []);
  try {
    while (!second.output().includes("Ask the lake")) {
      assert.equal(second.child.exitCode, null, second.output());
      await delay(20);
    }
    const shop = readShop(folder);
    assert.ok(shop?.shop === "made" && shop.complete && shop.customers === 100);
    let told = 0;
    for (const batch of makeShop(shop)) told += batch.calls.length;
    assert.equal(((await second.control("status")) as { events: number }).events, told);
  } finally {
    await second.stop();
  }
});

test("SIGTERM while orders come in loses nothing that was acknowledged", async () => {
  const folder = await newFolder();
  const home = await spawnHome(folder);
  let acknowledged = 0;
  let sent = 0;
  const lane = async (): Promise<void> => {
    for (;;) {
      const number = sent++;
      try {
        const response = await post(home, [order(`o${number}`, "ann", 1)]);
        if (!response.ok) return;
        acknowledged++;
      } catch {
        return; // the home is gone
      }
    }
  };
  const lanes = Promise.all([lane(), lane(), lane()]);
  while (acknowledged < 20) await delay(5);
  assert.equal(await home.stop(), 0, home.output());
  await lanes;

  const again = await startHome({ folder });
  await again.settled();
  const { orders } = (await customer(again, "ann")).body;
  assert.ok(orders >= acknowledged && orders <= sent, `${acknowledged} acknowledged, ${orders} kept, ${sent} sent`);
  await again.close();
});
