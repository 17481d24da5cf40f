/** The running home loads a source that its folder declares; one order from three sides counts once. */
import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, before, describe, it } from "node:test";
import { type Home, startHome } from "@ebb/home/home";
import { readRunning } from "@ebb/home/home-folder";
import { task } from "@ebb/home/running-home";
import { DuckDbQueryEngine } from "@ebb/ports/embedded/query-engine";
import { type Server, postgresProgram, startPostgres } from "./servers.ts";
import { READER } from "./shop.ts";

const found = postgresProgram();

describe("a home with a database", { skip: found === undefined && "PostgreSQL is not installed" }, () => {
  const folder = mkdtempSync(path.join(tmpdir(), "ebb-home-sources-"));
  let server: Server;
  let home: Home;
  let declared: object;
  let db: object;
  before(async () => {
    server = await startPostgres(found!);
    await server.run(`
      CREATE TABLE orders (id integer PRIMARY KEY, customer text, placed timestamptz, total numeric(12,2), updated timestamptz DEFAULT now());
      CREATE TABLE items (id serial PRIMARY KEY, order_id integer, sku text, qty integer, price numeric(12,2));
      INSERT INTO orders VALUES (1, 'ada', '2026-01-05 10:00+01', 20.00), (2, 'ada', '2026-01-06 10:00+01', 30.00), (3, 'bob', '2026-01-07 10:00+01', 40.00);
      INSERT INTO items (order_id, sku, qty, price) SELECT id, 'tea', 2, total / 2 FROM orders;
      CREATE ROLE ${READER} LOGIN PASSWORD '${server.password}';
      GRANT SELECT ON orders, items TO ${READER}`);
    mkdirSync(folder, { recursive: true });
    process.env["EBB_TEST_SHOP_PASSWORD"] = server.password;
    declared = {
      name: "orders",
      connection: "db",
      maps: "orders",
      table: "public.orders",
      key: ["id"],
      mode: "incremental",
      watermark: { field: "updated" },
      deletion: "keys",
      currency: "USD",
      fields: { order_id: "id", customer_id: "customer", occurred_at: "placed", total: "total" },
      lines: {
        table: "items",
        order: "order_id",
        key: ["id"],
        fields: { product_id: "sku", quantity: "qty", unit_price: "price" },
      },
    };
    db = {
      kind: "postgres",
      host: "127.0.0.1",
      port: server.port,
      database: "postgres",
      user: READER,
      password: { secret: "EBB_TEST_SHOP_PASSWORD" },
      ca_file: server.caFile,
    };
    writeFileSync(path.join(folder, "ebb.sources.json"), JSON.stringify({ connections: { db }, sources: [declared] }));
    home = await startHome({ folder, currency: "USD" });
  });
  after(async () => {
    await home.close();
    await server.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  const load = async (): Promise<unknown> =>
    await task(readRunning(folder)!, "sources", { name: "orders" }, () => undefined);
  const orders = async (): Promise<unknown> => {
    await home.settled();
    await home.flushLake();
    const engine = await DuckDbQueryEngine.open({ folder: path.join(folder, "lake") });
    try {
      const { rows } = await engine.query("SELECT order_id, CAST(net_minor AS BIGINT) FROM orders ORDER BY order_id");
      return rows.map(([id, net]) => [id, Number(net)]);
    } finally {
      engine.close();
    }
  };
  const send = async (id: string, revenue: number, messageId: string): Promise<void> => {
    const response = await fetch(`${home.url}/v1/track`, {
      method: "POST",
      headers: { "x-write-key": home.writeKey, "content-type": "application/json" },
      body: JSON.stringify({
        userId: "ada",
        event: "Order Completed",
        messageId,
        timestamp: "2026-01-05T09:00:00Z",
        properties: { order_id: id, revenue, currency: "USD" },
      }),
    });
    assert.equal(response.status, 200);
  };
  const upload = async (text: string): Promise<void> => {
    const response = await fetch(`${home.url}/v1/uploads?layout=order_lines`, {
      method: "POST",
      headers: { "x-write-key": home.writeKey, "content-type": "text/csv" },
      body: text,
    });
    assert.equal(response.status, 202, await response.text());
    await home.settled();
  };

  it("the database outranks file lines and HTTP outranks the database, in whatever order they come", async () => {
    await upload(
      "order_id,customer_id,order_date,product_id,quantity,unit_price\n1,ada,2026-01-05,tea,1,7.00\n2,ada,2026-01-06,tea,1,7.00\n9,ada,2026-01-06,tea,1,9.00\n",
    );
    assert.deepEqual(await orders(), [
      ["1", 700],
      ["2", 700],
      ["9", 900],
    ]);
    await load();
    assert.deepEqual(await orders(), [
      ["1", 2000],
      ["2", 3000],
      ["3", 4000],
      ["9", 900],
    ]);
    await send("1", 21, "m-1");
    assert.deepEqual(await orders(), [
      ["1", 2100],
      ["2", 3000],
      ["3", 4000],
      ["9", 900],
    ]);
    await upload("order_id,customer_id,order_date,product_id,quantity,unit_price\n2,ada,2026-01-06,milk,1,1.00\n");
    await server.run("UPDATE orders SET total = 33, updated = now() WHERE id <= 2; DELETE FROM orders WHERE id = 3");
    await load();
    assert.deepEqual(await orders(), [
      ["1", 2100],
      ["2", 3300],
      ["3", 0],
      ["9", 900],
    ]);
  });

  it("a change of a line alone is seen by a snapshot; by an increment when its order's watermark moves", async () => {
    const lines = async (): Promise<string[]> => {
      const engine = await DuckDbQueryEngine.open({ folder: path.join(folder, "lake") });
      const { rows } = await engine.query("SELECT order_id, product_id FROM source_orders_lines ORDER BY order_id");
      engine.close();
      return rows.map((row) => row.map(String).join(" "));
    };
    // Behind the overlap: what it holds is read again in any case.
    await server.run("UPDATE orders SET updated = now() - interval '1 hour' WHERE id = 1");
    await load();
    await server.run("UPDATE items SET sku = 'coffee' WHERE order_id = 1");
    const events = async (): Promise<number> => ((await load()) as { counts: { events: number } }).counts.events;
    assert.equal(await events(), 0);
    assert.deepEqual(await lines(), ["1 tea", "2 tea"]);
    const { watermark: _, deletion: __, ...rest } = declared as Record<string, unknown>;
    const write = (source: object): void =>
      writeFileSync(path.join(folder, "ebb.sources.json"), JSON.stringify({ connections: { db }, sources: [source] }));
    write({ ...rest, mode: "snapshot" });
    assert.equal(await events(), 1, "another declaration reads everything, and one order has another line");
    assert.deepEqual(await lines(), ["1 coffee", "2 tea"]);
    await server.run("UPDATE items SET sku = 'tea' WHERE order_id = 1");
    assert.equal(await events(), 1);
    assert.deepEqual(await lines(), ["1 tea", "2 tea"]);
    write(declared);
  });

  it("the table and its lines are there for SQL, and a load that brings nothing says so", async () => {
    const again = (await load()) as { counts: { events: number } };
    assert.equal(again.counts.events, 0);
    const engine = await DuckDbQueryEngine.open({ folder: path.join(folder, "lake") });
    const { rows } = await engine.query(
      "SELECT o.order_id, o.total, l.product_id FROM source_orders o JOIN source_orders_lines l USING (order_id) ORDER BY 1",
    );
    engine.close();
    assert.deepEqual(
      rows.map((row) => row.map(String)),
      [
        ["1", "33.00", "tea"],
        ["2", "33.00", "tea"],
      ],
    );
  });
});
