/**
 * Loads of real databases into the tables that AWS has, on Trino 435: after each load they are those of one machine, which
 * the lane of sources holds against the databases' own answers.
 */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, describe, it } from "node:test";
import { type RelationalSource, parseSources } from "@ebb/functions/collect/sources";
import { loadRows } from "@ebb/functions/collect/sources/load";
import { LakeSourceTables } from "@ebb/ports/aws/source-tables";
import { EmbeddedObjectStore } from "@ebb/ports/embedded";
import { DuckDbQueryEngine } from "@ebb/ports/embedded/query-engine";
import type { CommittedTable } from "@ebb/ports/source-ports";
import { MysqlReader } from "@ebb/ports/source-readers/mysql";
import { PostgresReader } from "@ebb/ports/source-readers/postgres";
import { type TestPorts, openPorts } from "../sources/ports.ts";
import { type Server, mariadbProgram, postgresProgram, startMariadb, startPostgres } from "../sources/servers.ts";
import { READER, connectionOf } from "../sources/shop.ts";
import { engineNamed, patience } from "./engines.ts";
import { readAsText, trinoLake } from "./trino-lake.ts";

const folder = mkdtempSync(path.join(tmpdir(), "ebb-source-load-"));
after(async () => {
  await (await engineNamed("trino")).clear();
  rmSync(folder, { recursive: true, force: true });
});

/** One way of writing times and floating numbers: engines write the same value in other words. */
const plain = (cell: unknown): string | null => {
  if (cell === null) return null;
  const text = `${cell as string | number | bigint | boolean}`;
  const time = /^(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d)(?:\.(\d+))?$/.exec(text);
  if (time !== null) return `${time[1]!}.${(time[2] ?? "").padEnd(6, "0")}`;
  return /^-?\d(?:\.\d+)?[eE]-?\d+$/.test(text) ? String(Number(text)) : text;
};
const sorted = (rows: readonly (readonly unknown[])[]): string[] =>
  rows.map((row) => JSON.stringify(row.map(plain))).sort();

/** Means to the digits that engines agree on. */
const rounded = ({ columns, ...counts }: CommittedTable) => ({
  ...counts,
  columns: columns?.map(({ mean, sd, ...held }) => ({ ...held, mean: mean?.toPrecision(9), sd: sd?.toPrecision(9) })),
});

/** Loads a source into the tables of both homes, each with its own memory of where it stands. */
const bothHomes = async (server: Server, name: string, spec: RelationalSource) => {
  const engine = await engineNamed("trino");
  const here = await openPorts(path.join(folder, name, "here"));
  const there = await openPorts(path.join(folder, name, "there"));
  const objects = new EmbeddedObjectStore(path.join(folder, name, "objects"));
  const { queries, long: statements } = trinoLake(engine, objects);
  const lake = new LakeSourceTables({ queries, statements, objects, lake: "s3://lake", now: Date.now });
  const load = async (ports: Parameters<typeof loadRows>[0]): Promise<readonly CommittedTable[]> => {
    const connection = connectionOf(server, name);
    const reader = server.kind === "postgres" ? new PostgresReader(connection) : new MysqlReader(connection);
    try {
      const end = await loadRows(ports, spec, reader, { owner: "test", remainingMs: () => Infinity });
      return end!.tables!;
    } finally {
      await reader.close();
    }
  };
  const eventsOf = ({ events }: TestPorts) => events.map(({ event_id, kind }) => `${kind} ${event_id}`).sort();
  return {
    async areEqual(): Promise<readonly CommittedTable[]> {
      const [committed, inLake] = [await load(here), await load({ ...there, sourceTables: lake })];
      assert.deepEqual(inLake.map(rounded), committed.map(rounded), "what the load did, and what the tables hold");
      const duckdb = await DuckDbQueryEngine.open({ folder: path.join(folder, name, "here", "lake") });
      try {
        for (const table of committed) {
          const { rows } = await duckdb.query(`SELECT * FROM ${table.name}`);
          assert.equal(rows.length, table.rows);
          assert.deepEqual(sorted((await readAsText(engine, table.name))!), sorted(rows), table.name);
        }
      } finally {
        duckdb.close();
      }
      assert.deepEqual(eventsOf(there), eventsOf(here), "what the load said");
      return committed;
    },
    close: async () => {
      await here.close();
      await there.close();
    },
  };
};

const declared = (server: Server, source: object): RelationalSource => {
  const [found] = parseSources({
    connections: { db: { kind: server.kind, host: "127.0.0.1", database: "shop", user: READER } },
    sources: [{ connection: "db", key: ["id"], ...source }],
  });
  assert.equal(found?.kind, "relational");
  return found.spec;
};
const odd = { name: "odd", maps: "products", table: "odd", mode: "snapshot", fields: { product_id: "id" } };
const time = { timeout: patience * 300_000 };

