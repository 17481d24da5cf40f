/** A backup that is older than an erasure: what it brings back of the person goes again, and is never told meanwhile. */
import assert from "node:assert/strict";
import { cp, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, before, describe, it } from "node:test";
import { Pseudonymizer } from "@ebb/core/ids";
import { logger } from "@ebb/functions/runtime/logger";
import { type Home, startHome } from "@ebb/home/home";
import { openQueries } from "@ebb/home/queries";
import { copySuppressions } from "@ebb/home/suppression-copies";
import { restoreBackup, takeBackup } from "@ebb/ports/embedded/backup";
import { openSecrets } from "@ebb/ports/embedded/configuration";
import { EmbeddedSourceTables } from "@ebb/ports/embedded/source-tables";
import type { Row, SourceTable } from "@ebb/ports/source-ports";
import { runEbb } from "../support/home-process.ts";
import { searchHome } from "./search-home.ts";
import { call, orderOf, tracesOf, trustKey } from "./shop-to-forget.ts";

logger.setLogLevel("ERROR");

const [ADA, BOB] = ["ada@shop.example", "bob@shop.example"];
/** Seen before the backup, and known to be Ada's only after it. */
const BROWSER = "browser-of-ada";

const ordersTable: SourceTable = {
  name: "source_orders",
  columns: [
    { name: "order_id", type: "string" },
    { name: "customer_key", type: "string" },
  ],
  key: ["order_id"],
};
const linesTable: SourceTable = {
  name: "source_orders_lines",
  columns: [
    { name: "id", type: "string" },
    { name: "order_no", type: "string" },
    { name: "sku", type: "string" },
  ],
  key: ["id"],
};

const rowsOf = async function* (rows: readonly Row[]): AsyncIterable<readonly Row[]> {
  yield rows;
};

/** Tables as a load of orders with lines leaves them, and a load that was cut off behind its first part. */
const loadSource = async (folder: string): Promise<void> => {
  const pseudonyms = new Pseudonymizer(openSecrets(folder).customerSecret);
  const [ada, bob] = [pseudonyms.customer(ADA), pseudonyms.customer(BOB)];
  const tables = await EmbeddedSourceTables.open({ lakeFolder: path.join(folder, "lake"), now: Date.now });
  await tables.stage(
    "load-1",
    ordersTable,
    0,
    rowsOf([
      ["S-1", ada],
      ["S-2", bob],
    ]),
  );
  await tables.stage(
    "load-1",
    linesTable,
    0,
    rowsOf([
      ["1", "S-1", "tea"],
      ["2", "S-1", "mug"],
      ["3", "S-2", "pot"],
    ]),
  );
  await tables.commit({
    source: "orders",
    loadId: "load-1",
    mode: "snapshot",
    table: ordersTable,
    keysStaged: false,
    lines: { table: linesTable, parent: "order_no", parentKey: "order_id" },
  });
  await tables.discard("load-1");
  await tables.stage(
    "load-2",
    ordersTable,
    0,
    rowsOf([
      ["S-3", ada],
      ["S-4\nof two lines", bob],
    ]),
  );
  await tables.close();
};

