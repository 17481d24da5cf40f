import assert from "node:assert/strict";
import { mkdtemp, readFile, readdir, rm } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { DatabaseSync } from "node:sqlite";
import { test } from "node:test";
import { freeSpaceEraser } from "./erase-databases.ts";

const FILES = ["customers", "log", "order-book", "profiles", "runs", "scores", "uploads"];

test("what was deleted is in no byte of any file, and the front door waits for its own files alone", async () => {
  const folder = await mkdtemp(path.join(os.tmpdir(), "ebb-free-space-"));
  const withTrace = async (): Promise<string[]> => {
    const found = [];
    for (const name of (await readdir(folder)).sort())
      if ((await readFile(path.join(folder, name), "latin1")).includes("ada@shop")) found.push(name.split(".")[0]!);
    return [...new Set(found)];
  };
  const open = FILES.map((name) => {
    const db = new DatabaseSync(path.join(folder, `${name}.db`));
    db.exec("PRAGMA journal_mode = WAL; CREATE TABLE people (name TEXT); BEGIN");
    const put = db.prepare("INSERT INTO people VALUES (?)");
    for (let n = 0; n < 2_000; n++) put.run(n % 2 === 0 ? `ada@shop ${n}` : `bob@shop ${n}`);
    db.exec("COMMIT; PRAGMA wal_checkpoint; DELETE FROM people WHERE name LIKE 'ada%'");
    return db; // the home has them open
  });
  /** What others have committed to the files since each was opened here. */
  const versions = (): string[] => open.map((db) => JSON.stringify(db.prepare("PRAGMA data_version").get()));
  const held: string[] = [];
  try {
    assert.deepEqual(await withTrace(), FILES);
    await freeSpaceEraser(folder, async (work) => {
      const before = versions();
      work();
      const after = versions();
      held.push(...FILES.filter((_, at) => before[at] !== after[at]));
    }).erase([]);
    assert.deepEqual(held.sort(), ["log", "profiles"]);
    assert.deepEqual(await withTrace(), []);
    for (const db of open)
      assert.equal((db.prepare("SELECT count(*) AS n FROM people").get() as { n: number }).n, 1_000);
  } finally {
    open.forEach((db) => db.close());
    await rm(folder, { recursive: true });
  }
});