const postgres = postgresProgram();
describe("loads of PostgreSQL into the lake of AWS", { skip: postgres === undefined }, () => {
  it("every type is what it is on one machine; orders and their lines are, after every change", time, async () => {
    const server = await startPostgres(postgres!);
    try {
      await server.run(`
        CREATE TYPE mood AS ENUM ('good', 'bad');
        CREATE TABLE odd (id integer PRIMARY KEY, exact numeric(30,10), free numeric, tz timestamptz, naive timestamp, day date, flag boolean, m mood, j jsonb, b bytea, a integer[], d double precision, n bigint, small smallint, t text);
        INSERT INTO odd VALUES
          (1, 12345678901234567890.0123456789, 0.10000000000000000000000000000000000000001, '2026-03-29 03:30:00.123456+02', '2026-07-01 12:00:00', '2026-02-28', true, 'good', '{"a": [1, "x"]}', '\\xdeadbeef', '{1,NULL,3}', 0.1, 9223372036854775807, -32768, E'tab\\t quote" line\\n \\\\N é😀'),
          (2, 'NaN', 'NaN', 'infinity', '0044-03-15 00:00:00 BC', '-infinity', false, 'bad', 'null', '', '{}', 'NaN', -1, 0, ''),
          (3, -0.5, 5, '0001-01-01 00:00:00+00', '9999-12-31 23:59:59.999999', '0001-01-01', NULL, NULL, NULL, NULL, NULL, -1e-300, NULL, NULL, ' '),
          (4, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, 1e30, NULL, NULL, NULL);
        CREATE TABLE orders (id integer PRIMARY KEY, customer_id integer, placed_at timestamptz NOT NULL, total numeric(12,2), updated_at timestamptz NOT NULL);
        CREATE TABLE order_lines (id integer PRIMARY KEY, order_id integer NOT NULL, sku text, qty integer, price numeric(12,2));
        INSERT INTO orders SELECT i, i % 7, timestamptz '2026-01-01 00:00:00+00' + i * interval '1 hour', i * 1.25, timestamptz '2026-01-01 00:00:00+00' + i * interval '1 hour' FROM generate_series(1, 300) AS n(i);
        INSERT INTO order_lines SELECT i, i / 3 + 1, 'sku ' || i % 5, i % 4 + 1, 1.25 FROM generate_series(1, 800) AS n(i);
        CREATE ROLE ${READER} LOGIN PASSWORD '${server.password}'; GRANT SELECT ON odd, orders, order_lines TO ${READER}`);
      const keep = ["exact", "free", "tz", "naive", "day", "flag", "m", "j", "b", "a", "d", "n", "small", "t"];
      const types = await bothHomes(server, "odd", declared(server, { ...odd, timezone: "Europe/Berlin", keep }));
      assert.deepEqual(
        (await types.areEqual()).map(({ rows }) => rows),
        [4],
      );
      await types.close();

      const orders = await bothHomes(
        server,
        "orders",
        declared(server, {
          name: "orders",
          maps: "orders",
          table: "orders",
          mode: "incremental",
          watermark: { field: "updated_at" },
          deletion: "keys",
          currency: "EUR",
          page: 100,
          fields: { order_id: "id", customer_id: "customer_id", occurred_at: "placed_at", total: "total" },
          lines: {
            table: "order_lines",
            order: "order_id",
            key: ["id"],
            fields: { product_id: "sku", quantity: "qty", unit_price: "price" },
          },
        }),
      );
      const counts = async () =>
        (await orders.areEqual()).map(({ inserted, updated, deleted }) => [inserted, updated, deleted]);
      assert.equal((await counts())[0]![0], 300);
      await server.run(`
        UPDATE orders SET total = total + 1, updated_at = now() WHERE id % 50 = 1;
        UPDATE order_lines SET qty = qty + 1 WHERE order_id % 50 = 1;
        DELETE FROM order_lines WHERE order_id = 51 AND id % 2 = 0;
        DELETE FROM order_lines WHERE order_id IN (7, 8); DELETE FROM orders WHERE id IN (7, 8);
        INSERT INTO orders VALUES (301, 3, now(), 9.99, now()); INSERT INTO order_lines VALUES (900, 301, 'new', 1, 9.99)`);
      assert.deepEqual((await counts())[0], [1, 6, 2]);
      assert.deepEqual((await counts())[0], [0, 0, 0]);
      await orders.close();
    } finally {
      await server.stop();
    }
  });
});

const mariadb = mariadbProgram();
describe("loads of MariaDB into the lake of AWS", { skip: mariadb === undefined }, () => {
  it("every type is what it is on one machine", time, async () => {
    const server = await startMariadb(mariadb!);
    try {
      await server.run(`
        CREATE TABLE odd (id integer PRIMARY KEY, big bigint unsigned, exact decimal(30,10), naive datetime(6), ts timestamp NULL, day date, e enum('good','bad'), s set('x','y'), j json, b varbinary(10), f float, d double, t text, tiny tinyint, yes bit(1));
        SET time_zone = '+00:00';
        INSERT INTO odd VALUES
          (1, 18446744073709551615, 12345678901234567890.0123456789, '2026-07-01 12:00:00.123456', '2026-07-01 12:00:00', '2026-02-28', 'good', 'x,y', '{"a": 1}', x'deadbeef', 0.5, 0.1, 'é€😀', 1, b'1'),
          (2, 0, -0.5, '0000-00-00 00:00:00', '0000-00-00 00:00:00', '2026-00-10', 'bad', '', '[]', '', 1e30, -1e-300, '', -5, b'0'),
          (3, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, 1e30, NULL, NULL, NULL);
        CREATE USER ${READER}@'%' IDENTIFIED BY '${server.password}' REQUIRE SSL; GRANT SELECT ON shop.odd TO ${READER}@'%'`);
      const keep = ["big", "exact", "naive", "ts", "day", "e", "s", "j", "b", "f", "d", "t", "tiny", "yes"];
      const types = await bothHomes(
        server,
        "odd_mariadb",
        declared(server, { ...odd, name: "odd_mariadb", timezone: "+02:00", keep }),
      );
      assert.deepEqual(
        (await types.areEqual()).map(({ rows }) => rows),
        [3],
      );
      await types.close();
    } finally {
      await server.stop();
    }
  });
});
