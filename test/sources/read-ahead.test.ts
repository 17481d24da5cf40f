/** The next page is read while one is worked off: what came before a fault counts, in order, and nothing is left behind. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, describe, it } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { type LoadContext, loadRows } from "@ebb/functions/collect/sources/load";
import { parseSources } from "@ebb/functions/collect/sources";
import { type Page, type ReadPlan, type Row, type RowReader, SourceProblem } from "@ebb/ports/source-ports";
import { sourceTables } from "@ebb/ports/embedded/source-manifest";
import { type TestPorts, openPorts } from "./ports.ts";

const [PAGE, ROWS] = [100, 350];

const specOf = (changes: object = {}) => {
  const [source] = parseSources({
    connections: { db: { kind: "postgres", host: "localhost", database: "shop", user: "ebb", tls: "off" } },
    sources: [
      {
        ...{ name: "contacts", connection: "db", maps: "support_contacts", table: "contacts", key: ["id"] },
        ...{ mode: "snapshot", page: PAGE, fields: { contact_id: "id", occurred_at: "at" } },
        ...changes,
      },
    ],
  });
  if (source?.kind !== "relational") throw new Error("the source is not relational");
  return source.spec;
};

/** A table of rows 1 to 350, told in blocks of 40; what is asked of it is noted down. */
class Table implements RowReader {
  readonly asked: string[] = [];
  /** Pages that are read to their end, or closed. */
  ended = 0;
  /** Called before the first row of the page that begins behind a key. */
  before_: (after: number) => Promise<void> = async () => undefined;

  async describe({ fields }: ReadPlan) {
    return fields.map((name) => ({
      name,
      type: name === "at" ? "date" : "bigint",
      lake: name === "at" ? ("date" as const) : ("bigint" as const),
    }));
  }
  async begin() {
    return {};
  }
  async before() {
    return undefined;
  }
  async *page(_plan: ReadPlan, { after, limit }: Page): AsyncGenerator<readonly Row[]> {
    const from = Number(after?.key[0] ?? 0);
    this.asked.push(`page after ${from}`);
    try {
      await this.before_(from);
      const last = Math.min(ROWS, from + limit);
      for (let at = from; at < last; at += 40)
        yield Array.from({ length: Math.min(40, last - at) }, (_, index) => [String(at + index + 1), "2026-01-02"]);
    } finally {
      this.ended++;
    }
  }
  async *rowsOf(_plan: ReadPlan, _field: string, values: readonly string[]): AsyncGenerator<readonly Row[]> {
    this.asked.push(`lines of ${values.length}`);
    yield [];
  }
  async close() {
    return undefined;
  }
}

const lost = () => new SourceProblem("unreachable", "contacts", "the connection to localhost failed or was lost.");

void describe("reading ahead", () => {
  const unhandled: unknown[] = [];
  const note = (reason: unknown): void => void unhandled.push(reason);
  process.on("unhandledRejection", note);
  const folders: string[] = [];
  after(() => {
    process.off("unhandledRejection", note);
    for (const folder of folders) rmSync(folder, { recursive: true, force: true });
  });

  const withPorts = async (work: (ports: TestPorts) => Promise<void>): Promise<void> => {
    const folder = mkdtempSync(path.join(tmpdir(), "ebb-ahead-"));
    folders.push(folder);
    const ports = await openPorts(folder);
    try {
      await work(ports);
      await delay(10); // what nobody waits for
      assert.deepEqual(unhandled, []);
    } finally {
      await ports.close();
    }
  };
  const load = (ports: TestPorts, reader: RowReader, context: Partial<LoadContext> = {}, spec = specOf()) =>
    loadRows(ports, spec, reader, { owner: "test", remainingMs: () => Infinity, ...context });

  void it("a page is asked for once the one before is read, before that is durable", async () =>
    await withPorts(async (ports) => {
      const table = new Table();
      const end = await load(ports, table, { onProgress: ({ parts }) => void table.asked.push(`part ${parts}`) });
      assert.equal(end?.counts.read, ROWS);
      assert.deepEqual(table.asked.slice(0, 7), [
        ...["part 0", "page after 0", "page after 100", "part 1", "page after 200", "part 2", "page after 300"],
      ]);
      assert.deepEqual([table.ended, end.tables?.[0]?.rows], [4, ROWS]);
    }));

  void it("a fault of a page that is read ahead is told in its turn: what came before is kept, and the next try goes on behind it", async () =>
    await withPorts(async (ports) => {
      const table = new Table();
      table.before_ = async (from) => {
        if (from === 200) throw lost();
      };
      await assert.rejects(
        load(ports, table),
        (error) => error instanceof SourceProblem && error.code === "unreachable",
      );
      const stopped = (await ports.sources.get("contacts"))?.underWay;
      assert.deepEqual([stopped?.parts, stopped?.after?.key, stopped?.counts.read], [2, ["200"], 200]);
      assert.deepEqual(sourceTables(path.join(ports.folder, "lake")), [], "nobody sees half a table");
      const again = new Table();
      const end = await load(ports, again);
      assert.deepEqual(again.asked, ["page after 200", "page after 300"]);
      assert.deepEqual([end?.attempts, end?.counts.read, end?.tables?.[0]?.rows], [2, ROWS, ROWS]);
    }));

  void it("a load whose time is over leaves the page that it asked for, and its fault concerns nobody", async () =>
    await withPorts(async (ports) => {
      const table = new Table();
      let fail = (): void => undefined;
      table.before_ = async (from) => {
        if (from === 100) await new Promise<void>((_, reject) => (fail = () => reject(lost())));
      };
      const remaining = [900_000, 1_000];
      assert.equal(await load(ports, table, { remainingMs: () => remaining.shift() ?? 0 }), undefined);
      assert.deepEqual(table.asked, ["page after 0", "page after 100"]);
      fail(); // as when its connection is closed
      await delay(10);
      assert.equal(table.ended, 2);
      assert.equal((await ports.sources.get("contacts"))?.underWay?.parts, 1);
      assert.equal((await load(ports, new Table()))?.counts.read, ROWS);
    }));

  void it("a page that cannot be staged is what is told, and the page behind it is closed", async () =>
    await withPorts(async (ports) => {
      const table = new Table();
      const full = Object.create(ports.sourceTables) as TestPorts["sourceTables"];
      full.stage = async (_load, _table, _part, rows) => {
        for await (const _ of rows);
        throw new Error("no space left on device");
      };
      full.settled = () => undefined;
      full.stopped = async () => undefined;
      await assert.rejects(load({ ...ports, sourceTables: full }, table), /no space left/);
      await delay(10);
      assert.deepEqual([table.asked.length, table.ended], [2, 2]);
      assert.equal((await ports.sources.get("contacts"))?.underWay?.parts, 0);
    }));

  void it("a page that others hear of is worked off first: lines come through the same connection, events take their time", async () =>
    await withPorts(async (ports) => {
      const table = new Table();
      const spec = specOf({
        ...{ name: "orders", maps: "orders", table: "orders", currency: "EUR" },
        ...{ fields: { order_id: "id", occurred_at: "at" }, keep: [] },
        lines: { table: "lines", order: "order_id", key: ["id"], fields: { product_id: "sku" } },
      });
      await load(ports, table, { onProgress: ({ parts }) => void table.asked.push(`part ${parts}`) }, spec);
      assert.deepEqual(table.asked.slice(0, 5), [
        ...["part 0", "page after 0", "lines of 100", "part 1", "page after 100"],
      ]);
    }));
});
