/** A commit that takes longer than one call: the calls that follow wait for it, and change nothing of what it reads. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import test from "node:test";
import { parseSources } from "@ebb/functions/collect/sources";
import { type LoadContext, loadRows } from "@ebb/functions/collect/sources/load";
import {
  type Row,
  type RowReader,
  type SourceField,
  type SourceTables,
  StatementUnderWay,
} from "@ebb/ports/source-ports";
import { readerOf } from "../sources/fixed-reader.ts";
import { openPorts } from "../sources/ports.ts";

const fields: readonly SourceField[] = [
  { name: "id", type: "int", lake: "int" },
  { name: "buyer", type: "text", lake: "string" },
  { name: "placed", type: "timestamp", lake: "timestamp" },
  { name: "total", type: "numeric(12,2)", lake: "decimal(12,2)" },
];
const order = (id: number): Row => [String(id), `customer ${id}`, "2026-01-02 03:04:05", `${id}.00`];

test("keys are staged and what is gone is told once, however many calls a commit takes", async (context) => {
  const folder = mkdtempSync(path.join(tmpdir(), "ebb-long-"));
  const ports = await openPorts(folder);
  context.after(async () => {
    await ports.close();
    rmSync(folder, { recursive: true });
  });
  const [source] = parseSources({
    connections: { shop: { kind: "postgres", host: "127.0.0.1", database: "shop", user: "reader" } },
    sources: [
      {
        ...{ name: "orders", connection: "shop", maps: "orders", table: "orders", key: ["id"], mode: "incremental" },
        ...{ watermark: { field: "placed" }, deletion: "keys", currency: "EUR" },
        fields: { order_id: "id", customer_id: "buyer", occurred_at: "placed", total: "total" },
      },
    ],
  });
  assert.equal(source?.kind, "relational");

  let rows: readonly Row[] = [order(1), order(2)];
  const calls = { begin: 0, stageKeys: 0, removed: 0, commit: 0 };
  const reader = (): RowReader => ({
    ...readerOf(fields, rows),
    // Behind the fields, the watermark as the database writes it.
    page: async function* (plan, page) {
      for await (const block of readerOf(fields, rows).page(plan, page))
        yield plan.watermark === undefined ? block : block.map((row) => [...row, "2026-01-02 03:04:05"]);
    },
    begin: async () => {
      calls.begin++;
      return {};
    },
    before: async (_plan, watermark) => watermark,
  });
  /** Which calls of `removed` and of `commit` still have something to wait for. */
  let waits = { removed: 0, commit: 0 };
  const { sourceTables } = ports;
  const slow: SourceTables = {
    stage: (...all) => sourceTables.stage(...all),
    stageKeys: (...all) => {
      calls.stageKeys++;
      return sourceTables.stageKeys(...all);
    },
    removed: async function* (commit, columns, remainingMs) {
      assert.equal(remainingMs?.(), 60_000_000);
      if (++calls.removed <= waits.removed) throw new StatementUnderWay("removed");
      yield* sourceTables.removed(commit, columns);
    },
    commit: async (commit, remainingMs) => {
      assert.equal(remainingMs?.(), 60_000_000);
      if (++calls.commit <= waits.commit) throw new StatementUnderWay("commit");
      return await sourceTables.commit(commit);
    },
    discard: (loadId) => sourceTables.discard(loadId),
  };
  const about: LoadContext = { owner: "test", remainingMs: () => 60_000_000 };
  const call = () => loadRows({ ...ports, sourceTables: slow }, source.spec, reader(), about);

  assert.equal((await call())?.tables?.[0]?.inserted, 2);
  rows = [order(1), order(3)];
  Object.assign(calls, { begin: 0, stageKeys: 0, removed: 0, commit: 0 });
  waits = { removed: 2, commit: 2 };
  assert.equal(await call(), undefined);
  rows = [order(3)]; // meanwhile: the load is of what was there before
  for (let at = 0; at < 3; at++) assert.equal(await call(), undefined);
  const end = await call();
  assert.deepEqual(
    end?.tables?.map(({ rows: held, inserted, deleted }) => [held, inserted, deleted]),
    [[2, 1, 1]],
  );
  assert.deepEqual([end?.attempts, end?.counts.events], [5, 2], "order 3, and that order 2 is gone");
  assert.deepEqual(calls, { begin: 3, stageKeys: 1, removed: 3, commit: 3 }, "no look at the database for a wait");
  assert.equal(ports.repeated(), 0);
  assert.equal(ports.counted.get("SourceLoadsFailed"), undefined);
  assert.equal((await ports.sources.ends("orders", 5)).length, 2);

  waits = { removed: 0, commit: 0 };
  assert.equal((await call())?.tables?.[0]?.deleted, 1, "the next load finds what went meanwhile");
});
