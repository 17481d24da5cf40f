import assert from "node:assert/strict";
import { mkdtemp, rm, stat } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterEach, beforeEach, describe, it } from "node:test";
import { Worker } from "node:worker_threads";
import { newReceipt, sampleEvent, samplePart, sampleQuarantined } from "../contracts/samples.ts";
import { TransientError } from "../ports.ts";
import { EmbeddedEventLog, type LogHead } from "./event-log.ts";
import { eventLogServer, remoteEventLog } from "./event-log-remote.ts";
import { LogReader } from "./log-reader.ts";
import { LOG_FILE } from "./log-schema.ts";
import { NewerSchemaError } from "./sqlite.ts";

let folder: string;
let log: EmbeddedEventLog;
let nowMs = 1_000;

beforeEach(async () => {
  folder = await mkdtemp(path.join(os.tmpdir(), "ebb-log-"));
  nowMs = 1_000;
  log = new EmbeddedEventLog(folder, { now: () => nowMs });
});
afterEach(async () => {
  log.close();
  await rm(folder, { recursive: true });
});

const append = (names: readonly string[], padding = 0) =>
  log.append(
    samplePart(newReceipt(), names.length),
    names.map((name) => sampleEvent(name, padding)),
    [],
  );

const withReader = <T>(work: (reader: LogReader) => T): T => {
  const reader = new LogReader(folder);
  try {
    return work(reader);
  } finally {
    reader.close();
  }
};

describe("the embedded log", () => {
  it("names duplicates at once: earlier ones, those of the same part and those of the same commit", async () => {
    await append(["d1"]);
    const [first, second] = await Promise.all([append(["d1", "d2", "d2"]), append(["d2", "d3"])]);
    assert.deepEqual(first.duplicates, [sampleEvent("d1").eventId, sampleEvent("d2").eventId]);
    assert.deepEqual(second.duplicates, [sampleEvent("d2").eventId]);
    assert.deepEqual([first.appended, second.appended], [3, 2]);
    assert.equal(log.head().events, 3);
  });

  it("finds duplicates in memory, while ids move into the index, in the index, and after a reopening in each state", async () => {
    const names = Array.from({ length: 70_000 }, (_, n) => `m${n}`);
    const probe = [names[0]!, names[33_333]!, names.at(-1)!];
    const isKnown = async () => {
      assert.equal((await append(probe)).duplicates?.length, probe.length);
      log.close();
      log = new EmbeddedEventLog(folder);
      assert.equal((await append(probe)).duplicates?.length, probe.length);
    };
    for (let at = 0; at < names.length; at += 10_000) await append(names.slice(at, at + 10_000));
    await isKnown(); // a merge has begun: a slice a commit, 32 slices
    for (let commit = 0; commit < 40; commit++) await append(probe);
    await isKnown();
    const db = new DatabaseSync(path.join(folder, LOG_FILE), { readOnly: true });
    const merged = db.prepare("SELECT count(*) AS n FROM seen_ids").get() as { n: number };
    db.close();
    assert.equal(merged.n, 70_000);
    assert.equal(log.head().events, 70_000);
  });

  it("counts events over records and tells listeners of each commit", async () => {
    const heads: LogHead[] = [];
    const stop = log.onAppend((head) => heads.push(head));
    await append(["a", "b"]);
    await append(["a"]); // nothing new: nobody is woken
    stop();
    await append(["c"]);
    assert.deepEqual(heads, [{ seq: 1, events: 2 }]);
    const records = withReader((reader) => reader.read(0, 10, 1e9));
    assert.deepEqual(
      records.map(({ seq, firstNumber, events, arrivedAtMs }) => [seq, firstNumber, events, arrivedAtMs]),
      [
        [1, 0, 2, 1_000],
        [2, 2, 1, 1_000],
      ],
    );
  });

  it("reads from a position, within a number of records and of bytes, and always one", async () => {
    for (const name of ["1", "2", "3", "4"]) await append([name], 1_000);
    withReader((reader) => {
      assert.deepEqual(
        reader.read(2, 10, 1e9).map((record) => record.seq),
        [3, 4],
      );
      assert.deepEqual(
        reader.read(0, 2, 1e9).map((record) => record.seq),
        [1, 2],
      );
      assert.deepEqual(
        reader.read(0, 10, 1).map((record) => record.seq),
        [1],
      );
      assert.deepEqual(
        reader.read(0, 10, 2_000).map((record) => record.seq),
        [1, 2],
      );
      assert.deepEqual(reader.read(4, 10, 1e9), []);
      assert.deepEqual(
        reader.read(1, 10, 1e9, 3).map((record) => record.seq),
        [2, 3],
      );
      assert.deepEqual(reader.head(), log.head());
    });
  });

  it("trims what is read and old, keeps the newest, and knows trimmed events as duplicates", async () => {
    for (const [index, name] of ["1", "2", "3"].entries()) {
      nowMs = 1_000 * (index + 1);
      await append([name]);
    }
    assert.equal(await log.trim(3, 2_000), 1); // 2 is too young
    assert.equal(await log.trim(100, 9_000), 1); // 3 is the newest
    assert.deepEqual(
      withReader((reader) => reader.read(0, 10, 1e9).map((record) => record.seq)),
      [3],
    );
    log.close();
    log = new EmbeddedEventLog(folder);
    assert.deepEqual(log.head(), { seq: 3, events: 3 });
    assert.equal((await append(["1"])).duplicates?.length, 1);
  });

  it("expires quarantined originals by age", async () => {
    const receipt = newReceipt();
    await log.quarantine([1, 2, 3].map((row) => sampleQuarantined(receipt, row, "too_large")));
    assert.equal(await log.expireQuarantine(1_700_000_000_003), 2);
  });

  it("refuses a part that does not balance and an id of another form, and takes its neighbours", async () => {
    const event = sampleEvent("x");
    const bad = [
      log.append(samplePart(newReceipt(), 2), [event], []),
      log.append(samplePart(newReceipt(), 1), [{ ...event, eventId: "evt_short" }], []),
      log.append(samplePart(newReceipt(), 1), [{ ...event, eventId: `evt_${"g".repeat(32)}` }], []),
    ];
    const good = append(["y"]);
    for (const each of bad) await assert.rejects(each, RangeError);
    assert.equal((await good).appended, 1);
  });

  it("rejects with TransientError when the disk is full, keeps nothing of it, and goes on once there is room", async () => {
    log.close();
    log = new EmbeddedEventLog(folder, { now: () => nowMs, maxBytes: 2_000_000 });
    let kept = 0;
    for (let full = false; !full;) {
      const outcomes = await Promise.allSettled([append([`f ${kept} a`], 300_000), append([`f ${kept} b`], 300_000)]);
      assert.equal(outcomes[0].status, outcomes[1].status); // one transaction
      for (const outcome of outcomes)
        assert.ok(outcome.status === "fulfilled" || outcome.reason instanceof TransientError);
      full = outcomes[0].status === "rejected";
      if (!full) kept += 2;
    }
    assert.ok(kept > 0);
    assert.deepEqual(log.head(), { seq: kept, events: kept });
    await log.trim(kept, nowMs + 1);
    assert.deepEqual((await append([`f ${kept} a`], 300_000)).duplicates, []); // it was not taken for a duplicate
    assert.deepEqual(log.head(), { seq: kept + 1, events: kept + 1 });
    assert.deepEqual(
      withReader((reader) => reader.head()),
      log.head(),
    );
  });

  it("is readable by its owner alone: quarantined originals are whatever was sent", async () => {
    assert.equal((await stat(path.join(folder, LOG_FILE))).mode & 0o777, 0o600);
  });

  it("refuses a file of a later release", async () => {
    log.close();
    const file = new DatabaseSync(path.join(folder, LOG_FILE));
    const { user_version: own } = file.prepare("PRAGMA user_version").get() as { user_version: number };
    file.exec("PRAGMA user_version = 99");
    file.close();
    assert.throws(() => new EmbeddedEventLog(folder), NewerSchemaError);
    assert.throws(() => new LogReader(folder), NewerSchemaError);
    const again = new DatabaseSync(path.join(folder, LOG_FILE));
    again.exec(`PRAGMA user_version = ${own}`);
    again.close();
    log = new EmbeddedEventLog(folder);
  });
});

