/** UCI's Online Retail through a home: the account balances to the marts, and the lake rebuilds the customer store. */
import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { test } from "node:test";
import { compareWithLive, rebuildCustomers } from "@ebb/home/rebuild";
import { auditHome } from "@ebb/ports/embedded/audit";
import { homeWith } from "../model/upload-home.ts";
import { missing } from "../uploads/online-retail-file.ts";

test(
  "Online Retail: an audit balances, and the store rebuilt from curated orders and raw events is the live one",
  { skip: missing("online_retail.csv.gz"), timeout: 900_000 },
  async () => {
    const folder = await mkdtemp(path.join(tmpdir(), "ebb-trust-"));
    const home = await homeWith(folder, "online_retail.csv.gz", "GBP");
    try {
      const run = await home.runEnded(await home.beginRun({ asOf: "2011-12-10", startedBy: "command" }));
      assert.equal(run?.state, "succeeded", run?.reason);
      const account = await auditHome(folder, Date.now());
      assert.deepEqual(account.findings, []);
      assert.ok(account.balanced);
      assert.ok(
        account.lines.every(({ note }) => note === undefined),
        "nothing was left out",
      );
      const amount = (name: string): number => account.lines.find((line) => line.name.startsWith(name))!.left[1];
      assert.equal(amount("uploads"), 541_909, "rows of the file");

      const target = path.join(folder, "rebuilt");
      const rebuilt = await rebuildCustomers(folder, target);
      assert.equal(rebuilt.customers, 4_372, "customers of the file, as published");
      const { customers, differing, offset } = await compareWithLive(folder, target);
      assert.deepEqual({ customers, differing }, { customers: 4_372, differing: [] });
      assert.ok(offset > 0, "what the log holds is in it");
    } finally {
      await home.close();
      await rm(folder, { recursive: true, force: true });
    }
  },
);
