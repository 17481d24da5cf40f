import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import { beforeEach, describe, it } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import { TransientError } from "../ports.ts";
import { GroupCommit } from "./group-commit.ts";

let db: DatabaseSync;
let commits: GroupCommit;
/** Syncs that wait for the disk. */
let syncs: { resolve: () => void; reject: (error: Error) => void }[];
let durable: number;

const count = (): number => (db.prepare("SELECT count(*) AS n FROM notes").get() as { n: number }).n;
const note = (text: string): Promise<string> =>
  commits.run(() => {
    db.prepare("INSERT INTO notes VALUES (?)").run(text);
    return text;
  });
/** What has become of a promise so far. */
const stateOf = async (promise: Promise<unknown>): Promise<string> => {
  const settled = promise.then(String, (error: Error) => error.name);
  for (let each = 0; each < 3; each++) await turn();
  return Promise.race([settled, turn("waiting")]);
};

beforeEach(() => {
  db = new DatabaseSync(":memory:");
  db.exec("CREATE TABLE notes (text TEXT PRIMARY KEY)");
  syncs = [];
  durable = 0;
  commits = new GroupCommit(db, {
    durable: () => durable++,
    disk: {
      sync: () => new Promise((resolve, reject) => syncs.push({ resolve, reject })),
      syncNow: () => undefined,
    },
  });
});

describe("group commit", () => {
  it("settles a call when the disk has it, not when it is committed", async () => {
    const a = note("a");
    assert.equal(await stateOf(a), "waiting");
    assert.deepEqual([count(), durable], [1, 0]);
    syncs[0]!.resolve();
    assert.equal(await stateOf(a), "a");
    assert.equal(durable, 1);
  });

  it("brings calls that came while the disk was busy to it together", async () => {
    const a = note("a");
    await turn();
    const later = [note("b"), note("c")];
    assert.deepEqual(await Promise.all(later.map(stateOf)), ["waiting", "waiting"]);
    assert.deepEqual([count(), syncs.length], [1, 1]);
    syncs[0]!.resolve();
    assert.equal(await stateOf(a), "a");
    assert.deepEqual([count(), syncs.length], [3, 2]);
    syncs[1]!.resolve();
    assert.deepEqual(await Promise.all(later), ["b", "c"]);
  });

  it("fails the call at fault alone", async () => {
    const states = [note("a"), note("a"), note("b")].map((call) => call.catch((error: Error) => error.name));
    await turn();
    syncs[0]!.resolve();
    assert.deepEqual(await Promise.all(states), ["a", "Error", "b"]);
    assert.equal(count(), 2);
  });

  it("takes nothing more once the disk has failed: nobody knows what is on it", async () => {
    const a = note("a");
    await turn();
    const b = note("b");
    syncs[0]!.reject(new TransientError("EIO"));
    for (const each of [a, b, note("c")]) await assert.rejects(each, TransientError);
    assert.deepEqual([count(), durable, syncs.length], [1, 0, 1]);
  });

  it("commits, syncs and settles everything at once when it is told to", async () => {
    const a = note("a");
    await turn();
    const b = note("b");
    commits.flush();
    assert.deepEqual(await Promise.all([a, b]), ["a", "b"]);
    syncs[0]!.reject(new Error("the file is closed")); // too late to matter
    await turn();
    assert.equal(durable, 1);
  });

  it("commits nothing while it is held", async () => {
    const release = commits.hold();
    const a = note("a");
    assert.deepEqual([await stateOf(a), count()], ["waiting", 0]);
    release();
    release();
    await turn();
    await turn();
    syncs[0]!.resolve();
    assert.equal(await a, "a");
  });
});
