/** What `ebb upload` leaves on a terminal, which others may see and logs may keep. */
import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { test } from "node:test";
import { startHome } from "@ebb/home/home";
import { runEbb } from "../support/home-process.ts";

test("the hint at refused rows names the variable of a read key, and no key is printed", async () => {
  const folder = await mkdtemp(path.join(tmpdir(), "ebb-upload-"));
  const home = await startHome({ folder });
  try {
    const file = path.join(folder, "orders.csv");
    const header = "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country";
    const rows = ["536365,a,Cup,6,12/1/2010 8:26,2.55,17850,France", "536366,b,Cup,6,at noon,2.55,17850,France"];
    await writeFile(file, [header, ...rows, ""].join("\n"));
    const { output, ended } = runEbb(["upload", file, "--data", folder]);
    assert.equal(await ended, 0, output());
    assert.match(output(), /quarantined +1\n[^]*curl -u "\$READ_KEY:" 'http/);
    for (const key of [home.readKey, home.writeKey, home.controlToken])
      assert.ok(!output().includes(key), "a key is printed");
    assert.doesNotMatch(output(), /eb[rw]_[0-9a-f]{12}_/);
  } finally {
    await home.close();
    await rm(folder, { recursive: true });
  }
});
