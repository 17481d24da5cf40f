/** A running home takes what others lay down in a folder: each object once, by the pipeline of uploads. */
import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, before, describe, it } from "node:test";
import { gzipSync } from "node:zlib";
import { DuckDBInstance } from "@duckdb/node-api";
import { type Home, startHome } from "@ebb/home/home";
import { readRunning } from "@ebb/home/home-folder";
import { task } from "@ebb/home/running-home";
import { DuckDbQueryEngine } from "@ebb/ports/embedded/query-engine";
import type { LoadEnd } from "@ebb/ports/source-ports";

const HEADER = "order_id,customer_id,order_date,product_id,quantity,unit_price\n";
const row = (order: number, price = "2.50"): string => `${order},ada,2026-01-0${(order % 9) + 1},tea,2,${price}\n`;

describe("a home with a folder that others write to", () => {
  const folder = mkdtempSync(path.join(tmpdir(), "ebb-objects-"));
  const inbox = path.join(folder, "inbox", "orders");
  let home: Home;
  const lay = (name: string, content: string | Buffer, ageSeconds = 3_600): void => {
    const file = path.join(inbox, name);
    mkdirSync(path.dirname(file), { recursive: true });
    writeFileSync(file, content);
    const at = Date.now() / 1_000 - ageSeconds;
    utimesSync(file, at, at);
  };
  before(async () => {
    mkdirSync(inbox, { recursive: true });
    const file = {
      connections: { inbox: { kind: "objects", folder: "inbox" } },
      sources: [
        { name: "drops", connection: "inbox", prefix: "orders/", settle: "5m", options: { layout: "order_lines" } },
      ],
    };
    writeFileSync(path.join(folder, "ebb.sources.json"), JSON.stringify(file));
    home = await startHome({ folder, currency: "EUR" });
  });
  after(async () => {
    await home.close();
    rmSync(folder, { recursive: true, force: true });
  });

  const load = async (): Promise<LoadEnd> =>
    (await task(readRunning(folder)!, "sources", { name: "drops" }, () => undefined)) as LoadEnd;
  const orders = async (): Promise<string[]> => {
    await home.settled();
    await home.flushLake();
    const engine = await DuckDbQueryEngine.open({ folder: path.join(folder, "lake") });
    try {
      const { rows } = await engine.query("SELECT order_id, CAST(net_minor AS BIGINT) FROM orders ORDER BY order_id");
      return rows.map((one) => one.map(String).join(" "));
    } finally {
      engine.close();
    }
  };
  const uploads = async (): Promise<{ filename: string; state: string; ledger?: { received: number } }[]> => {
    const response = await fetch(`${home.url}/v1/uploads`, { headers: { "x-write-key": home.writeKey } });
    return ((await response.json()) as { uploads: { filename: string; state: string }[] }).uploads;
  };

  it("CSV, JSON Lines, gzip and Parquet are taken once each; a broken one is told of; the young wait; markers are none", async () => {
    lay("a.csv", HEADER + row(1) + row(2));
    lay(
      "deep/er/b.jsonl",
      `${JSON.stringify({ order_id: "3", customer_id: "bob", order_date: "2026-01-03", product_id: "tea", quantity: 1, unit_price: 4 })}\n`,
    );
    lay("c.csv.gz", gzipSync(HEADER + row(4)));
    const instance = await DuckDBInstance.create(":memory:");
    const connection = await instance.connect();
    await connection.run(
      `COPY (SELECT '5' AS order_id, 'eve' AS customer_id, TIMESTAMPTZ '2026-01-05 01:00:00+02' AS order_date, 'tea' AS product_id, 3 AS quantity, 1.25::DECIMAL(9,2) AS unit_price) TO '${path.join(inbox, "d.parquet")}' (FORMAT parquet)`,
    );
    connection.closeSync();
    instance.closeSync();
    utimesSync(path.join(inbox, "d.parquet"), 1, 1);
    lay("broken.csv.gz", gzipSync(HEADER + row(6).repeat(500)).subarray(0, 60));
    lay("broken.parquet", "no Parquet");
    lay("young.csv", HEADER + row(7), 10);
    lay("_SUCCESS", "");
    lay("_temporary/0/part.csv", HEADER + row(8));
    lay(".hidden.csv", HEADER + row(8));
    writeFileSync(path.join(folder, "outside.csv"), HEADER + row(9));
    symlinkSync(path.join(folder, "outside.csv"), path.join(inbox, "link.csv"));
    lay("../elsewhere.csv", HEADER + row(9));
    const end = await load();
    const { objects, counts } = end;
    assert.deepEqual(
      [objects?.taken, objects?.failed, objects?.young, objects?.before, objects?.unfinished],
      [4, 2, 1, 0, 0],
    );
    assert.deepEqual(
      objects?.failures.map(({ key }) => key),
      ["orders/broken.csv.gz", "orders/broken.parquet"],
    );
    assert.match(objects.failures[1]!.message, /cannot be read as Parquet/);
    assert.deepEqual([counts.read, counts.quarantined], [5, 0]);
    assert.deepEqual(await orders(), ["1 500", "2 500", "3 400", "4 500", "5 375"]);
    const told = (await uploads()).map(({ filename, state }) => `${filename} ${state}`).sort();
    assert.deepEqual(told, [
      "a.csv done",
      "b.jsonl done",
      "broken.csv.gz failed",
      "broken.parquet failed",
      "c.csv.gz done",
      "d.parquet done",
    ]);
  });

  it("again: nothing; what became old enough, and what was laid down anew, is taken", async () => {
    const again = await load();
    assert.deepEqual([again.objects?.taken, again.objects?.before, again.counts.read], [0, 6, 0]);
    utimesSync(path.join(inbox, "young.csv"), 1, 1);
    lay("a.csv", HEADER + row(1) + row(2) + row(8, "9.99"), 1_800);
    lay("broken.csv.gz", gzipSync(HEADER + row(6)), 1_800);
    const end = await load();
    assert.deepEqual([end.objects?.taken, end.objects?.failed, end.objects?.before], [3, 0, 4]);
    // Rows of the first version that stand in the second one are duplicates.
    assert.deepEqual([end.counts.read, end.counts.events], [5, 3]);
    assert.deepEqual(await orders(), ["1 500", "2 500", "3 400", "4 500", "5 375", "6 500", "7 500", "8 1998"]);
  });

  it("a folder that is gone is told by name", async () => {
    rmSync(path.join(folder, "inbox"), { recursive: true });
    await assert.rejects(load(), /Source "drops": the folder inbox is not there/);
  });
});
