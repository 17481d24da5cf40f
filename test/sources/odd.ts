/** A table `odd` with values of every type, some of which lakes do not have, and a balance that moves between its rows. */
import { parseSources } from "@ebb/functions/collect/sources";
import type { Server } from "./servers.ts";
import { READER, type Relational } from "./shop.ts";

/** What every row has of the balance before anything moves. */
export const BALANCE = 1_000;

const columns = {
  postgres: {
    exact: "numeric(30,10)",
    free: "numeric",
    tz: "timestamptz",
    naive: "timestamp",
    day: "date",
    hour: "time",
    span: "interval",
    flag: "boolean",
    m: "mood",
    j: "jsonb",
    js: "json",
    b: "bytea",
    a: "integer[]",
    texts: "text[]",
    d: "double precision",
    r: "real",
    u: "uuid",
    ip: "inet",
    padded: "char(5)",
    label: "varchar(50)",
    bits: "bit(3)",
    pair: "point",
    big: "bigint",
    small: "smallint",
    note: "text",
  },
  mysql: {
    exact: "decimal(30,10)",
    huge: "decimal(65,5)",
    tz: "timestamp(6) NULL",
    naive: "datetime(6)",
    day: "date",
    hour: "time(3)",
    y: "year",
    flag: "tinyint(1)",
    m: "enum('good','bad')",
    s: "set('x','y','z')",
    j: "json",
    b: "blob",
    bin: "binary(4)",
    bits: "bit(8)",
    d: "double",
    r: "float",
    padded: "char(5)",
    label: "varchar(50)",
    ubig: "bigint unsigned",
    big: "bigint",
    medium: "mediumint unsigned",
    long_text: "longtext",
    note: "text",
  },
} as const;

/** Expressions over `i`, by column; every eleventh row is without values. */
const values = {
  postgres: {
    exact: "i * 1234567890.0123456789",
    free: "i / 7.0",
    tz: "timestamptz '2026-03-29 03:30:00.123456+02' + i * interval '1 minute'",
    naive: "timestamp '2026-03-29 01:00:00' + i * interval '1 minute'",
    day: "date '2026-02-28' + i % 400",
    hour: "time '00:00:01' + i * interval '1 second'",
    span: "make_interval(days => i, secs => i)",
    flag: "i % 2 = 0",
    m: "(CASE WHEN i % 3 = 0 THEN 'good' ELSE 'bad' END)::mood",
    j: "jsonb_build_object('a', ARRAY[i], 'b', E'x\\n\"y')",
    js: "json_build_object('a', i, 'b', 'é😀')",
    b: "decode(md5(i::text), 'hex')",
    a: "ARRAY[i, NULL, i + 1]",
    texts: "ARRAY['a,b', E'c\"d', NULL, '']",
    d: "i * 0.1::double precision",
    r: "(i * 0.1)::real",
    u: "md5(i::text)::uuid",
    ip: "'10.0.0.1'::inet + i",
    padded: "(i % 100)::text",
    label: "CASE WHEN i % 7 = 0 THEN '' ELSE 'label ' || i END",
    bits: "(i % 8)::bit(3)",
    pair: "point(i, i / 3.0)",
    big: "9007199254740993 + i",
    small: "i % 30000",
    note: "CASE WHEN i % 5 = 0 THEN E'tab\\tquote\" \\\\N \\\\ line\\nend\\r' ELSE 'note é 😀 ' || i END",
  },
  mysql: {
    exact: "i * 1234567890.0123456789",
    huge: "i * 123456789012345678901234567890.12345",
    tz: "TIMESTAMP '2026-03-29 03:30:00.123456' + INTERVAL i MINUTE",
    naive: "TIMESTAMP '2026-03-29 01:00:00' + INTERVAL i MINUTE",
    day: "DATE '2026-02-28' + INTERVAL (i % 400) DAY",
    hour: "SEC_TO_TIME(i)",
    y: "2000 + i % 100",
    flag: "i % 2",
    m: "IF(i % 3 = 0, 'good', 'bad')",
    s: "IF(i % 2, 'x,z', '')",
    j: "JSON_OBJECT('a', i, 'b', 'x\\n\"y é😀')",
    b: "UNHEX(MD5(i))",
    bin: "UNHEX(LEFT(MD5(i), 8))",
    bits: "i % 256",
    d: "i * 0.1e0",
    r: "i * 0.1",
    padded: "CONCAT(i % 100, '  ')",
    label: "IF(i % 7 = 0, '', CONCAT('label ', i))",
    ubig: "18446744073709551615 - i",
    big: "9007199254740993 + i",
    medium: "i",
    long_text: "REPEAT(CONCAT('é', i), 50)",
    note: "IF(i % 5 = 0, 'tab\\tquote\" \\\\N \\\\ line\\nend\\r', CONCAT('note é 😀 ', i))",
  },
} as const;

