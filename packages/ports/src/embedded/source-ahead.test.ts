/** What is made of staged parts while a load reads on is what the commit would have made of them. */
import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, readdirSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { DuckDBInstance } from "@duckdb/node-api";
import type { CustomerKey } from "@ebb/core/ids";
import { type Row, type SourceCommit, SourceProblem, type SourceTable } from "../source-ports.ts";
import { sourceTablesEraser } from "./erase-sources.ts";
import { sourceTables } from "./source-manifest.ts";
import { EmbeddedSourceTables } from "./source-tables.ts";

const folder = mkdtempSync(path.join(tmpdir(), "ebb-ahead-"));
after(() => rmSync(folder, { recursive: true, force: true }));

const table: SourceTable = {
  name: "source_things",
  columns: [
    { name: "id", type: "int" },
    { name: "note", type: "string" },
  ],
  key: ["id"],
};
const commitOf = (loadId: string): SourceCommit => ({
  source: "things",
  loadId,
  mode: "snapshot",
  table,
  keysStaged: false,
});

const lakes = { count: 0 };
const open = async (lakeFolder = path.join(folder, String(++lakes.count))) => {
  const tables = await EmbeddedSourceTables.open({ lakeFolder, now: Date.now, aheadBytes: 1 });
  const staging = (loadId: string): string => path.join(lakeFolder, "sources", "staging", loadId);
  const made = (loadId: string): string[] => readdirSync(staging(loadId)).filter((name) => name.endsWith(".parquet"));
  return {
    lakeFolder,
    tables,
    staging,
    made,
    /** Stages a part and tells that it stays; waits until it is made where it is to be. */
    settle: async (loadId: string, part: number, rows: readonly Row[], files?: number): Promise<void> => {
      const blocks = async function* (): AsyncIterable<readonly Row[]> {
        yield rows;
      };
      await tables.stage(loadId, table, part, blocks());
      tables.settled(commitOf(loadId), part + 1);
      for (let tries = 0; files !== undefined && made(loadId).length < files; tries++) {
        assert.ok(tries < 1_000, "it is made within ten seconds");
        await delay(10);
        tables.settled(commitOf(loadId), part + 1); // as the next page does
      }
    },
    rows: async (): Promise<unknown[]> => {
      const files = sourceTables(lakeFolder).flatMap((stored) =>
        stored.files.map((file) => path.join(lakeFolder, file)),
      );
      const connection = await (await DuckDBInstance.create(":memory:")).connect();
      const list = files.map((file) => `'${file}'`).join(", ");
      const { length } = files;
      const result =
        length === 0 ? [] : (await connection.runAndReadAll(`FROM read_parquet([${list}]) ORDER BY id`)).getRows();
      connection.closeSync();
      return [length, ...result];
    },
  };
};

test("files made ahead and what was staged last are the table together", async () => {
  const lake = await open();
  await lake.settle(
    "load_1",
    0,
    [
      ["1", "a"],
      ["2", null],
    ],
    1,
  );
  await lake.settle("load_1", 1, [["3", "b\tc\n"]], 2);
  await lake.tables.stage(
    "load_1",
    table,
    2,
    (async function* () {
      yield [["4", "last"]];
    })(),
  );
  const [counts] = await lake.tables.commit(commitOf("load_1"));
  assert.deepEqual([counts?.rows, counts?.inserted, counts?.columns?.[1]?.missing], [4, 4, 0.25]);
  assert.deepEqual(await lake.rows(), [3, [1, "a"], [2, null], [3, "b\tc\n"], [4, "last"]]);
  await lake.tables.close();
});

