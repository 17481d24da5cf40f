import assert from "node:assert/strict";
import crypto from "node:crypto";
import { chmodSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { syncBuiltinESMExports } from "node:module";
import os from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";
import { sha256 } from "@ebb/core/ids";
import { readScopes } from "@ebb/core/scopes";
import { type OpenKeyRing, keyRingContract } from "../contracts/index.ts";
import { createKey, revokeKey, rotateKey } from "../stored-keys.ts";
import { EmbeddedKeyRing } from "./key-ring.ts";
import { tightenPrivateFiles } from "./private-file.ts";

const newFolder = () => mkdtemp(path.join(os.tmpdir(), "ebb-keys-"));

keyRingContract("embedded", async () => {
  const folder = await newFolder();
  const open = async (): Promise<OpenKeyRing> => {
    const ring = new EmbeddedKeyRing(folder);
    return {
      ring,
      store: ring,
      reopen: async () => {
        await ring.noted();
        return await open();
      },
      close: async () => {
        await ring.noted();
        await rm(folder, { recursive: true });
      },
    };
  };
  return await open();
});

describe("the work of looking a key up", () => {
  it("is the same for right keys, wrong ones and none of ours: one hash, one comparison of 32 bytes", async (t) => {
    const folder = await newFolder();
    try {
      const ring = new EmbeddedKeyRing(folder);
      const { key } = await createKey(ring, { scopes: ["write"], source: "shop" }, 0);
      await ring.find(key); // its use is noted
      const compared = t.mock.method(crypto, "timingSafeEqual");
      const hashed = t.mock.method(crypto, "hash");
      syncBuiltinESMExports();
      const wrong = key.slice(0, -1) + (key.endsWith("A") ? "B" : "A");
      for (const presented of [key, wrong, `ebw_${"0".repeat(12)}_${"A".repeat(43)}`, "nobody", ""]) {
        compared.mock.resetCalls();
        hashed.mock.resetCalls();
        await ring.find(presented);
        assert.deepEqual(
          [hashed.mock.callCount(), compared.mock.callCount()],
          [1, 1],
          `${presented.length} characters`,
        );
        assert.deepEqual(
          compared.mock.calls[0]?.arguments.map((bytes) => bytes.byteLength),
          [32, 32],
        );
      }
      await ring.noted();
    } finally {
      t.mock.restoreAll();
      syncBuiltinESMExports();
      await rm(folder, { recursive: true });
    }
  });
});

describe("files open to others", () => {
  it("are closed to them, and named", async () => {
    const folder = await newFolder();
    for (const name of ["secrets.json", "keys.json"]) writeFileSync(path.join(folder, name), "[]", { mode: 0o600 });
    assert.deepEqual(tightenPrivateFiles(folder), []);
    chmodSync(path.join(folder, "secrets.json"), 0o644);
    assert.deepEqual(tightenPrivateFiles(folder), [path.join(folder, "secrets.json")]);
    assert.equal(statSync(path.join(folder, "secrets.json")).mode & 0o777, 0o600);
    await rm(folder, { recursive: true });
  });
});

describe("keys in a folder", () => {
  let folder: string;
  const rings: EmbeddedKeyRing[] = [];
  beforeEach(async () => void (folder = await newFolder()));
  afterEach(async () => {
    for (const ring of rings.splice(0)) await ring.noted();
    await rm(folder, { recursive: true });
  });
  const open = (now?: () => number) => {
    const ring = new EmbeddedKeyRing(folder, now);
    rings.push(ring);
    return ring;
  };
  const file = (name: string) => path.join(folder, name);
  const make = async (ring: EmbeddedKeyRing) => await createKey(ring, { scopes: ["write"], source: "shop" }, 0);

  it("lie in files for the owner alone", async () => {
    const ring = open();
    await ring.find((await make(ring)).key);
    await ring.noted();
    for (const name of ["keys.json", "key-use.json"]) assert.equal(statSync(file(name)).mode & 0o777, 0o600, name);
  });

  it("count at once when another process makes or revokes them", async () => {
    const [ring, other] = [open(), open()];
    const { key, stored } = await make(other);
    assert.equal((await ring.find(key))?.id, stored.id);
    await revokeKey(other, stored.id, 1);
    assert.equal(await ring.find(key), undefined);
  });

  it("are noted as used once a minute, and half a note after a crash stops nothing", async () => {
    let nowMs = 1_000_000;
    const ring = open(() => nowMs);
    const { key } = await make(ring);
    const noted = async () => {
      await ring.find(key);
      await ring.noted();
      return (await ring.list())[0]?.lastUsedAtMs;
    };
    assert.equal(await noted(), 1_000_000);
    nowMs += 59_999;
    assert.equal(await noted(), 1_000_000);
    nowMs += 1;
    assert.equal(await noted(), 1_060_000);
    writeFileSync(file("key-use.json"), '{"key_');
    assert.equal((await open().list())[0]?.lastUsedAtMs, undefined);
  });

  it("of the first release open as they are: a write key, and one that reads all the dashboard shows", async () => {
    const old = (id: string, scope: string, key: string) => ({ id, scope, source: "shop", sha256: sha256(key) });
    writeFileSync(
      file("keys.json"),
      JSON.stringify([old("key_a", "write", "ebw_old"), old("key_b", "read", "ebr_old")]),
    );
    const ring = open();
    assert.deepEqual((await ring.find("ebw_old"))?.scopes, ["write"]);
    assert.deepEqual((await ring.find("ebr_old"))?.scopes, readScopes);
    assert.equal(await ring.find("ebr_older"), undefined);
    const { key } = await rotateKey(ring, "key_b", 0, 5);
    assert.deepEqual((await open().find(key))?.scopes, readScopes);
    assert.equal(await open().find("ebr_old"), undefined);
    assert.deepEqual((await open().find("ebw_old"))?.id, "key_a");
  });

  it("in a file that is not one of keys are refused by name", () => {
    writeFileSync(file("keys.json"), `[{"id":"a"}]`);
    assert.throws(() => open(), /keys\.json/);
    assert.ok(readFileSync(file("keys.json"), "utf8").startsWith("[{"), "and the file is left as it is");
  });
});
