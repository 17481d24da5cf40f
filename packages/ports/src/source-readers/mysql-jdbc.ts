/** MySQL and MariaDB as Spark reads them: each partition out of one statement's look, for they share none between connections. */
import mysql from "mysql2";
import type { JdbcDialect } from "./jdbc.ts";
import { mysqlExpression } from "./mysql-types.ts";
import type { SqlWords } from "./sql-text.ts";

const words: SqlWords = { name: (name) => mysql.escapeId(name, true), value: (text) => mysql.escape(text) };

export const mysqlJdbc: JdbcDialect = {
  words,
  driver: "org.mariadb.jdbc.Driver",
  text: (field, timezone) => `CAST(${mysqlExpression(field, words.name(field.name), timezone, words)} AS CHAR)`,
  raw: (expression) => `CAST(${expression} AS CHAR)`,
  url: ({ host, port, database, tls }, caFile) => {
    // Spark quotes names as MySQL does by the scheme alone, which MariaDB's driver takes only when it is asked to.
    const parameters = new URLSearchParams({
      permitMysqlScheme: "true",
      ...(tls.mode === "off" ? { sslMode: "disable" } : { sslMode: "verify-full", serverSslCert: caFile }),
      allowLocalInfile: "false",
      connectTimeout: "15000",
      tcpKeepAlive: "true",
    });
    const name = host.includes(":") ? `[${host}]` : host;
    return `jdbc:mysql://${name}:${port}/${database}?${parameters.toString()}`;
  },
  // A worker that is busy writing must not lose its connection.
  begin: "SET SESSION time_zone = '+00:00', net_write_timeout = 600",
};
