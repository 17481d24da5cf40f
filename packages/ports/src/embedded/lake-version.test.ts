import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { DatabaseSync } from "node:sqlite";
import { it } from "node:test";
import { Worker } from "node:worker_threads";
import { BATCH_MANIFEST_FILE } from "./batch-manifest.ts";
import { LakeVersion } from "./lake-version.ts";

/** Keeps everybody out of a file for a while, as whoever closes it last does. */
const KEEP_OUT = `
  const { DatabaseSync } = require("node:sqlite");
  const { parentPort, workerData } = require("node:worker_threads");
  const db = new DatabaseSync(workerData);
  db.exec("PRAGMA locking_mode = EXCLUSIVE; INSERT INTO t VALUES (2)");
  parentPort.postMessage("kept out");
  setTimeout(() => db.close(), 300);`;

it("a look at the lake's manifests waits for a process that closes one, and sees what it wrote", async () => {
  const folder = mkdtempSync(path.join(tmpdir(), "ebb-version-"));
  const lake = path.join(folder, "lake");
  mkdirSync(lake);
  const file = path.join(lake, BATCH_MANIFEST_FILE);
  const made = new DatabaseSync(file);
  made.exec("PRAGMA journal_mode = WAL; CREATE TABLE t (i INTEGER); INSERT INTO t VALUES (1)");
  made.close();
  const other = new Worker(KEEP_OUT, { eval: true, workerData: file });
  const version = new LakeVersion(lake);
  try {
    await once(other, "message");
    const locked = new DatabaseSync(file, { readOnly: true });
    assert.throws(() => locked.prepare("PRAGMA data_version").get(), /locked/);
    locked.close();
    const seen = version.current();
    await once(other, "exit");
    assert.equal(version.current(), seen);
    const later = new DatabaseSync(file);
    later.exec("INSERT INTO t VALUES (3)");
    later.close();
    assert.notEqual(version.current(), seen);
  } finally {
    version.close();
    await other.terminate();
    rmSync(folder, { recursive: true });
  }
});