/** Rows of values that no calendar or number type of a lake has. */
const strange = {
  postgres: {
    exact: "'NaN'",
    free: "'NaN'",
    tz: "'infinity'",
    naive: "'0044-03-15 00:00:00 BC'",
    day: "'-infinity'",
    d: "'Infinity'",
    r: "'NaN'",
  },
  mysql: { naive: "'0000-00-00 00:00:00'", day: "'0000-00-00'", tz: "'0000-00-00 00:00:00'", y: "0" },
} as const;

export const makeOdd = async (server: Server, rows: number): Promise<void> => {
  const isPostgres = server.kind === "postgres";
  const types = columns[server.kind];
  const names = Object.keys(types);
  const of = values[server.kind] as Readonly<Record<string, string>>;
  const instant = isPostgres ? "timestamptz" : "datetime(6)";
  const numbers = isPostgres ? `generate_series(1, ${rows}) AS n(i)` : `(SELECT seq AS i FROM seq_1_to_${rows}) AS n`;
  const declared = Object.entries(types).map(([name, type]) => `${name} ${type}`);
  const cells = names.map((name) => `CASE WHEN i % 11 = 0 THEN NULL ELSE ${of[name]!} END`);
  const odd = Object.entries(strange[server.kind]);
  await server.run(`
    ${isPostgres ? "CREATE TYPE mood AS ENUM ('good', 'bad');" : ""}
    CREATE TABLE odd (id bigint PRIMARY KEY, email varchar(100) NOT NULL, untold varchar(100) NOT NULL, balance integer NOT NULL, updated_at ${instant} NULL, ${declared.join(", ")});
    INSERT INTO odd (id, email, untold, balance, updated_at, ${names.join(", ")})
      SELECT i * 1000, ${isPostgres ? "'person' || i || '@example.com'" : "CONCAT('person', i, '@example.com')"}, 'never declared', ${BALANCE},
        CASE WHEN i % 100 = 0 THEN NULL ELSE ${isPostgres ? "timestamptz '2024-01-01 00:00:00+00' + i * interval '1 second'" : "TIMESTAMP '2024-01-01 00:00:00' + INTERVAL i SECOND"} END,
        ${cells.join(", ")} FROM ${numbers};
    INSERT INTO odd (id, email, untold, balance, updated_at, ${odd.map(([name]) => name).join(", ")})
      VALUES (-5, 'nobody@example.com', 'never declared', ${BALANCE}, '2024-01-01 00:00:00', ${odd.map(([, value]) => value).join(", ")})`);
  await server.run(
    isPostgres
      ? `CREATE ROLE ${READER} LOGIN PASSWORD '${server.password}'; GRANT SELECT ON odd TO ${READER}`
      : `CREATE USER ${READER}@'%' IDENTIFIED BY '${server.password}' REQUIRE SSL; GRANT SELECT ON shop.odd TO ${READER}@'%'`,
  );
};

/** Moves one from one row to another in one transaction: the sum over all stays what it is. */
export const move = async (server: Server, from: number, to: number): Promise<void> => {
  const now = server.kind === "postgres" ? "now()" : "UTC_TIMESTAMP(6)";
  await server.run(
    `BEGIN; UPDATE odd SET balance = balance - 1, updated_at = ${now} WHERE id = ${from}; UPDATE odd SET balance = balance + 1, updated_at = ${now} WHERE id = ${to}; COMMIT`,
  );
};

/** The declaration, with partitions by the key. */
export const declaredOdd = (server: Server, changes: Readonly<Record<string, unknown>> = {}): Relational => {
  const [source] = parseSources({
    connections: {
      db: {
        kind: server.kind,
        host: "127.0.0.1",
        port: server.port,
        database: server.kind === "postgres" ? "postgres" : "shop",
        user: READER,
        password: { secret: "ODD_PASSWORD" },
        ca_file: server.caFile,
      },
    },
    sources: [
      {
        name: "odd",
        connection: "db",
        maps: "profiles",
        table: "odd",
        key: ["id"],
        mode: "incremental",
        watermark: { field: "updated_at", overlap: "1m" },
        deletion: "none",
        timezone: server.kind === "postgres" ? "Europe/Berlin" : "+01:00",
        fields: { customer_id: "id" },
        keep: ["balance", ...Object.keys(columns[server.kind])],
        personal: ["email"],
        page: 3_000,
        read: { spark: { partitions: 5 } },
        ...changes,
      },
    ],
  });
  return source as Relational;
};
