/** Backups of a home that goes on taking events: what was acknowledged before is in them, and what is in them balances. */
import assert from "node:assert/strict";
import { cp, mkdtemp, readFile, readdir, rm, stat, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, test } from "node:test";
import { DatabaseSync } from "node:sqlite";
import { setTimeout as delay } from "node:timers/promises";
import { type Backup, readBackup } from "@ebb/ports/embedded/backup";
import { startHome } from "@ebb/home/home";
import { runEbb, spawnHome } from "../support/home-process.ts";
import { orderEvent, postBatch, startLoad } from "./load.ts";

const root = await mkdtemp(path.join(tmpdir(), "ebb-backup-"));
after(() => rm(root, { recursive: true, force: true }));
const folder = (name: string): string => path.join(root, name);

const ebb = async (args: readonly string[]): Promise<{ code: number | null; output: string }> => {
  const { ended, output } = runEbb(args);
  const code = await ended;
  return { code, output: output() };
};

test(
  "a backup under load holds all that was acknowledged before it began, balances where it is restored, and goes on",
  { timeout: 180_000 },
  async () => {
    const live = await spawnHome(folder("live"));
    let load: ReturnType<typeof startLoad> | undefined;
    try {
      load = startLoad(live);
      const rows = Array.from(
        { length: 3_000 },
        (_, n) => `f-${n % 1_000},f${n % 30},2026-02-03T04:05:06Z,p${n},1,2.50,EUR`,
      );
      const upload = await fetch(`${live.url}/v1/uploads`, {
        method: "POST",
        headers: { "content-type": "text/csv", "x-write-key": live.writeKey },
        body: ["order_id,customer_id,ordered_at,product_id,quantity,unit_price,currency", ...rows].join("\n"),
      });
      assert.equal(upload.status, 202);
      await delay(300);
      const before = load.acknowledged.length;
      const promised = load.acknowledged.slice(0, before);
      assert.ok(before > 5, `${before} batches were acknowledged before the backup`);
      const made = await ebb(["backup", folder("backup"), "--data", folder("live")]);
      assert.equal(made.code, 0, made.output);
      const during = load.acknowledged.length;
      assert.ok(during > before, "the home took events while it was backed up");
      await load.stop();

      const restored = await ebb(["restore", folder("backup"), "--data", folder("elsewhere")]);
      assert.equal(restored.code, 0, restored.output);
      const audit = await ebb(["audit", "--data", folder("elsewhere")]);
      assert.equal(audit.code, 0, audit.output);

      const second = await spawnHome(folder("elsewhere"));
      try {
        assert.equal(second.writeKey, live.writeKey, "the keys are those of the home");
        await second.control("settle");
        const asked = async (address: string) => {
          const response = await fetch(second.url + address, { headers: { "x-write-key": second.readKey } });
          return { status: response.status, body: (await response.json()) as Record<string, unknown> };
        };
        for (const { receiptId, orderIds } of promised) {
          const { status, body } = await asked(`/v1/ledger/${receiptId}`);
          assert.equal(status, 200, `${receiptId} was acknowledged before the backup began`);
          assert.equal(body["accepted"], orderIds.length);
        }
        // The upload that was under way goes on to its end: 1,000 orders of three lines.
        const list = await asked("/v1/uploads");
        const [state] = (list.body as { uploads: { state: string; ledger: { accepted: number } }[] }).uploads;
        assert.equal(state?.state, "done");
        assert.equal(state.ledger.accepted, 3_000);
        // What a producer sends again is known: no event is counted twice.
        const { orderIds } = promised[0]!;
        const again = await postBatch(
          second,
          orderIds.map((id) => orderEvent(id, "c0", 100)),
        );
        assert.equal(((await again.json()) as { duplicates: number }).duplicates, orderIds.length);
        assert.equal(await second.stop(), 0);
      } finally {
        await second.kill();
      }
      assert.equal(await live.stop(), 0);
    } finally {
      await live.kill();
      await load?.stop().catch(() => undefined);
    }
  },
);

