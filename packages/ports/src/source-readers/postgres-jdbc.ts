/** PostgreSQL as Spark reads it: all partitions out of one snapshot, which the program exports and holds. */
import pg from "pg";
import type { JdbcDialect } from "./jdbc.ts";
import { expressionOf } from "./postgres-types.ts";

const SESSION = "SET TimeZone = 'UTC'; SET DateStyle = 'ISO, YMD'; SET IntervalStyle = 'iso_8601'";

/** The text of a type's own output: a cast to text says more of an inet, and less of a char(n). */
const asText = (expression: string): string =>
  `CASE WHEN ${expression} IS NOT DISTINCT FROM NULL THEN NULL ELSE concat(${expression}) END`;

export const postgresJdbc: JdbcDialect = {
  words: { name: pg.escapeIdentifier, value: pg.escapeLiteral },
  driver: "org.postgresql.Driver",
  text: (field, timezone) => {
    const expression = expressionOf(field, pg.escapeIdentifier(field.name), timezone);
    return field.lake === "string" ? asText(expression) : `(${expression})::text`;
  },
  raw: (expression) => `${expression}::text`,
  url: ({ host, port, database, tls }, caFile) => {
    const parameters = new URLSearchParams({
      ...(tls.mode === "off" ? { sslmode: "disable" } : { sslmode: "verify-full", sslrootcert: caFile }),
      connectTimeout: "15",
      tcpKeepAlive: "true",
      ApplicationName: "ebb",
    });
    const name = host.includes(":") ? `[${host}]` : host;
    return `jdbc:postgresql://${name}:${port}/${encodeURIComponent(database)}?${parameters.toString()}`;
  },
  begin: `SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY; SET TRANSACTION SNAPSHOT '{snapshot}'; ${SESSION}`,
  snapshot: {
    begin: "SET idle_in_transaction_session_timeout = 0; BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
    ask: "SELECT pg_export_snapshot()",
  },
};
