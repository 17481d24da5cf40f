/** A shop in a relational database, and its declarations. The same for PostgreSQL and MariaDB, but for their words. */
import type { Source } from "@ebb/functions/collect/sources";
import { parseSources } from "@ebb/functions/collect/sources";
import type { RelationalConnection } from "@ebb/ports/source-readers/connection";
import { readFileSync } from "node:fs";
import type { Server } from "./servers.ts";

/** The user that reads and does nothing else; the SQL of docs/sources.md. */
export const READER = "ebb_reader";

export const makeShop = async (server: Server, customers: number, orders: number): Promise<void> => {
  const isPostgres = server.kind === "postgres";
  const instant = isPostgres ? "timestamptz" : "datetime(6)";
  const start = isPostgres ? "timestamptz '2024-01-01 00:00:00+00'" : "TIMESTAMP '2024-01-01 00:00:00'";
  const plus = (seconds: string): string =>
    isPostgres ? `${start} + (${seconds}) * interval '1 second'` : `${start} + INTERVAL (${seconds}) SECOND`;
  const numbers = (count: number): string =>
    isPostgres ? `generate_series(1, ${count}) AS n(i)` : `(SELECT seq AS i FROM seq_1_to_${count}) AS n`;
  const text = (expression: string): string => (isPostgres ? `(${expression})::text` : `CAST(${expression} AS CHAR)`);
  const concat = (...parts: string[]): string => (isPostgres ? parts.join(" || ") : `CONCAT(${parts.join(", ")})`);
  await server.run(`
    CREATE TABLE customers (id integer PRIMARY KEY, email varchar(200) NOT NULL, full_name varchar(200), country varchar(2), tier varchar(10), updated_at ${instant} NOT NULL);
    INSERT INTO customers SELECT i, ${concat("'c'", text("i"), "'@example.com'")}, ${concat("'Person '", text("i"))}, CASE i % 3 WHEN 0 THEN 'DE' WHEN 1 THEN 'AT' ELSE NULL END, 'basic', ${plus("i")} FROM ${numbers(customers)};
    CREATE TABLE orders (id integer PRIMARY KEY, customer_id integer NOT NULL, placed_at ${instant} NOT NULL, total decimal(12,2) NOT NULL, status varchar(20) NOT NULL, note varchar(100), updated_at ${instant} NOT NULL);
    INSERT INTO orders SELECT i, i % ${customers} + 1, ${plus("i * 20")}, (i % 50000) / 100.0 + 0.01, CASE WHEN i % 50 = 0 THEN 'cancelled' ELSE 'paid' END,
      CASE WHEN i % 1000 = 0 THEN ${isPostgres ? "E'tab\\tquote\" \\\\N line\\nend'" : "'tab\\tquote\" \\\\N line\\nend'"} WHEN i % 7 = 0 THEN '' WHEN i % 11 = 0 THEN NULL ELSE ${concat("'note é '", text("i"))} END, ${plus("i * 20")} FROM ${numbers(orders)};
    CREATE INDEX orders_updated ON orders (updated_at, id)`);
  await server.run(
    isPostgres
      ? `CREATE ROLE ${READER} LOGIN PASSWORD '${server.password}'; GRANT SELECT ON orders, customers TO ${READER}; ANALYZE orders`
      : `CREATE USER ${READER}@'%' IDENTIFIED BY '${server.password}' REQUIRE SSL; GRANT SELECT ON shop.orders TO ${READER}@'%'; GRANT SELECT ON shop.customers TO ${READER}@'%'`,
  );
};

export const connectionOf = (
  server: Server,
  source: string,
  changes: Partial<RelationalConnection> = {},
): RelationalConnection => ({
  source,
  host: "127.0.0.1",
  port: server.port,
  database: server.kind === "postgres" ? "postgres" : "shop",
  user: READER,
  password: server.password,
  tls: { mode: "verify", ca: readFileSync(server.caFile, "utf8") },
  ...changes,
});

export type Relational = Extract<Source, { kind: "relational" }>;

/** The declarations of the shop: people with their traits, orders. */
export const declared = (
  server: Server,
  changes: Readonly<Record<string, unknown>> = {},
): { readonly customers: Relational; readonly orders: Relational } => {
  const [customers, orders] = parseSources({
    connections: {
      shop: {
        kind: server.kind,
        host: "127.0.0.1",
        port: server.port,
        database: "shop",
        user: READER,
        password: { secret: "SHOP_PASSWORD" },
        ca_file: server.caFile,
      },
    },
    sources: [
      {
        name: "customers",
        connection: "shop",
        maps: "profiles",
        table: "customers",
        key: ["id"],
        mode: "snapshot",
        fields: { customer_id: "id" },
        keep: ["country", "tier"],
        personal: ["email", "full_name"],
      },
      {
        name: "orders",
        connection: "shop",
        maps: "orders",
        table: "orders",
        key: ["id"],
        mode: "incremental",
        watermark: { field: "updated_at", overlap: "10m" },
        deletion: "keys",
        currency: "EUR",
        cancelled: ["cancelled"],
        fields: {
          order_id: "id",
          customer_id: "customer_id",
          occurred_at: "placed_at",
          total: "total",
          status: "status",
        },
        keep: ["note", "updated_at"],
        ...changes,
      },
    ],
  }) as [Relational, Relational];
  return { customers, orders };
};
