/** An audit beside a home at work. That it finds what somebody changed: `audit.slow.test.ts`. */
import assert from "node:assert/strict";
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { DatabaseSync } from "node:sqlite";
import { after, test } from "node:test";
import { startHome } from "@ebb/home/home";
import { auditHome } from "@ebb/ports/embedded/audit";
import { orderEvent, postBatch } from "./load.ts";

const root = await mkdtemp(path.join(tmpdir(), "ebb-audit-"));
after(() => rm(root, { recursive: true, force: true }));

test("an audit of a running home that takes events balances, for it compares as of one record", async () => {
  const folder = path.join(root, "running");
  const home = await startHome({ folder, port: 0 });
  await postBatch(home, [orderEvent("first", "c1", 5)]);
  await home.settled(); // every stage has made its tables
  let stopped = false;
  const sending = (async () => {
    for (let n = 0; !stopped; n++)
      assert.equal(
        (await postBatch(home, [orderEvent(`l-${n}`, `c${n % 7}`, 100 + n), orderEvent(`k-${n}`, "c1", 50)])).status,
        200,
      );
  })();
  try {
    for (let round = 0; round < 3; round++) {
      const account = await auditHome(folder, Date.now());
      assert.deepEqual(account.findings, []);
      assert.ok(account.balanced);
    }
  } finally {
    stopped = true;
    await sending.finally(() => home.close());
  }
});

test("a home whose stages have not made their tables yet says so, and no account is given", async () => {
  const folder = path.join(root, "young");
  await mkdir(folder, { recursive: true });
  for (const name of ["uploads.db", "customers.db"]) new DatabaseSync(path.join(folder, name)).close();
  await assert.rejects(
    auditHome(folder, Date.now()),
    /uploads\.db is just being made: ask again when the home has started/,
  );
});
