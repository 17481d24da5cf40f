/** Values that databases hold and lakes do not, on the servers themselves. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { describe, it } from "node:test";
import { parseSources } from "@ebb/functions/collect/sources";
import { loadRows } from "@ebb/functions/collect/sources/load";
import { DuckDbQueryEngine } from "@ebb/ports/embedded/query-engine";
import { MysqlReader } from "@ebb/ports/source-readers/mysql";
import { PostgresReader } from "@ebb/ports/source-readers/postgres";
import { openPorts } from "./ports.ts";
import { type Server, mariadbProgram, postgresProgram, startMariadb, startPostgres } from "./servers.ts";
import { READER, connectionOf } from "./shop.ts";

/** Loads the table `odd` and answers its types, its rows as text, and what became null. */
const loaded = async (server: Server, keep: readonly string[], timezone: string) => {
  const folder = mkdtempSync(path.join(tmpdir(), "ebb-types-"));
  const ports = await openPorts(folder);
  const [source] = parseSources({
    connections: { db: { kind: server.kind, host: "127.0.0.1", database: "shop", user: READER } },
    sources: [
      {
        name: "odd",
        connection: "db",
        maps: "products",
        table: "odd",
        key: ["id"],
        mode: "snapshot",
        timezone,
        fields: { product_id: "id" },
        keep,
      },
    ],
  });
  assert.equal(source?.kind, "relational");
  const connection = connectionOf(server, "odd");
  const reader = server.kind === "postgres" ? new PostgresReader(connection) : new MysqlReader(connection);
  try {
    const end = await loadRows(ports, source.spec, reader, { owner: "test", remainingMs: () => Infinity });
    const engine = await DuckDbQueryEngine.open({ folder: path.join(folder, "lake") });
    const { columns, rows } = await engine.query("SELECT * FROM source_odd ORDER BY product_id");
    engine.close();
    return {
      types: columns.map(({ type }) => type),
      rows: rows.map((row) => row.map((value) => (value === null ? null : String(value as string)))),
      nulled: end!.counts.nulled,
    };
  } finally {
    await reader.close();
    await ports.close();
    rmSync(folder, { recursive: true, force: true });
  }
};

describe("types", () => {
  const postgres = postgresProgram();
  it(
    "PostgreSQL: exact decimals, UTC, JSON, bytes, arrays, enums; infinity and NaN are null and counted",
    { skip: postgres === undefined },
    async () => {
      const server = await startPostgres(postgres!);
      try {
        await server.run(`
        CREATE TYPE mood AS ENUM ('good', 'bad');
        CREATE TABLE odd (id integer PRIMARY KEY, exact numeric(30,10), free numeric, tz timestamptz, naive timestamp, day date, flag boolean, m mood, j jsonb, b bytea, a integer[], d double precision, u uuid);
        INSERT INTO odd VALUES
          (1, 12345678901234567890.0123456789, 0.10000000000000000000000000000000000000001, '2026-03-29 03:30:00.123456+02', '2026-07-01 12:00:00', '2026-02-28', true, 'good', '{"a": [1, "x"]}', '\\xdeadbeef', '{1,NULL,3}', 0.1, '00000000-0000-0000-0000-00000000000a'),
          (2, 'NaN', 'NaN', 'infinity', '0044-03-15 00:00:00 BC', '-infinity', false, 'bad', 'null', '', '{}', 'NaN', NULL),
          (3, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
        CREATE ROLE ${READER} LOGIN PASSWORD '${server.password}'; GRANT SELECT ON odd TO ${READER}`);
        const { types, rows, nulled } = await loaded(
          server,
          ["exact", "free", "tz", "naive", "day", "flag", "m", "j", "b", "a", "d", "u"],
          "Europe/Berlin",
        );
        assert.deepEqual(types, [
          "INTEGER",
          "DECIMAL(30,10)",
          "VARCHAR",
          "TIMESTAMP",
          "TIMESTAMP",
          "DATE",
          "BOOLEAN",
          "VARCHAR",
          "VARCHAR",
          "VARCHAR",
          "VARCHAR",
          "DOUBLE",
          "VARCHAR",
        ]);
        assert.deepEqual(rows, [
          [
            "1",
            "12345678901234567890.0123456789",
            "0.10000000000000000000000000000000000000001",
            "2026-03-29 01:30:00.123456",
            "2026-07-01 10:00:00",
            "2026-02-28",
            "true",
            "good",
            '{"a": [1, "x"]}',
            "deadbeef",
            "[1, null, 3]",
            "0.1",
            "00000000-0000-0000-0000-00000000000a",
          ],
          ["2", null, "NaN", null, null, null, "false", "bad", "null", "", "[]", "NaN", null],
          ["3", ...Array<null>(12).fill(null)],
        ]);
        assert.deepEqual(nulled, { exact: 1, tz: 1, naive: 1, day: 1 });
      } finally {
        await server.stop();
      }
    },
  );

  const mariadb = mariadbProgram();
  it(
    "MariaDB: unsigned integers, exact decimals, UTC, bytes, sets; zero dates are null and counted",
    { skip: mariadb === undefined },
    async () => {
      const server = await startMariadb(mariadb!);
      try {
        await server.run(`
        CREATE TABLE odd (id integer PRIMARY KEY, big bigint unsigned, exact decimal(30,10), naive datetime(6), ts timestamp NULL, day date, e enum('good','bad'), s set('x','y'), j json, b varbinary(10), f float, d double, t text);
        SET time_zone = '+00:00';
        INSERT INTO odd VALUES
          (1, 18446744073709551615, 12345678901234567890.0123456789, '2026-07-01 12:00:00.123456', '2026-07-01 12:00:00', '2026-02-28', 'good', 'x,y', '{"a": 1}', x'deadbeef', 0.5, 0.1, 'é€😀'),
          (2, 0, -0.5, '0000-00-00 00:00:00', '0000-00-00 00:00:00', '2026-00-10', 'bad', '', '[]', '', 1e30, -1e-300, '');
        CREATE USER ${READER}@'%' IDENTIFIED BY '${server.password}' REQUIRE SSL; GRANT SELECT ON shop.odd TO ${READER}@'%'`);
        const { types, rows, nulled } = await loaded(
          server,
          ["big", "exact", "naive", "ts", "day", "e", "s", "j", "b", "d", "t"],
          "+02:00",
        );
        assert.deepEqual(types, [
          "INTEGER",
          "DECIMAL(20,0)",
          "DECIMAL(30,10)",
          "TIMESTAMP",
          "TIMESTAMP",
          "DATE",
          "VARCHAR",
          "VARCHAR",
          "VARCHAR",
          "VARCHAR",
          "DOUBLE",
          "VARCHAR",
        ]);
        assert.deepEqual(rows, [
          [
            "1",
            "18446744073709551615",
            "12345678901234567890.0123456789",
            "2026-07-01 10:00:00.123456",
            "2026-07-01 12:00:00",
            "2026-02-28",
            "good",
            "x,y",
            '{"a": 1}',
            "deadbeef",
            "0.1",
            "é€😀",
          ],
          ["2", "0", "-0.5000000000", null, null, null, "bad", "", "[]", "", "-1e-300", ""],
        ]);
        assert.equal(nulled["ts"], 1);
        assert.equal(nulled["day"], 1);
      } finally {
        await server.stop();
      }
    },
  );
});
