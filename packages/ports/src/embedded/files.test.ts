import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { mkdtemp, readdir, rm, stat } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";
import type { ReceiptId } from "@ebb/core/ids";
import { sampleCustomerKey } from "../contracts/samples.ts";
import { openSecrets, openSettings } from "./configuration.ts";
import { embeddedJobQueue } from "./job-queue.ts";
import { EmbeddedMetrics } from "./metrics.ts";
import { EmbeddedObjectStore, uploadUrlIsValid } from "./object-store.ts";
import { EmbeddedProfileStore } from "./profile-store.ts";
import { EmbeddedUploadStore } from "./upload-store.ts";

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(path.join(os.tmpdir(), "ebb-files-"));
});
afterEach(async () => rm(folder, { recursive: true }));

const modeOf = async (name: string) => (await stat(path.join(folder, name))).mode & 0o777;

describe("objects on disk", () => {
  it("stay below their root whatever the key says", async () => {
    const store = new EmbeddedObjectStore(path.join(folder, "objects"));
    for (const key of [
      "../out",
      "a/../../out",
      "/etc/passwd",
      "a//b",
      "",
      ".",
      "a/.",
      ".writing/x",
      "a/.hidden",
      "a\\b",
      "a\0b",
      "é",
      "a/",
      "x".repeat(901),
    ]) {
      await assert.rejects(store.put(key, Buffer.from("x")), RangeError, key);
      await assert.rejects(store.get(key), RangeError, key);
      await assert.rejects(store.size(key), RangeError, key);
      await assert.rejects(store.delete([key]), RangeError, key);
    }
    assert.deepEqual(await readdir(folder), []);
  });

  it("leave no unfinished file, and sweep those of a process that was killed", async () => {
    const store = new EmbeddedObjectStore(folder);
    async function* broken(): AsyncIterable<Uint8Array> {
      yield Buffer.alloc(10);
      throw new Error("gone");
    }
    await assert.rejects(store.put("a/b", broken()), /gone/);
    assert.deepEqual(await readdir(path.join(folder, ".writing")), []);
    writeFileSync(path.join(folder, ".writing", "left"), "half");
    await store.sweep();
    assert.deepEqual(
      (await readdir(folder)).filter((name) => name === ".writing"),
      [],
    );
  });

  it("take uploads at signed addresses only, until they expire", async () => {
    const secret = "s".repeat(32);
    const store = new EmbeddedObjectStore(folder, { baseUrl: () => "http://localhost:1", uploadUrlSecret: secret });
    const { url } = await store.uploadUrl("uploads/upl_1/content", 5_000);
    const { pathname, searchParams } = new URL(url);
    const query = Object.fromEntries(searchParams);
    assert.equal(pathname, "/v1/uploads/upl_1/content");
    assert.equal(uploadUrlIsValid(secret, pathname, query, 5_000), true);
    assert.equal(uploadUrlIsValid(secret, pathname, query, 5_001), false);
    assert.equal(uploadUrlIsValid(secret, "/v1/uploads/upl_2/content", query, 1), false);
    assert.equal(uploadUrlIsValid(secret, pathname, { ...query, expires: "9000" }, 1), false);
    assert.equal(uploadUrlIsValid(secret, pathname, { ...query, signature: "00" }, 1), false);
    assert.equal(uploadUrlIsValid(secret, pathname, {}, 1), false);
    assert.equal(uploadUrlIsValid("t".repeat(32), pathname, query, 1), false);
    await assert.rejects(store.uploadUrl("elsewhere/content", 5_000), RangeError);
  });
});

describe("configuration", () => {
  it("makes secrets once, for the owner alone", async () => {
    const made = openSecrets(folder);
    assert.ok(made.customerSecret.length >= 32);
    assert.notEqual(made.customerSecret, made.uploadUrlSecret);
    assert.deepEqual(openSecrets(folder), made);
    assert.equal(await modeOf("secrets.json"), 0o600);
  });

  it("never makes a new customer secret over a broken file, and never prints one", () => {
    writeFileSync(path.join(folder, "secrets.json"), `{"customerSecret":"short but secret"}`);
    assert.throws(
      () => openSecrets(folder),
      (error: Error) => error.message.includes("customerSecret") && !error.message.includes("short but secret"),
    );
  });

  it("has defaults, and names everything that is wrong with a file at once", () => {
    assert.equal(openSettings(folder).rates.reportingCurrency, "USD");
    writeFileSync(path.join(folder, "settings.json"), `{"reportingCurrency":"EUR","rates":{"USD":{"2026-01-01":0.9}}}`);
    assert.deepEqual(openSettings(folder).rates, { reportingCurrency: "EUR", rates: { USD: { "2026-01-01": 0.9 } } });
    writeFileSync(path.join(folder, "settings.json"), `{"reportingCurrency":"EURO","corsOrigins":"*","colour":1}`);
    assert.throws(
      () => openSettings(folder),
      (error: Error) => ["reportingCurrency", "corsOrigins", "colour"].every((name) => error.message.includes(name)),
    );
    writeFileSync(path.join(folder, "settings.json"), "{");
    assert.throws(() => openSettings(folder), /settings\.json is not JSON/);
  });
});

describe("personal data", () => {
  it("lies in a file for the owner alone, its journal too", async () => {
    const old = process.umask(0);
    try {
      const store = new EmbeddedProfileStore(folder);
      await store.put([{ customerKey: sampleCustomerKey(1), customerId: "ada", traits: { a: 1 }, updatedAtMs: 1 }]);
      for (const name of await readdir(folder)) assert.equal(await modeOf(name), 0o600, name);
      store.close();
    } finally {
      process.umask(old);
    }
  });
});

describe("jobs and metrics", () => {
  it("finds unfinished uploads again at start, the oldest first", async () => {
    const started: string[] = [];
    const queue = embeddedJobQueue((id) => started.push(id));
    await queue.processUpload("upl_1" as ReceiptId);
    assert.deepEqual(started, ["upl_1"]);
    let store = new EmbeddedUploadStore(folder);
    const states = ["queued", "done", "processing", "failed", "awaiting_content", "queued"] as const;
    for (const [index, state] of states.entries())
      await store.put({
        uploadId: `upl_${index}` as ReceiptId,
        state,
        source: "s",
        objectKey: "k",
        options: {},
        createdAtMs: 1,
        updatedAtMs: 1,
      });
    store.close();
    store = new EmbeddedUploadStore(folder);
    assert.deepEqual(
      (await store.unfinished()).map((upload) => upload.uploadId),
      ["upl_0", "upl_2", "upl_5"],
    );
    store.close();
  });

  it("counts by name and dimensions, whatever their order", () => {
    const metrics = new EmbeddedMetrics();
    metrics.count("EventsReceived", 1);
    metrics.count("EventsReceived", 2, { x: "1", y: "2" });
    metrics.count("EventsReceived", 3, { y: "2", x: "1" });
    assert.deepEqual(metrics.snapshot(), [
      { name: "EventsReceived", dimensions: {}, value: 1 },
      { name: "EventsReceived", dimensions: { x: "1", y: "2" }, value: 5 },
    ]);
  });
});
