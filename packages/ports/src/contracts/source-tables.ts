import assert from "node:assert/strict";
import { after, describe, it } from "node:test";
import fc from "fast-check";
import type { CommittedTable, Row, SourceCommit, SourceTable, SourceTables } from "../source-ports.ts";
import { SourceProblem } from "../source-ports.ts";
import { newReceipt } from "./samples.ts";

export interface OpenSourceTables {
  readonly tables: SourceTables;
  /** The rows of a table as text, as readers see them; `undefined` where there is no such table. */
  readonly read: (name: string) => Promise<readonly Row[] | undefined>;
  readonly reopen: () => Promise<OpenSourceTables>;
  readonly close: () => Promise<void>;
}

const newTable = (marksDeleted = false): SourceTable => ({
  name: `source_${newReceipt().slice(4)}`,
  columns: [
    { name: "id", type: "bigint" },
    { name: "note", type: "string" },
    { name: "total", type: "decimal(12,2)" },
    { name: "at", type: "timestamp" },
  ],
  key: ["id"],
  marksDeleted,
});
const row = (id: number, note: string | null = null, total = "1.00"): Row => [String(id), note, total, null];

const withoutColumns = (committed: CommittedTable | undefined): Omit<CommittedTable, "columns"> => {
  const { columns: _, ...counts } = committed!;
  return counts;
};

/** Figures to the digits that engines agree on. */
const exact = (columns: CommittedTable["columns"]) =>
  columns?.map((column) => ({ ...column, ...rounded("mean", column.mean), ...rounded("sd", column.sd) }));
const rounded = (name: "mean" | "sd", value: number | undefined) =>
  value === undefined ? {} : { [name]: Number(value.toPrecision(12)) };
const spread = (...values: readonly number[]) => {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const squares = values.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  return { ...rounded("mean", mean), ...rounded("sd", Math.sqrt(squares / (values.length - 1))) };
};

async function* blocks(rows: readonly Row[]): AsyncIterable<readonly Row[]> {
  for (let at = 0; at < rows.length; at += 2) yield rows.slice(at, at + 2);
}
const sorted = (rows: readonly Row[] | undefined): string[] | undefined =>
  rows?.map((one) => JSON.stringify(one)).sort();

