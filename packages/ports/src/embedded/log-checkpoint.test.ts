import assert from "node:assert/strict";
import { mkdtemp, rm, stat } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";
import { newReceipt, sampleEvent, samplePart } from "../contracts/samples.ts";
import { EmbeddedEventLog } from "./event-log.ts";
import { LogCheckpoint } from "./log-checkpoint.ts";
import { LogReader } from "./log-reader.ts";
import { LOG_FILE } from "./log-schema.ts";

let folder: string;
let log: EmbeddedEventLog;
let checkpoint: LogCheckpoint;

beforeEach(async () => {
  folder = await mkdtemp(path.join(os.tmpdir(), "ebb-log-checkpoint-"));
  log = new EmbeddedEventLog(folder);
  checkpoint = new LogCheckpoint(folder);
});
afterEach(async () => {
  checkpoint.close();
  log.close();
  await rm(folder, { recursive: true });
});

const EVENT_BYTES = 100_000;
const sizeOf = async (suffix: string): Promise<number> => (await stat(path.join(folder, LOG_FILE + suffix))).size;
const append = async (from: number, to: number): Promise<void> => {
  const parts = Array.from({ length: to - from }, (_, n) => sampleEvent(`e${from + n}`, EVENT_BYTES));
  await Promise.all(parts.map((event) => log.append(samplePart(newReceipt(), 1), [event], [])));
};

describe("a checkpoint of the log from another thread", () => {
  it("copies what was appended once that is enough, and not before", async () => {
    await append(0, 170);
    checkpoint.appended(15_999_999);
    assert.ok((await sizeOf("")) < 1_000_000, "the WAL is below what the log's own thread copies at");
    checkpoint.appended(1);
    assert.ok((await sizeOf("")) > 170 * EVENT_BYTES);
  });

  it("lets the log begin its WAL anew, which stays short while records come, and loses none of them", async () => {
    let longest = 0;
    for (let n = 0; n < 600; n += 50) {
      await append(n, n + 50);
      checkpoint.appended(50 * EVENT_BYTES);
      longest = Math.max(longest, await sizeOf("-wal"));
    }
    assert.ok(longest < 40_000_000, `the WAL grew to ${longest} bytes`);
    const reader = new LogReader(folder);
    try {
      assert.equal(reader.head().events, 600);
      assert.equal(reader.read(0, 2_000, 1e9).length, 600);
    } finally {
      reader.close();
    }
  });
});
