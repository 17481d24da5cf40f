/** Ranges of a table: every value lies in one of them, by SQLite's word; and what the databases are asked for. */
import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import { describe, it } from "node:test";
import fc from "fast-check";
import type { SourceField } from "../source-ports.ts";
import type { Address } from "./jdbc.ts";
import { jdbcRead } from "./jdbc.ts";
import { mysqlJdbc } from "./mysql-jdbc.ts";
import { canDivide, cutPoints, rangeConditions } from "./partitions.ts";
import { postgresJdbc } from "./postgres-jdbc.ts";

const { words } = postgresJdbc;
const int = { lake: "bigint" } as const;
const int64 = fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n });

describe("partitions of a table", () => {
  it("every value is in one range and no more, within the bounds, beyond them and without a value", () => {
    const database = new DatabaseSync(":memory:");
    fc.assert(
      fc.property(
        int64,
        int64,
        fc.integer({ min: 2, max: 40 }),
        fc.array(int64, { maxLength: 20 }),
        (a, b, count, more) => {
          const [low, high] = a < b ? [a, b] : [b, a];
          const cuts = cutPoints(int, { low: String(low), high: String(high) }, count);
          const conditions = rangeConditions("v", cuts, words);
          assert.ok(conditions.length <= count);
          for (const value of [low, high, null, ...cuts.map(BigInt), ...more]) {
            const sums = conditions.map((condition) => `(CASE WHEN ${condition} THEN 1 ELSE 0 END)`).join(" + ");
            const row = database.prepare(`SELECT ${sums} AS n FROM (SELECT CAST(? AS INTEGER) AS v)`).get(value);
            assert.equal(row?.["n"], 1, `${String(value)} in ${conditions.join(" | ")}`);
          }
        },
      ),
      { seed: 20261122, numRuns: 150 },
    );
    database.close();
  });

  it("ranges are of about the same width, of whole numbers of any size, days and instants", () => {
    assert.deepEqual(cutPoints(int, { low: "1", high: "100" }, 4), ["26", "51", "76"]);
    assert.deepEqual(cutPoints({ lake: "decimal(20,0)" }, { low: "0", high: "18446744073709551615" }, 2), [
      "9223372036854775808",
    ]);
    assert.deepEqual(cutPoints({ lake: "date" }, { low: "2026-02-27", high: "2026-03-02" }, 4), [
      "2026-02-28",
      "2026-03-01",
      "2026-03-02",
    ]);
    for (const [low, high] of [
      ["2026-01-01 00:00:00.5+00", "2026-01-01 00:00:03.999999+00"],
      ["2026-01-01 00:00:00", "2026-01-01 00:00:03.999999"],
    ] as const)
      assert.deepEqual(cutPoints({ lake: "timestamp" }, { low, high }, 2), ["2026-01-01 00:00:02"]);
  });

  it("what cannot be divided is one range that holds all: one value, none, no value of the calendar", () => {
    assert.deepEqual(rangeConditions("v", [], words), ["1 = 1"]);
    assert.deepEqual(cutPoints(int, undefined, 8), []);
    assert.deepEqual(cutPoints(int, { low: "7", high: "7" }, 8), []);
    assert.deepEqual(cutPoints(int, { low: "7", high: "8" }, 8), ["8"]);
    assert.deepEqual(cutPoints({ lake: "timestamp" }, { low: "-infinity", high: "2026-01-01 00:00:00" }, 8), []);
    assert.deepEqual(cutPoints({ lake: "date" }, { low: "0000-00-00", high: "2026-01-01" }, 8), []);
    const divided = (["int", "bigint", "decimal(20,0)", "date", "timestamp"] as const).every((lake) =>
      canDivide({ lake }),
    );
    const not = (["string", "double", "decimal(10,2)", "boolean"] as const).some((lake) => canDivide({ lake }));
    assert.deepEqual([divided, not], [true, false]);
  });
});

describe("what Spark is told to read", () => {
  const address: Address = {
    source: "orders",
    host: "shop.example.internal",
    port: 5432,
    database: "the shop",
    user: "ebb_reader",
    tls: { mode: "verify" },
  };
  const fields: SourceField[] = [
    { name: "id", type: "bigint", lake: "bigint" },
    { name: 'no"te', type: "text", lake: "string" },
    { name: "at", type: "timestamp without time zone", lake: "timestamp" },
  ];
  const plan = { from: { table: "public.orders" }, fields: ["id", 'no"te', "at"], key: ["id"], watermark: "at" };
  const partition = { field: "id", conditions: ["1 = 1"] };

  it("of PostgreSQL: text by each type's own output, one snapshot for all, TLS with the authorities that are given", () => {
    const read = jdbcRead({ address, jdbc: postgresJdbc }, plan, fields, '"orders"', " WHERE x", partition, {
      authorities: () => "PEM",
      customer: undefined,
    });
    assert.equal(
      read.select,
      `SELECT ("id")::text AS c0, CASE WHEN "no""te" IS NOT DISTINCT FROM NULL THEN NULL ELSE concat("no""te") END AS c1, ("at")::text AS c2, "at"::text AS c3, "id" AS ebb_partition FROM "orders" WHERE x`,
    );
    assert.deepEqual([read.cells, read.authorities, read.user], [4, "PEM", "ebb_reader"]);
    assert.match(
      read.url,
      /^jdbc:postgresql:\/\/shop\.example\.internal:5432\/the%20shop\?sslmode=verify-full&sslrootcert=ebb-ca\.pem&/,
    );
    assert.match(
      read.begin,
      /REPEATABLE READ READ ONLY; SET TRANSACTION SNAPSHOT '\{snapshot\}'; SET TimeZone = 'UTC'/,
    );
    assert.equal(read.snapshot?.ask, "SELECT pg_export_snapshot()");
  });

  it("of MySQL: text by a cast, bytes as hexadecimal, no shared look, and no file of the worker is ever sent", () => {
    const of = [{ name: "b", type: "blob", lake: "string" } as const, fields[0]!];
    const own = { ...address, tls: { mode: "verify", ca: "OWN" } } as const;
    const read = jdbcRead(
      { address: own, jdbc: mysqlJdbc },
      { ...plan, watermark: undefined },
      of,
      "`o`",
      "",
      partition,
      { authorities: () => "PEM", customer: undefined },
    );
    assert.equal(
      read.select,
      "SELECT CAST(LOWER(HEX(`b`)) AS CHAR) AS c0, CAST(`id` AS CHAR) AS c1, `id` AS ebb_partition FROM `o`",
    );
    assert.deepEqual([read.authorities, read.snapshot], ["OWN", undefined]);
    assert.match(
      read.url,
      /^jdbc:mysql:.*permitMysqlScheme=true&sslMode=verify-full&serverSslCert=ebb-ca\.pem&allowLocalInfile=false/,
    );
  });
});