test("a home at rest is backed up too, without what leads to the process that ran, and for its owner alone", async () => {
  const home = await startHome({ folder: folder("rest") });
  await postBatch(home, [orderEvent("r-1", "ann", 500)]);
  await home.settled();
  await home.flushLake();
  await home.close();
  const made = await ebb(["backup", folder("rest-backup"), "--data", folder("rest"), "--json"]);
  assert.equal(made.code, 0, made.output);
  const { files, log } = await readBackup(folder("rest-backup"));
  assert.equal(log.events, 1);
  const names = files.map((file) => file.path);
  for (const name of ["log.db", "customers.db", "profiles.db", "lake/lake.db", "secrets.json", "settings.json"])
    assert.ok(names.includes(name), name);
  assert.ok(names.some((name) => /^lake\/raw_events\/.*\.parquet$/.test(name)));
  for (const name of ["home.json", "lock", "suppressions.db"]) assert.ok(!names.includes(name), name);
  assert.equal((await stat(folder("rest-backup"))).mode & 0o077, 0);
  for (const name of names) assert.equal((await stat(path.join(folder("rest-backup"), name))).mode & 0o077, 0, name);
  assert.deepEqual(
    (await readdir(folder("rest"))).filter((name) => name.startsWith(".backup-")),
    [],
  );
});

test("a backup that was cut off, was damaged, or is of a newer release is refused in words, and leaves no half home", async () => {
  const spoilt = async (name: string, spoil: (at: string) => Promise<void>): Promise<string> => {
    await cp(folder("rest-backup"), folder(name), { recursive: true });
    await spoil(folder(name));
    const { code, output } = await ebb(["restore", folder(name), "--data", folder(`${name}-home`)]);
    assert.equal(code, 1, output);
    await assert.rejects(stat(folder(`${name}-home`)), "no home is left behind");
    return output;
  };
  assert.match(await spoilt("cut", (at) => rm(path.join(at, "backup.json"))), /holds no whole backup/);
  assert.match(
    await spoilt("short", (at) => truncate(path.join(at, "customers.db"), 4096)),
    /customers\.db is damaged/,
  );
  assert.match(await spoilt("gone", (at) => rm(path.join(at, "log.db"))), /log\.db is missing/);
  const edited = async (at: string, change: (backup: Backup) => unknown): Promise<void> =>
    writeFile(path.join(at, "backup.json"), JSON.stringify(change(await readBackup(at))));
  assert.match(await spoilt("newer", (at) => edited(at, (backup) => ({ ...backup, format: 2 }))), /format 2/);
  assert.match(
    await spoilt("outside", (at) =>
      edited(at, (backup) => ({ ...backup, files: [{ ...backup.files[0]!, path: "../outside" }] })),
    ),
    /outside its folder/,
  );
  const kept = await ebb(["restore", folder("rest-backup"), "--data", folder("rest")]);
  assert.equal(kept.code, 1);
  assert.match(kept.output, /is not empty/);
});

test("who was erased stays erased: the list is never in a backup, and a restore asks for it", async () => {
  const list = new DatabaseSync(path.join(folder("rest"), "suppressions.db"));
  list.exec(`INSERT INTO suppressions (key, erasure, suppressed_at_ms) VALUES ('sup_${"0".repeat(32)}', 'era_1', 1)`);
  list.close();
  const made = await ebb(["backup", folder("listed"), "--data", folder("rest"), "--suppressions", folder("list")]);
  assert.equal(made.code, 0, made.output);
  const { files, suppressed } = await readBackup(folder("listed"));
  assert.equal(suppressed, 1);
  for (const file of files)
    assert.ok(!(await readFile(path.join(folder("listed"), file.path))).includes("era_1"), file.path);

  const without = await ebb(["restore", folder("listed"), "--data", folder("without")]);
  assert.equal(without.code, 1);
  assert.match(without.output, /1 people had been erased/);
  const withList = await ebb(["restore", folder("listed"), "--data", folder("with"), "--suppressions", folder("list")]);
  assert.equal(withList.code, 0, withList.output);
  assert.match(withList.output, /1 people stay erased/);
});
