/** A run that is killed at every one of its steps leaves what a run leaves that nobody disturbs. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { cp, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, before, describe, test } from "node:test";
import { startHome } from "@ebb/home/home";
import { feedShop } from "@ebb/home/shop-feed";
import { outputsOf } from "./outputs.ts";

const AS_OF = "2026-06-01";
const DAY_MS = 86_400_000;

const runIn = async (folder: string, ...options: string[]): Promise<{ code: number | null; text: string }> => {
  const child = spawn(
    process.execPath,
    [
      "--disable-warning=ExperimentalWarning",
      path.join(import.meta.dirname, "run-process.ts"),
      folder,
      AS_OF,
      AS_OF,
      ...options,
    ],
    { stdio: ["ignore", "pipe", "inherit"] },
  );
  let text = "";
  child.stdout.setEncoding("utf8").on("data", (chunk: string) => (text += chunk));
  const [code] = (await once(child, "close")) as [number | null];
  return { code, text: text.trim() };
};

describe("kill -9 at every step of a run", () => {
  let root: string;
  before(async () => {
    root = await mkdtemp(path.join(tmpdir(), "ebb-run-crash-"));
    const folder = path.join(root, "killed");
    const home = await startHome({ folder, port: 0, currency: "EUR" });
    const endMs = Date.parse(AS_OF);
    const shop = {
      shop: "made",
      seed: 3,
      customers: 900,
      startMs: endMs - 3 * 365 * DAY_MS,
      endMs,
      currency: "EUR",
      batchesIn: 0,
      complete: false,
    } as const;
    await feedShop(folder, shop, home, { update: () => undefined, end: () => undefined }, new AbortController().signal);
    await home.settled();
    await home.flushLake();
    await home.close();
    await cp(folder, path.join(root, "undisturbed"), { recursive: true });
  });
  after(() => rm(root, { recursive: true, force: true }));

  test("then resume: the same objects byte for byte, the same rows, scores and trail", async (context) => {
    const undisturbed = path.join(root, "undisturbed");
    assert.equal((await runIn(undisturbed)).code, 0);
    const expected = await outputsOf(undisturbed, AS_OF);
    assert.ok("models/2026-06-01/model.json" in expected && "reports/2026-06-01/report.html" in expected);

    // Each process makes again the step that the last one did not live to remember, and dies one step further on.
    const killed = path.join(root, "killed");
    const steps: string[] = [];
    for (let dieAt = 1; ; dieAt = 2) {
      const { code, text } = await runIn(killed, "--die-at", String(dieAt));
      if (code === 0) break;
      assert.equal(code, null, text);
      steps.push(text);
    }
    context.diagnostic(`killed at ${steps.length} steps: ${steps.join(", ")}`);
    assert.ok(new Set(steps).size === steps.length && steps.length > 40);
    for (const name of ["begin", "curate", "features", "fit", "promote", "score", "write back", "reconcile", "end"])
      assert.ok(steps.includes(name), `it was not killed at ${name}`);
    assert.deepEqual(await outputsOf(killed, AS_OF), expected);
  });
});
