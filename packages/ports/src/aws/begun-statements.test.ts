/** Statements that take longer than whoever began them, against a service that keeps Athena's promise about tokens. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, describe, it } from "node:test";
import { EmbeddedObjectStore } from "../embedded/object-store.ts";
import { StatementUnderWay } from "../source-ports.ts";
import { BegunStatements, type LongStatements } from "./begun-statements.ts";

const MINUTE_MS = 60_000;
const KEY = "sources/commits/source_orders.json";
const MERGE = "MERGE INTO orders …";

/** Athena as its API reference has it: one execution a token, which runs whether or not somebody waits. */
class Service implements LongStatements {
  nowMs = 0;
  readonly executions: { readonly sql: string; readonly endsAtMs: number; readonly fails: boolean }[] = [];
  readonly #byToken = new Map<string, string>();
  fails = false;
  readonly takesMs: number;

  constructor(takesMs: number) {
    this.takesMs = takesMs;
  }

  async begin(sql: string, token: string): Promise<string> {
    assert.ok(token.length >= 32 && token.length <= 128, "what StartQueryExecution takes");
    const known = this.#byToken.get(token);
    if (known !== undefined) return known;
    this.executions.push({ sql, endsAtMs: this.nowMs + this.takesMs, fails: this.fails });
    const id = String(this.executions.length - 1);
    this.#byToken.set(token, id);
    return id;
  }

  async answer(id: string, waitMs: number) {
    const { endsAtMs, fails, sql } = this.executions[Number(id)]!;
    this.nowMs = Math.min(Math.max(this.nowMs, endsAtMs), this.nowMs + waitMs);
    if (this.nowMs < endsAtMs) return undefined;
    if (fails) throw new Error("the engine gave it up");
    return { columns: [], rows: [[sql]] };
  }
}

describe("statements of a commit", () => {
  const folder = mkdtempSync(path.join(tmpdir(), "ebb-begun-"));
  after(() => rmSync(folder, { recursive: true, force: true }));
  let stores = 0;
  const newStore = () => new EmbeddedObjectStore(path.join(folder, String(++stores)));
  type Objects = Pick<EmbeddedObjectStore, "get" | "put" | "delete">;
  /** A process that is killed instead of noting down more than this often. */
  const stoppedAfter = (objects: Objects, notes: number): Objects => ({
    get: (key) => objects.get(key),
    delete: (keys) => objects.delete(keys),
    put: async (...all) => (notes-- > 0 ? objects.put(...all) : Promise.reject(new Error("killed"))),
  });
  const run = (statements: LongStatements, objects: Objects, remainingMs: number, load = "load_1") =>
    BegunStatements.of({ statements, objects }, KEY, load, () => remainingMs);

  it("one that takes 40 minutes is begun once and waited for by the runs that follow", async () => {
    const [service, objects] = [new Service(40 * MINUTE_MS), newStore()];
    for (let at = 1; at <= 3; at++) {
      const begun = await run(service, objects, 13 * MINUTE_MS);
      await assert.rejects(begun.ask(MERGE), StatementUnderWay);
      assert.equal(service.nowMs, at * 13 * MINUTE_MS, "nothing but time has passed");
    }
    const last = await run(service, objects, 13 * MINUTE_MS);
    assert.deepEqual((await last.ask(MERGE)).rows, [[MERGE]]);
    assert.deepEqual([service.executions.length, service.nowMs], [1, 40 * MINUTE_MS]);
    // A stop behind it: the answer is read again.
    await (await run(service, objects, 0)).ask(MERGE);
    assert.equal(service.executions.length, 1);
  });

  it("a stop between beginning and noting begins nothing twice", async () => {
    const [service, objects] = [new Service(MINUTE_MS), newStore()];
    const killed = stoppedAfter(objects, 0);
    await assert.rejects((await run(service, killed, MINUTE_MS)).ask(MERGE), /killed/);
    assert.equal(service.executions.length, 1);
    assert.deepEqual((await (await run(service, objects, MINUTE_MS)).ask(MERGE)).rows, [[MERGE]]);
    assert.equal(service.executions.length, 1);
  });

  it("one that failed is begun again by whoever tries again, also after a stop before that was noted", async () => {
    const [service, objects] = [new Service(MINUTE_MS), newStore()];
    service.fails = true;
    await assert.rejects((await run(service, objects, MINUTE_MS)).ask(MERGE), /gave it up/);
    const killed = stoppedAfter(objects, 1);
    await assert.rejects((await run(service, killed, MINUTE_MS)).ask(MERGE), /killed/);
    await assert.rejects((await run(service, objects, MINUTE_MS)).ask(MERGE), /gave it up/);
    assert.equal(service.executions.length, 2);
    service.fails = false;
    assert.deepEqual((await (await run(service, objects, MINUTE_MS)).ask(MERGE)).rows, [[MERGE]]);
    assert.equal(service.executions.length, 3);
  });

  it("what was found and begun is one load's: another's notes mean nothing", async () => {
    const [service, objects] = [new Service(0), newStore()];
    const first = await run(service, objects, 0);
    await first.ask(MERGE);
    await first.found([{ name: "source_orders", rows: 1, inserted: 1, updated: 0, deleted: 0, unchanged: 0 }]);
    assert.equal((await run(service, objects, 0)).committed?.[0]?.rows, 1);
    const second = await run(service, objects, 0, "load_2");
    assert.equal(second.committed, undefined);
    await second.ask(MERGE);
    assert.equal(service.executions.length, 2);
    await second.forget();
    assert.equal((await run(service, objects, 0, "load_2")).committed, undefined);
  });
});