test("a part whose text became another after it was made counts as it is now: an erasure takes rows out of it", async () => {
  const lake = await open();
  await lake.settle(
    "load_1",
    0,
    [
      ["1", "stays"],
      ["2", "is erased"],
    ],
    1,
  );
  await lake.settle("load_1", 1, [["3", "stays"]], 2);
  const part = path.join(lake.staging("load_1"), table.name, "000000.tsv");
  writeFileSync(`${part}.erasing`, readFileSync(part, "utf8").replace("2\tis erased\n", ""));
  renameSync(`${part}.erasing`, part);
  await lake.tables.commit(commitOf("load_1"));
  assert.deepEqual(await lake.rows(), [2, [1, "stays"], [3, "stays"]]);
  await lake.tables.close();
});

test("an erasure while a load reads on leaves nothing of the person in what was made ahead, and the load goes on", async () => {
  const home = path.join(folder, "erased-home");
  const lake = await open(path.join(home, "lake"));
  const erased = `cus_${"e".repeat(32)}` as CustomerKey;
  const holding = (): string[] =>
    readdirSync(lake.staging("load_1"), { recursive: true, encoding: "utf8" }).filter((name) => {
      const file = path.join(lake.staging("load_1"), name);
      return statSync(file).isFile() && readFileSync(file, "latin1").includes(erased);
    });
  await lake.settle(
    "load_1",
    0,
    [
      ["1", "stays"],
      ["2", erased],
    ],
    1,
  );
  const long = "stays ".repeat(20);
  await lake.settle("load_1", 1, [["3", long]], 2);
  assert.deepEqual(holding().length, 2, "the part and what was made of it");
  const eraser = sourceTablesEraser({ folder: home, now: Date.now });
  await eraser.erase([{ customerKey: erased, anonymousKeys: [] }]);
  assert.deepEqual(holding(), []);
  await lake.settle("load_1", 2, [["4", "stays"]]);
  await lake.tables.commit(commitOf("load_1"));
  const [, ...rows] = await lake.rows();
  assert.deepEqual(rows, [
    [1, "stays"],
    [3, long],
    [4, "stays"],
  ]);
  await lake.tables.close();
});

test("of a row that two parts have, the later one counts, whatever was made ahead", async () => {
  const lake = await open();
  await lake.settle(
    "load_1",
    0,
    [
      ["1", "first"],
      ["2", "first"],
    ],
    1,
  );
  await lake.settle("load_1", 1, [["2", "second"]], 2);
  await lake.tables.commit(commitOf("load_1"));
  assert.deepEqual(await lake.rows(), [1, [1, "first"], [2, "second"]]);
  await lake.tables.close();
});

test("a value that is none of its column's type is told by the commit, and nothing is seen", async () => {
  const lake = await open();
  await lake.settle("load_1", 0, [["not a number", null]]);
  await delay(200);
  await lake.settle("load_1", 1, [["2", null]]);
  await assert.rejects(lake.tables.commit(commitOf("load_1")), (error: unknown) => {
    assert.ok(error instanceof SourceProblem && error.code === "bad_value", String(error));
    return true;
  });
  assert.deepEqual(await lake.rows(), [0]);
  await lake.tables.close();
});

test("a load that stops leaves its parts and nothing that was made of them, and goes on in another process", async () => {
  const lake = await open();
  await lake.settle("load_1", 0, [["1", "a"]], 1);
  await lake.settle(
    "load_1",
    1,
    Array.from({ length: 50_000 }, (_, at) => [String(at + 2), "b"]),
  );
  await lake.tables.stopped("load_1"); // while the second one is made
  assert.deepEqual(lake.made("load_1"), []);
  await lake.settle("load_1", 2, [["60000", "c"]], 1);
  writeFileSync(path.join(lake.staging("load_1"), `${table.name}.7.parquet`), "a crash left it");
  await lake.tables.close();
  const again = await open(lake.lakeFolder);
  assert.deepEqual(again.made("load_1"), []);
  await again.settle("load_1", 3, [["60001", "d"]], 1);
  const [counts] = await again.tables.commit(commitOf("load_1"));
  assert.equal(counts?.rows, 50_003);
  assert.deepEqual((await again.rows()).length, 1 + 50_003);
  await again.tables.close();
});
