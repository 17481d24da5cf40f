/** An audit beside a home at work. That it finds what somebody changed: `audit.slow.test.ts`. */
import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, test } from "node:test";
import { startHome } from "@ebb/home/home";
import { auditHome } from "@ebb/ports/embedded/audit";
import { orderEvent, postBatch } from "./load.ts";

const root = await mkdtemp(path.join(tmpdir(), "ebb-audit-"));
after(() => rm(root, { recursive: true, force: true }));

test("an audit of a running home that takes events balances, for it compares as of one record", async () => {
  const folder = path.join(root, "running");
  const home = await startHome({ folder, port: 0 });
  try {
    let stopped = false;
    const sending = (async () => {
      for (let n = 0; !stopped; n++)
        assert.equal(
          (await postBatch(home, [orderEvent(`l-${n}`, `c${n % 7}`, 100 + n), orderEvent(`k-${n}`, "c1", 50)])).status,
          200,
        );
    })();
    for (let round = 0; round < 3; round++) {
      const account = await auditHome(folder, Date.now());
      assert.deepEqual(account.findings, []);
      assert.ok(account.balanced);
    }
    stopped = true;
    await sending;
  } finally {
    await home.close();
  }
});