/** What every adapter of tables promises: staged rows are nobody's, a commit is seen whole, by key, and safe to repeat. */
export const sourceTablesContract = (name: string, open: () => Promise<OpenSourceTables>): void => {
  describe(`source tables: ${name}`, async () => {
    let opened = await open();
    after(async () => opened.close());
    let loads = 0;
    const newLoad = (): string => `load_${++loads}_${newReceipt().slice(4, 12)}`;
    const commitOf = (table: SourceTable, changes: Partial<SourceCommit> = {}): SourceCommit => ({
      source: "shop",
      loadId: newLoad(),
      mode: "snapshot",
      table,
      keysStaged: false,
      ...changes,
    });
    /** Parts staged one after the other, then committed. */
    const load = async (commit: SourceCommit, ...parts: (readonly Row[])[]) => {
      for (const [part, rows] of parts.entries())
        await opened.tables.stage(commit.loadId, commit.table, part, blocks(rows));
      return await opened.tables.commit(commit);
    };
    const removed = async (commit: SourceCommit, columns: readonly string[]): Promise<string[]> => {
      const rows: Row[] = [];
      for await (const block of opened.tables.removed(commit, columns)) rows.push(...block);
      return sorted(rows)!;
    };

    it("rows that are staged are seen by nobody; the commit shows all of them, every text as it was", async () => {
      const table = newTable();
      const odd = ["", "\\N", "\t\n\r", '"quoted"', "ü€\u2028", "'; DROP", "NULL", " "].map((note, id) =>
        row(id, note),
      );
      const rows = [...odd, row(90), ["91", null, "12345678.90", "2026-01-02 03:04:05.123456"] as Row];
      const commit = commitOf(table);
      assert.equal(await opened.tables.stage(commit.loadId, table, 0, blocks(rows.slice(0, 5))), 5);
      await opened.tables.stage(commit.loadId, table, 1, blocks(rows.slice(5)));
      assert.equal(await opened.read(table.name), undefined);
      const [counts] = await opened.tables.commit(commit);
      assert.deepEqual(withoutColumns(counts), {
        name: table.name,
        rows: 10,
        inserted: 10,
        updated: 0,
        deleted: 0,
        unchanged: 0,
      });
      assert.deepEqual(sorted(await opened.read(table.name)), sorted(rows));
      assert.deepEqual(await opened.tables.commit(commit), [], "a commit that is repeated after a crash does nothing");
      opened = await opened.reopen();
      assert.deepEqual(sorted(await opened.read(table.name)), sorted(rows));
    });

    it("rows that come as text are the rows that they say, in pieces that end anywhere", async (context) => {
      if (opened.tables.stageText === undefined) return context.skip("its rows come by `stage`");
      const table = newTable();
      const commit = commitOf(table);
      const text = `1\t"a\t""b""\n\\N"\t1.50\t2026-01-02 03:04:05.123456\n2\t"\\N"\t\\N\t\\N\n3\t\\N\t0.00\t\\N\n4\t\t-2.00\t\\N\n`;
      const pieces = async function* (): AsyncIterable<Buffer> {
        for (let at = 0; at < text.length; at += 7) yield Buffer.from(text.slice(at, at + 7));
      };
      await opened.tables.stageText(commit.loadId, table, 0, pieces());
      await opened.tables.commit(commit);
      assert.deepEqual(
        sorted(await opened.read(table.name)),
        sorted([
          ["1", 'a\t"b"\n\\N', "1.50", "2026-01-02 03:04:05.123456"],
          ["2", "\\N", null, null],
          ["3", null, "0.00", null],
          ["4", "", "-2.00", null],
        ]),
      );
    });

    it("a part that is staged again replaces itself; of parts with one key the later one counts", async () => {
      const table = newTable();
      const commit = commitOf(table);
      await opened.tables.stage(commit.loadId, table, 0, blocks([row(1, "gone"), row(2, "gone")]));
      const [counts] = await load(commit, [row(1, "first"), row(2, "first")], [row(2, "second")]);
      assert.equal(counts?.rows, 2);
      assert.deepEqual(sorted(await opened.read(table.name)), sorted([row(1, "first"), row(2, "second")]));
    });

    it("a key twice in one part, and a value that is none of its type, change nothing", async () => {
      const table = newTable();
      await load(commitOf(table), [row(1, "kept")]);
      const fails = async (code: string, rows: readonly Row[]): Promise<void> => {
        const commit = commitOf(table);
        await assert.rejects(load(commit, rows), (error: unknown) => {
          assert.ok(error instanceof SourceProblem, String(error));
          assert.equal(error.code, code);
          assert.doesNotMatch(error.message, /secret/, "no value is told");
          return true;
        });
        await opened.tables.discard(commit.loadId);
      };
      await fails("not_unique", [row(2, "a"), row(2, "b")]);
      await fails("bad_value", [row(2, null, "a secret")]);
      assert.deepEqual(sorted(await opened.read(table.name)), sorted([row(1, "kept")]));
    });

    it("a table whose columns changed has the new ones; what was staged and discarded is nowhere", async () => {
      const table = newTable();
      await load(commitOf(table), [row(1, "a")]);
      const wider = { ...table, columns: [...table.columns, { name: "tier", type: "string" as const }] };
      await load(commitOf(wider), [[...row(1, "a"), "gold"]]);
      assert.deepEqual(sorted(await opened.read(table.name)), sorted([[...row(1, "a"), "gold"]]));
      const dropped = commitOf(wider, { mode: "merge" });
      await opened.tables.stage(dropped.loadId, wider, 0, blocks([[...row(2), null]]));
      await opened.tables.discard(dropped.loadId);
      await load({ ...dropped }, [[...row(3), null]]);
      assert.equal((await opened.read(table.name))?.length, 2);
    });

    it("tells what a table and its lines hold after a load that changed them: what is missing, where numbers lie", async () => {
      const table = newTable();
      const lines: SourceTable = {
        name: `${table.name}_lines`,
        columns: [
          { name: "order_id", type: "bigint" },
          { name: "price", type: "double" },
          { name: "sku", type: "string" },
        ],
        key: ["order_id"],
      };
      const loads = async (mode: SourceCommit["mode"], rows: readonly Row[], of: readonly Row[]) => {
        const commit = commitOf(table, { mode, lines: { table: lines, parent: "order_id", parentKey: "id" } });
        await opened.tables.stage(commit.loadId, lines, 0, blocks(of));
        return (await load(commit, rows)).map(({ columns }) => columns);
      };
      const first = await loads(
        "snapshot",
        [row(1, "a", "1.50"), row(2, null, "4.50"), ["3", null, null, null], row(4, "b", "-3.00")],
        [
          ["1", "0.5", "x"],
          ["1", "NaN", null],
          ["2", null, null],
          ["3", "2.5", null],
        ],
      );
      assert.deepEqual(first.map(exact), [
        [
          { name: "id", missing: 0 },
          { name: "note", missing: 0.5 },
          { name: "total", missing: 0.25, ...spread(1.5, 4.5, -3) },
          { name: "at", missing: 1 },
        ],
        [
          { name: "order_id", missing: 0 },
          { name: "price", missing: 0.25, ...spread(0.5, 2.5) },
          { name: "sku", missing: 0.75 },
        ],
      ]);
      assert.deepEqual(new Set(await loads("merge", [], [])), new Set([undefined]), "a load that brings nothing");
      const [rows, other] = await loads("merge", [row(3, "c", "7.00")], [["3", "4.5", "y"]]);
      assert.deepEqual(exact(rows)?.slice(1, 3), [
        { name: "note", missing: 0.25 },
        { name: "total", missing: 0, ...spread(1.5, 4.5, 7, -3) },
      ]);
      assert.deepEqual(exact(other)?.[1], { name: "price", missing: 0.25, ...spread(0.5, 4.5) });
      const [bare] = await loads("snapshot", [row(1)], []);
      assert.deepEqual(exact(bare)?.[2], { name: "total", missing: 0, mean: 1 }, "one number has no spread");
      const [empty] = await loads("snapshot", [], []);
      assert.deepEqual(exact(empty)?.[2], { name: "total", missing: 0 });
    });

    it("lines come, go and are replaced with the row that they belong to", async () => {
      const table = newTable(true);
      const lines: SourceTable = {
        name: `${table.name}_lines`,
        columns: [
          { name: "order_id", type: "bigint" },
          { name: "line", type: "int" },
        ],
        key: ["line"],
      };
      const about = { table: lines, parent: "order_id", parentKey: "id" };
      const with_ = async (mode: SourceCommit["mode"], rows: readonly Row[], of: readonly Row[]): Promise<void> => {
        const commit = commitOf(table, { mode, lines: about });
        await opened.tables.stage(commit.loadId, lines, 0, blocks(of));
        await load(commit, rows);
      };
      const marked = (id: number, mark: string | null = null): Row => [...row(id), mark];
      await with_(
        "snapshot",
        [marked(1), marked(2), marked(3)],
        [
          ["1", "1"],
          ["1", "2"],
          ["2", "1"],
          ["3", "1"],
        ],
      );
      await with_(
        "merge",
        [marked(1), marked(2, "true")],
        [
          ["1", "7"],
          ["2", "1"],
        ],
      );
      assert.deepEqual(
        sorted(await opened.read(lines.name)),
        sorted([
          ["1", "7"],
          ["3", "1"],
        ]),
      );
      assert.deepEqual(sorted(await opened.read(table.name)), sorted([row(1), row(3)]));
    });

    it("any loads leave what a map by key would hold, and tell beforehand what goes", async () => {
      const change = fc.record({
        mode: fc.constantFrom("snapshot" as const, "merge" as const),
        keys: fc.boolean(),
        rows: fc.uniqueArray(fc.tuple(fc.integer({ min: 1, max: 6 }), fc.constantFrom("a", "b", null), fc.boolean()), {
          selector: ([id]) => id,
        }),
        gone: fc.uniqueArray(fc.integer({ min: 1, max: 6 })),
      });
      await fc.assert(
        fc.asyncProperty(fc.array(change, { minLength: 1, maxLength: 4 }), async (changes) => {
          const table = newTable(true);
          let held = new Map<string, Row>();
          for (const { mode, keys, rows, gone } of changes) {
            const keysStaged = mode === "merge" && keys;
            const commit = commitOf(table, { mode, keysStaged });
            const next = new Map(mode === "snapshot" ? [] : held);
            const named = new Set(rows.map(([id]) => String(id)));
            if (keysStaged) for (const id of gone) if (!named.has(String(id))) next.delete(String(id));
            for (const [id, note, isDeleted] of rows)
              if (isDeleted) next.delete(String(id));
              else next.set(String(id), row(id, note));
            await opened.tables.stage(
              commit.loadId,
              table,
              0,
              blocks(rows.map(([id, note, isDeleted]) => [...row(id, note), isDeleted ? "true" : null])),
            );
            if (keysStaged) {
              const existing = new Set([...named, ...[...held.keys()].filter((id) => !gone.includes(Number(id)))]);
              await opened.tables.stageKeys(commit.loadId, table, blocks([...existing].map((id) => [id])));
            }
            // A row that is marked as deleted says so itself: the others are told beforehand.
            const vanish = [...held.keys()].filter((id) => !next.has(id) && !named.has(id));
            assert.deepEqual(await removed(commit, ["id"]), sorted(vanish.map((id) => [id])));
            const [counts] = await opened.tables.commit(commit);
            await opened.tables.discard(commit.loadId);
            const same = [...next].filter(([id, one]) => JSON.stringify(held.get(id)) === JSON.stringify(one)).length;
            const known = [...next.keys()].filter((id) => held.has(id)).length;
            assert.deepEqual(withoutColumns(counts), {
              name: table.name,
              rows: next.size,
              inserted: next.size - known,
              updated: known - same,
              deleted: held.size - known,
              unchanged: same,
            });
            held = next;
            assert.deepEqual(sorted(await opened.read(table.name)) ?? [], sorted([...held.values()]));
          }
        }),
        { seed: 6, numRuns: 6 },
      );
    });
  });
};
