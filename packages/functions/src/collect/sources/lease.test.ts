import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, describe, it } from "node:test";
import { EmbeddedSourceStore } from "@ebb/ports/embedded/source-store";
import { LoadLease, SourceBusy } from "./lease.ts";

describe("the right to load a source", () => {
  const folder = mkdtempSync(path.join(tmpdir(), "ebb-lease-"));
  const sources = new EmbeddedSourceStore(folder);
  after(() => {
    sources.close();
    rmSync(folder, { recursive: true, force: true });
  });

  it("is kept while something takes an hour, and nobody else gets it", async (test) => {
    test.mock.timers.enable({ apis: ["setInterval"] });
    let nowMs = 0;
    const ports = { now: () => nowMs, sources };
    const lease = await LoadLease.take(ports, "orders", "one");
    await lease.during(async () => {
      for (let minute = 1; minute <= 60; minute++) {
        nowMs = minute * 60_000;
        test.mock.timers.tick(60_000);
        await new Promise((resolve) => setImmediate(resolve));
        await assert.rejects(LoadLease.take(ports, "orders", "another"), SourceBusy);
      }
    });
    nowMs += 300_000;
    test.mock.timers.tick(300_000);
    await LoadLease.take(ports, "orders", "another");
    await assert.rejects(lease.keep(), SourceBusy);
  });
});