describe("a restore of a backup that is older than an erasure", () => {
  let root: string;
  let traces: string[];
  const folder = (name: string): string => path.join(root, name);

  const sql = async (home: string, text: string): Promise<unknown[]> => {
    const queries = openQueries(path.join(folder(home), "lake"));
    try {
      return (await queries.query(text)).rows.flat();
    } finally {
      await queries.close();
    }
  };
  const figures = async (home: Home, id: string) => {
    const { status, body } = await call(home, home.readKey, "GET", `/v1/customers/${encodeURIComponent(id)}`);
    return status === 200 ? [body["orders"], body["net_minor"]] : status;
  };
  const begin = (name: string) => startHome({ folder: folder(name), port: 0, currency: "EUR" });
  const settled = async (home: Home): Promise<void> => {
    await home.settled();
    await home.flushLake();
  };

  before(async () => {
    root = await mkdtemp(path.join(tmpdir(), "ebb-restored-"));
    let home = await begin("live");
    const send = async (batch: readonly unknown[]): Promise<void> => {
      assert.equal((await call(home, home.writeKey, "POST", "/v1/batch", { batch })).status, 200);
      await settled(home);
    };
    await send([
      orderOf(ADA, "A-1", 10.5),
      orderOf(BOB, "B-1", 7.77),
      { type: "identify", userId: ADA, messageId: "i0", traits: { email: ADA } },
      { type: "page", anonymousId: BROWSER, messageId: "v1", properties: { path: "/before-she-was-known" } },
    ]);
    await home.close();
    await loadSource(folder("live"));
    traces = tracesOf(folder("live"), [ADA], [BROWSER]);
    await takeBackup(folder("live"), folder("backup"), Date.now());

    home = await begin("live");
    await send([{ type: "identify", userId: ADA, anonymousId: BROWSER, messageId: "i1" }]);
    const key = await trustKey(folder("live"));
    assert.equal((await call(home, key, "DELETE", `/v1/customers/${encodeURIComponent(ADA)}`)).status, 202);
    await home.erasuresEnded();
    await home.close();
    await copySuppressions(folder("live"), folder("live"), folder("list"));
  });
  after(() => rm(root, { recursive: true, force: true }));

  it("was needed: the erasure left no trace where it was made, tables of sources included, and the backup has them", async () => {
    assert.deepEqual(await searchHome(folder("live"), traces), []);
    assert.deepEqual(await sql("live", "SELECT order_id FROM source_orders"), ["S-2"]);
    assert.deepEqual(await sql("live", "SELECT sku FROM source_orders_lines"), ["pot"]);
    const found = await searchHome(folder("backup"), traces);
    for (const place of ["log.db", "customers.db", "profiles.db", "raw_events", "source_orders"])
      assert.ok(
        found.some((each) => each.includes(place)),
        `nothing in ${place}`,
      );
  });

  it("tells nothing of them from the first answer on, and leaves no trace of them; the others stay as they were", async () => {
    const { ended, output } = runEbb([
      ...["restore", folder("backup"), "--data", folder("restored"), "--suppressions", folder("list")],
    ]);
    assert.equal(await ended, 0, output());
    assert.match(output(), /2 people stay erased/); // Ada and her browser
    assert.match(output(), /2 of them are in the backup: the home erases them again when it starts/);
    const home = await begin("restored");
    try {
      assert.equal(await figures(home, ADA), 404);
      await home.erasuresEnded();
      assert.deepEqual(await searchHome(folder("restored"), traces), []);
      assert.equal(await figures(home, ADA), 404);
      assert.deepEqual(await figures(home, BOB), [1, 777]);
      const key = await trustKey(folder("restored"));
      const { body } = await call(home, key, "GET", "/v1/erasures");
      assert.deepEqual(
        (body["erasures"] as { state: string; customers: number }[]).map(({ state, customers }) => [state, customers]),
        [["done", 2]],
      );
    } finally {
      await home.close();
    }
    assert.deepEqual(await sql("restored", "SELECT order_id FROM source_orders"), ["S-2"]);
    const audit = runEbb(["audit", "--data", folder("restored")]);
    assert.equal(await audit.ended, 0, audit.output());
  });

  it("is made up for where it was cut off before anybody looked: the next start does", async () => {
    await restoreBackup(folder("backup"), folder("cut"));
    await cp(path.join(folder("list"), "suppressions.db"), path.join(folder("cut"), "suppressions.db"));
    const home = await begin("cut");
    try {
      assert.equal(await figures(home, ADA), 404);
      await home.erasuresEnded();
      assert.deepEqual(await searchHome(folder("cut"), traces), []);
    } finally {
      await home.close();
    }
    const again = await begin("cut");
    const key = await trustKey(folder("cut"));
    const { body } = await call(again, key, "GET", "/v1/erasures");
    await again.close();
    assert.equal((body["erasures"] as unknown[]).length, 1, "the second start begins no other erasure");
  });
});
