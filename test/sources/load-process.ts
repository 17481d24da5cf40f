/** A load in a process of its own that tells each checkpoint, to be killed at one. Arguments: JSON of what to load. */
import { PostgresReader } from "@ebb/ports/source-readers/postgres";
import { MysqlReader } from "@ebb/ports/source-readers/mysql";
import type { RelationalConnection } from "@ebb/ports/source-readers/connection";
import { loadRows } from "@ebb/functions/collect/sources/load";
import type { RelationalSource } from "@ebb/functions/collect/sources";
import { openPorts } from "./ports.ts";

const { folder, kind, connection, spec } = JSON.parse(process.argv[2]!) as {
  folder: string;
  kind: "postgres" | "mysql";
  connection: RelationalConnection;
  spec: RelationalSource;
};
const ports = await openPorts(folder, { keepEvents: false });
const reader = kind === "postgres" ? new PostgresReader(connection) : new MysqlReader(connection);
await loadRows(ports, spec, reader, {
  owner: "process",
  remainingMs: () => Infinity,
  onProgress: ({ parts }) => void process.stdout.write(`${parts}\n`),
});
await reader.close();
await ports.close();
process.stdout.write("done\n");
