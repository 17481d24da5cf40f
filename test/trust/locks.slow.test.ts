/**
 * SQLite's locks are POSIX locks: whoever closes any descriptor of a file gives up all that the process holds on it
 * (sqlite.org/howtocorrupt.html, 2.2), and the next process takes the store for unused. So no process of a home opens a
 * store's file but by SQLite, whatever it is asked to do.
 */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, test } from "node:test";
import { pathToFileURL } from "node:url";
import { spawn } from "node:child_process";
import { runEbb, spawnHome } from "../support/home-process.ts";
import { orderEvent, postBatch } from "./load.ts";

const root = await mkdtemp(path.join(tmpdir(), "ebb-locks-"));
after(() => rm(root, { recursive: true, force: true }));
const watcher = `--import=${pathToFileURL(path.join(import.meta.dirname, "watch-opens.mjs")).href}`;

test("the watch sees every way of opening a file that it is meant for", async () => {
  const file = JSON.stringify(path.join(root, "watched.db"));
  const code = `
    import { copyFileSync, createReadStream, openSync, readFileSync, writeFileSync } from "node:fs";
    import { open, readFile, copyFile } from "node:fs/promises";
    writeFileSync(${file}, ""); openSync(${file}, "r"); readFileSync(${file}); createReadStream(${file});
    copyFileSync(${file}, ${file} + "x"); await open(${file}); await readFile(${file}); await copyFile(${file}, ${file} + "y");`;
  const child = spawn(process.execPath, [watcher, "--input-type=module", "-e", code], {
    stdio: ["ignore", "ignore", "pipe"],
  });
  let said = "";
  for await (const chunk of child.stderr) said += String(chunk);
  const seen = new Set([...said.matchAll(/^OPENED (\w+)/gm)].map((match) => match[1]));
  for (const name of [
    "writeFileSync",
    "openSync",
    "readFileSync",
    "createReadStream",
    "copyFileSync",
    "open",
    "readFile",
    "copyFile",
  ])
    assert.ok(seen.has(name), `${name} went unseen: ${said}`);
});

test(
  "a home that takes events and files, runs, erases, is backed up, audited and replayed opens no store's file but by SQLite",
  { timeout: 400_000 },
  async () => {
    const before = process.env["NODE_OPTIONS"];
    process.env["NODE_OPTIONS"] = watcher; // what the home forks has it from there too
    const home = await spawnHome(path.join(root, "home"));
    if (before === undefined) delete process.env["NODE_OPTIONS"];
    else process.env["NODE_OPTIONS"] = before;
    try {
      const orders = Array.from({ length: 60 }, (_, n) => orderEvent(`o-${n}`, `c${n % 9}`, 500 + n));
      assert.equal((await postBatch(home, [...orders, { type: "track" }])).status, 200);
      const csv =
        "order_id,customer_id,ordered_at,product_id,quantity,unit_price,currency\nf-1,c1,2026-02-03,p,1,2.50,EUR\n";
      const headers = { "content-type": "text/csv", "x-write-key": home.writeKey };
      assert.equal((await fetch(`${home.url}/v1/uploads`, { method: "POST", headers, body: csv })).status, 202);
      await home.control("settle");
      const data = ["--data", path.join(root, "home")];
      for (const args of [
        ["run", "--as-of", "2026-04-01"],
        ["backup", path.join(root, "backup")],
        ["replay", "--reason", "missing_field"],
        ["erase", "c1", "--receipt", path.join(root, "receipt.json")],
        ["audit"],
        ["status"],
      ]) {
        const { ended, output } = runEbb([...args, ...data]);
        // What is refused again is said by exit code 1.
        assert.equal(await ended, args[0] === "replay" ? 1 : 0, `${args[0]!}: ${output()}`);
      }
      for (const address of ["/metrics", "/v1/ready", "/v1/customers?limit=5", "/v1/pipeline"])
        assert.equal(
          (await fetch(home.url + address, { headers: { "x-write-key": home.readKey } })).status,
          200,
          address,
        );
      assert.equal(await home.stop(), 0);
    } finally {
      await home.kill();
    }
    // The home, its threads, and the processes of the run and of the erasure.
    assert.ok((home.output().match(/^WATCHED/gm)?.length ?? 0) >= 4, home.output());
    const opened = [...home.output().matchAll(/^OPENED \w+ (.+)$/gm)].map((match) => match[1]!);
    // Copies in a backup are open in no process.
    assert.ok(
      opened.every((file) => file.startsWith(path.join(root, "backup"))),
      home.output(),
    );
    assert.ok(readFileSync(path.join(root, "receipt.json"), "utf8").includes("signature"));
  },
);