describe("the log from another thread", () => {
  it("appends through the owner, and says so when the owner is gone", async () => {
    const server = eventLogServer(log);
    const port = server.connect();
    const remoteModule = import.meta.resolve("./event-log-remote.ts");
    const receipt = newReceipt("upl");
    const worker = new Worker(
      `import { parentPort, workerData } from "node:worker_threads";
       const { remoteEventLog } = await import(workerData.remoteModule);
       const log = remoteEventLog(workerData.port);
       const appended = await log.append(workerData.part, workerData.events, workerData.items);
       parentPort.postMessage(appended);
       log.close();`,
      {
        eval: true,
        workerData: {
          remoteModule,
          port,
          part: samplePart(receipt, 3, 1),
          events: [sampleEvent("w1"), sampleEvent("w2")],
          items: [sampleQuarantined(receipt, 5, "malformed_row")],
        },
        transferList: [port],
      },
    );
    const [answer] = await Promise.all([
      new Promise((resolve, reject) => worker.once("message", resolve).once("error", reject)),
      new Promise((resolve) => worker.once("exit", resolve)),
    ]);
    assert.deepEqual(answer, { appended: 2, duplicates: [] });
    assert.equal(log.head().events, 2);

    const remote = remoteEventLog(server.connect());
    await assert.rejects(remote.append(samplePart(newReceipt(), 9), [], []), RangeError);
    server.close();
    await assert.rejects(async () => {
      for (;;) await remote.append(samplePart(newReceipt(), 0), [], []);
    }, TransientError);
  });
});
