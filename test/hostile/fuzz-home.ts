/** The real home, as a process of its own, that is fuzzed: with a small shop in it, a batch run, and a key of every kind. */
import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { EmbeddedKeyRing } from "@ebb/ports/embedded/key-ring";
import { createKey } from "@ebb/ports/stored-keys";
import { type HomeProcess, runEbb, spawnHome } from "../support/home-process.ts";
import { shopBatch } from "../support/shop-batch.ts";
import { ask } from "./fuzz-client.ts";

const HOOK_SECRET = "a secret of the hooks, of more than 32 characters";
/** Whom the fuzzing may ask to be erased again and again: an erasure that is made is none to be made. */
export const ERASED = ["erased-1", "erased-__proto__", "erased-../x", "erased-é😀", `erased-${"9".repeat(300)}`];

export interface FuzzedHome {
  readonly url: URL;
  readonly pid: number;
  readonly process: HomeProcess;
  /** By what they may do. */
  readonly keys: Readonly<Record<"write" | "read" | "export" | "erase", string>>;
  readonly signed: (body: Buffer) => string;
  /** Most memory that the process ever had, bytes; `undefined` where the system does not say. */
  readonly peakBytes: () => Promise<number | undefined>;
  /** Orders on the lake whose id begins so. */
  readonly ordersOf: (prefix: string) => Promise<number>;
  /** Runs `ebb audit` and answers what it said. @throws AssertionError where the account does not balance */
  readonly audit: () => Promise<void>;
  readonly close: () => Promise<void>;
}

const ebb = async (...args: string[]): Promise<string> => {
  const { ended, output } = runEbb(args);
  assert.equal(await ended, 0, output());
  return output();
};

export const openFuzzedHome = async (): Promise<FuzzedHome> => {
  const folder = await mkdtemp(path.join(tmpdir(), "ebb-fuzz-"));
  const settings = { reportingCurrency: "EUR", hookSecrets: { twitter: HOOK_SECRET, generic: HOOK_SECRET } };
  await writeFile(path.join(folder, "settings.json"), JSON.stringify(settings), { mode: 0o600 });
  const home = await spawnHome(folder);
  try {
    const url = new URL(home.url);
    const pid = home.child.pid!;
    const ring = new EmbeddedKeyRing(folder);
    const key = async (scope: "export" | "erase"): Promise<string> =>
      (await createKey(ring, { scopes: [scope], source: "shop" }, Date.now())).key;
    const keys = { write: home.writeKey, read: home.readKey, export: await key("export"), erase: await key("erase") };
    await fillShop(url, pid, keys.write);
    await home.control("settle");
    await ebb("run", "--data", folder, "--as-of", "2026-07-20");
    const { status, text } = await ask(url, pid, {
      method: "POST",
      path: "/v1/erasures",
      headers: { authorization: `Bearer ${keys.erase}`, "content-type": "application/json" },
      body: Buffer.from(JSON.stringify({ customer_ids: ERASED })),
    });
    assert.equal(status, 202);
    const { erasure_id: id } = JSON.parse(text) as { erasure_id: string };
    for (;;) {
      const asked = await ask(url, pid, {
        method: "GET",
        path: `/v1/erasures/${id}`,
        headers: { authorization: `Bearer ${keys.erase}` },
      });
      if ((JSON.parse(asked.text) as { state: string }).state === "done") break;
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
    return {
      url,
      pid,
      process: home,
      keys,
      signed: (body) => `sha256=${createHmac("sha256", HOOK_SECRET).update(body).digest("hex")}`,
      peakBytes: async () => {
        const status = await readFile(`/proc/${home.child.pid}/status`, "utf8").catch(() => "");
        const kib = /^VmHWM:\s+(\d+) kB/m.exec(status)?.[1];
        return kib === undefined ? undefined : Number(kib) * 1_024;
      },
      ordersOf: async (prefix) => {
        const sql = `SELECT count(DISTINCT order_id) FROM raw_events WHERE order_id LIKE '${prefix}%'`;
        const csv = await ebb("sql", "--data", folder, "--format", "csv", sql);
        return Number(/^\d+$/m.exec(csv)?.[0]);
      },
      audit: async () => {
        await home.control("settle");
        await ebb("audit", "--data", folder);
      },
      close: async () => {
        await home.stop();
        await rm(folder, { recursive: true, force: true });
      },
    };
  } catch (error) {
    await home.kill();
    await rm(folder, { recursive: true, force: true });
    throw error;
  }
};

/** Enough of a shop for a model to be fitted, so that every page of the API has something to say. */
const fillShop = async (url: URL, pid: number, key: string): Promise<void> => {
  const headers = { authorization: `Bearer ${key}`, "content-type": "application/json" };
  const sent = await ask(url, pid, {
    method: "POST",
    path: "/v1/batch",
    headers,
    body: Buffer.from(shopBatch()),
  });
  assert.equal(sent.status, 200, sent.text);
};
