/** A disk that fills up, a clock that jumps, a write-ahead log with a torn end: nothing acknowledged is lost or doubled. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { appendFile, mkdir, mkdtemp, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { pathToFileURL } from "node:url";
import { auditHome } from "@ebb/ports/embedded/audit";
import { type HomeProcess, runEbb, spawnHome } from "../support/home-process.ts";
import { type Load, orderEvent, postBatch, startLoad } from "./load.ts";

const root = await mkdtemp(path.join(tmpdir(), "ebb-disturbed-"));
after(() => rm(root, { recursive: true, force: true }));

/** Everything that was acknowledged is there once, and the account of all stores balances. */
const allIsThere = async (home: HomeProcess, folder: string, load: Load): Promise<void> => {
  await home.control("settle");
  const sent = new Set(load.acknowledged.flatMap(({ orderIds }) => orderIds));
  let orders = 0;
  for (let customer = 0; customer < 20; customer++) {
    const response = await fetch(`${home.url}/v1/customers/c${customer}`, { headers: { "x-write-key": home.readKey } });
    if (response.status === 200) orders += ((await response.json()) as { orders: number }).orders;
  }
  // A batch that was cut off may be in without an answer: the producer would send it again.
  assert.ok(orders >= sent.size, `${sent.size} orders were acknowledged, ${orders} are there`);
  for (const { receiptId } of load.acknowledged.slice(0, 300)) {
    const response = await fetch(`${home.url}/v1/ledger/${receiptId}`, { headers: { "x-write-key": home.readKey } });
    assert.equal(response.status, 200, receiptId);
  }
  const account = await auditHome(folder, Date.now());
  assert.deepEqual(account.findings, []);
  assert.ok(account.balanced);
};

const canMount = (): boolean => {
  try {
    execFileSync("mount", ["-t", "tmpfs", "-o", "size=1m", "tmpfs", root], { stdio: "ignore" });
    execFileSync("umount", [root]);
    return true;
  } catch {
    return false;
  }
};

test(
  "a full disk is answered 503 with Retry-After, keeps what was acknowledged, and goes on when there is room",
  {
    timeout: 240_000,
    skip: canMount() ? false : "a small disk needs the right to mount one",
  },
  async () => {
    const folder = path.join(root, "disk");
    await mkdir(folder);
    execFileSync("mount", ["-t", "tmpfs", "-o", "size=64m", "tmpfs", folder]);
    try {
      const home = await spawnHome(folder);
      const load = startLoad(home);
      try {
        await delay(500);
        assert.ok(load.acknowledged.length > 0);
        // Somebody else fills the disk to its last page, and again what the home itself gives back meanwhile.
        const ballast = path.join(folder, "ballast");
        const fill = async (): Promise<void> => {
          for (let size = 1_000_000; size >= 1_000;) {
            try {
              await appendFile(ballast, Buffer.alloc(size));
            } catch {
              size = Math.floor(size / 4);
            }
          }
        };
        await fill();
        const before = load.refused();
        for (let wait = 0; wait < 100 && load.refused() <= before; wait++) await delay(100);
        assert.ok(load.refused() > before, "no room: 503");
        let ready = 200;
        for (let wait = 0; wait < 100 && ready !== 503; wait++) {
          await Promise.all([fill(), delay(100)]);
          ready = (await fetch(`${home.url}/v1/ready`)).status;
        }
        assert.equal(ready, 503);
        assert.equal((await fetch(`${home.url}/v1/health`)).status, 200, "it is alive");
        await rm(ballast);
        const acknowledged = load.acknowledged.length;
        for (let wait = 0; wait < 150 && load.acknowledged.length <= acknowledged; wait++) await delay(100);
        assert.ok(load.acknowledged.length > acknowledged, "it goes on by itself");
        await load.stop();
        await allIsThere(home, folder, load);
        assert.equal(await home.stop(), 0);
      } finally {
        await home.kill();
        await load.stop().catch(() => undefined);
      }
    } finally {
      execFileSync("umount", ["-l", folder]);
    }
  },
);

test(
  "a clock that jumps by hours, back and forth, in every thread, loses and doubles nothing",
  { timeout: 240_000 },
  async () => {
    const folder = path.join(root, "clock");
    const before = process.env["NODE_OPTIONS"];
    process.env["NODE_OPTIONS"] = `--import=${pathToFileURL(path.join(import.meta.dirname, "clock.mjs")).href}`;
    let home: HomeProcess;
    try {
      home = await spawnHome(folder);
    } finally {
      if (before === undefined) delete process.env["NODE_OPTIONS"];
      else process.env["NODE_OPTIONS"] = before;
    }
    const load = startLoad(home, { pauseMs: 5 });
    try {
      await delay(8_000);
      await load.stop();
      await home.control("flush");
      await allIsThere(home, folder, load);
      assert.equal(await home.stop(), 0);
    } finally {
      await home.kill();
      await load.stop().catch(() => undefined);
    }
  },
);

test(
  "a torn end of the write-ahead log was never acknowledged, and costs nothing that was",
  { timeout: 240_000 },
  async () => {
    const folder = path.join(root, "torn");
    const first = await spawnHome(folder);
    const load = startLoad(first);
    await delay(800);
    await first.kill();
    await load.stop().catch(() => undefined);
    const wal = path.join(folder, "log.db-wal");
    const { size } = await stat(wal);
    assert.ok(size > 0);
    // Half a frame that the disk had not finished: a header without the page it promises.
    await appendFile(wal, Buffer.alloc(9_000, 0x5a));
    const second = await spawnHome(folder);
    try {
      await allIsThere(second, folder, load);
      const again = await postBatch(
        second,
        load.acknowledged[0]!.orderIds.map((id) => orderEvent(id, "c0", 100)),
      );
      assert.equal(((await again.json()) as { duplicates: number }).duplicates, load.acknowledged[0]!.orderIds.length);
      assert.equal(await second.stop(), 0);
    } finally {
      await second.kill();
    }
  },
);

test(
  "a damaged customer store stops the start in words that name it, and is made anew from the lake",
  { timeout: 240_000 },
  async () => {
    const folder = path.join(root, "damaged");
    const home = await spawnHome(folder);
    const load = startLoad(home, { pauseMs: 20 });
    await delay(600);
    await load.stop();
    await home.control("settle");
    assert.equal(await home.stop(), 0);
    for (const suffix of ["-wal", "-shm"]) await rm(path.join(folder, `customers.db${suffix}`), { force: true });
    await writeFile(path.join(folder, "customers.db"), Buffer.alloc(8_192, 0x21));
    await assert.rejects(spawnHome(folder), /customers\.db is damaged.*ebb replay --from lake --replace/s);

    const replay = runEbb(["replay", "--data", folder, "--from", "lake", "--replace"]);
    assert.equal(await replay.ended, 0, replay.output());
    const again = await spawnHome(folder);
    try {
      await allIsThere(again, folder, load);
      assert.equal(await again.stop(), 0);
    } finally {
      await again.kill();
    }
  },
);
