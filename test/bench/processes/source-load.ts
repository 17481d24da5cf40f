/** Loads a table of PostgreSQL into the lake of a folder, with memory for DuckDB as the home gives it. */
import { Pseudonymizer } from "@ebb/core/ids";
import { type SourcePorts, loadRows } from "@ebb/functions/collect/sources/load";
import { parseSources } from "@ebb/functions/collect/sources";
import { EmbeddedSourceStore } from "@ebb/ports/embedded/source-store";
import { EmbeddedSourceTables } from "@ebb/ports/embedded/source-tables";
import type { RelationalConnection } from "@ebb/ports/source-readers/connection";
import { PostgresReader } from "@ebb/ports/source-readers/postgres";
import path from "node:path";
import { lastAnswer, task } from "./task.ts";

const { folder, connection } = task<{ folder: string; connection: RelationalConnection }>();
const [source] = parseSources({
  connections: { shop: { kind: "postgres", host: "127.0.0.1", database: "postgres", user: "owner" } },
  sources: [
    {
      name: "contacts",
      connection: "shop",
      maps: "support_contacts",
      table: "orders",
      key: ["id"],
      mode: "snapshot",
      fields: {
        contact_id: "id",
        customer_id: "customer_id",
        occurred_at: "placed_at",
        channel: "status",
        topic: "note",
      },
      keep: ["total", "updated_at"],
    },
  ],
});
if (source?.kind !== "relational") throw new Error("the source is not relational");
const sources = new EmbeddedSourceStore(folder);
const sourceTables = await EmbeddedSourceTables.open({ lakeFolder: path.join(folder, "lake"), now: Date.now });
const elsewhere = undefined as never; // neither orders nor people are among the rows
const ports: SourcePorts = {
  now: Date.now,
  newId: elsewhere,
  pseudonyms: new Pseudonymizer("a secret of thirty-two characters"),
  settings: elsewhere,
  log: elsewhere,
  orderBook: elsewhere,
  profiles: elsewhere,
  suppressions: { current: () => ({ version: "", size: 0, has: () => false, find: () => undefined }) },
  metrics: { count: () => undefined },
  sources,
  sourceTables,
};
const reader = new PostgresReader(connection);
const startedMs = performance.now();
const before = process.cpuUsage();
const end = await loadRows(ports, source.spec, reader, { owner: "bench", remainingMs: () => Infinity });
const ms = performance.now() - startedMs;
const { user, system } = process.cpuUsage(before);
await reader.close();
await sourceTables.close();
sources.close();
lastAnswer({ ms, cpuMs: (user + system) / 1_000, rows: end?.tables?.[0]?.rows ?? 0 });
