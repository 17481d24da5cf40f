/** A reader of Spark's parts over a database's own: what comes from which of them, and how far a load is in the parts. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { gzipSync } from "node:zlib";
import { type Page, type ReadPlan, type Row, SourceProblem } from "../source-ports.ts";
import type { JdbcRead, JdbcReader } from "./jdbc.ts";
import { mysqlJdbc } from "./mysql-jdbc.ts";
import { PartitionedReader, type PartitionedReads } from "./partitioned.ts";

const plan: ReadPlan = { from: { table: "orders" }, fields: ["id", "note"], key: ["id"], watermark: "version" };
const row = (id: number, version: string | null = String(id)): Row => [String(id), `note ${id}`, version];
/** A row, one that was erased, or a line as it is. */
type Line = Row | null | string;
const lines = (rows: readonly Line[]) =>
  gzipSync(rows.map((each) => `${typeof each === "string" ? each : JSON.stringify(each)}\n`).join(""));

const setUp = (parts: readonly (readonly Line[])[], options: object = {}, type = "bigint") => {
  const asked: string[] = [];
  const reads: JdbcRead[] = [];
  const lake = type === "bigint" ? ("bigint" as const) : ("string" as const);
  const database = {
    jdbc: mysqlJdbc,
    address: { source: "orders", host: "db", port: 3306, database: "shop", user: "reader", tls: { mode: "off" } },
    describe: async ({ fields }: ReadPlan) => fields.map((name) => ({ name, type, lake })),
    begin: async () => ({}),
    before: async () => "5",
    ask: async (_: ReadPlan, select: string, where: string) => {
      asked.push(`${select}${where}`);
      return select.includes("min(") ? ["1", "90"] : ["90"];
    },
    page: ({ fields }: ReadPlan, { since }: Page) => {
      asked.push(`page of ${fields.join()} since ${since}`);
      return [[row(1)]];
    },
    rowsOf: (_: ReadPlan, field: string) => {
      asked.push(`rows by ${field}`);
      return [[row(2)]];
    },
    close: async () => undefined,
  } as unknown as JdbcReader;
  const spark: PartitionedReads = {
    parts: async (loadId, read) => {
      assert.equal(loadId, "load_1");
      reads.push(await read());
      return parts.map((_, at) => String(at));
    },
    open: async (part) =>
      (async function* () {
        yield lines(parts[Number(part)]!);
      })(),
    discard: async () => undefined,
  };
  const all = { source: "orders", partitions: 3, loads: "whole" as const, authorities: () => "", ...options };
  return { reader: () => new PartitionedReader(database, spark, all), asked, reads };
};

const taken = async (reader: PartitionedReader, page: Omit<Page, "loadId">): Promise<string[]> => {
  const ids: string[] = [];
  for await (const block of reader.page(plan, { ...page, loadId: "load_1" })) ids.push(...block.map(([id]) => id!));
  return ids;
};

describe("a table that Spark reads", () => {
  it("is read page by page, across parts and by readers that know no more than where the last one ended", async () => {
    const { reader } = setUp([[row(1), null, row(2), row(3)], [], [row(9, null), row(4), row(5)]]);
    const pages: string[][] = [];
    let end: ReturnType<PartitionedReader["pageEnd"]>;
    do {
      const one = reader(); // as after a stop
      await one.begin(plan);
      pages.push(await taken(one, { after: end?.after, limit: 2 }));
      end = one.pageEnd();
    } while (end?.complete !== true);
    assert.deepEqual(pages.flat(), ["1", "2", "3", "9", "4", "5"]);
    assert.ok(pages.every((page) => page.length <= 2));
    assert.equal(end.after.watermark, "5", "the highest number, and not the highest text");
  });

  it("by conditions from the bounds that the database tells; its clock is the highest number of before the read", async () => {
    const { reader, asked, reads } = setUp([[row(1)]]);
    const one = reader();
    assert.deepEqual(await one.begin(plan), { clock: "90" });
    await one.prepare(plan, { limit: 10, loadId: "load_1" });
    assert.deepEqual(asked, ["CAST(max(`version`) AS CHAR)", "CAST(min(`id`) AS CHAR), CAST(max(`id`) AS CHAR)"]);
    assert.deepEqual(reads[0]!.partitions, [
      "ebb_partition < 31 OR ebb_partition IS NULL",
      "ebb_partition >= 31 AND ebb_partition < 61",
      "ebb_partition >= 61",
    ]);
    assert.equal(reads[0]!.select.includes("WHERE"), false);
  });

  it("changes come through one connection, or by Spark where it is said so; keys and lines always by the database's reader", async () => {
    const { reader, asked, reads } = setUp([[row(7)]]);
    const one = reader();
    await one.begin(plan);
    await one.prepare(plan, { since: "5", limit: 10, loadId: "load_1" });
    assert.deepEqual(await taken(one, { since: "5", limit: 10 }), ["1"]);
    assert.equal(one.pageEnd(), undefined, "the load goes on behind the last row");
    const { watermark: _, ...keys } = { ...plan, fields: ["id"] };
    for await (const _rows of one.page(keys, { limit: 10 }));
    for await (const _rows of one.rowsOf(keys, "order_id", ["1"]));
    assert.deepEqual(asked.slice(1), ["page of id,note since 5", "page of id since undefined", "rows by order_id"]);
    assert.deepEqual(reads, []);

    const all = setUp([[row(7)]], { loads: "all" });
    const other = all.reader();
    await other.begin(plan);
    assert.deepEqual(await taken(other, { since: "5", limit: 10 }), ["7"]);
    assert.match(all.reads[0]!.select, / WHERE \(`version` >= '5' OR `version` IS NULL\)$/);
  });

  it("says which field cannot be divided, which key is null and that parts are damaged", async () => {
    const fails = async (code: string, field: string | undefined, of: ReturnType<typeof setUp>): Promise<void> => {
      const one = of.reader();
      await one.begin(plan);
      await assert.rejects(taken(one, { limit: 10 }), (error: unknown) => {
        assert.ok(error instanceof SourceProblem, String(error));
        assert.deepEqual([error.code, error.field], [code, field]);
        assert.doesNotMatch(error.message, /note \d/);
        return true;
      });
    };
    await fails("unsupported", "id", setUp([[row(1)]], {}, "uuid"));
    await fails("not_unique", "id", setUp([[row(1), [null, "x", "1"]]]));
    await fails("bad_value", undefined, setUp([[row(1), '["note 5']]));
  });
});
