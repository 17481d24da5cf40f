/**
 * Tables that sources fill, as AWS has them, on Trino 435: the contract that the tables of one machine keep. The memory
 * connector takes no MERGE; how one is carried out stands in ./trino-lake.ts.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after } from "node:test";
import { LakeSourceTables } from "@ebb/ports/aws/source-tables";
import { type OpenSourceTables, sourceTablesContract } from "@ebb/ports/contracts/index";
import { EmbeddedObjectStore } from "@ebb/ports/embedded";
import type { Row } from "@ebb/ports/source-ports";
import { engineNamed } from "./engines.ts";
import { trinoLake } from "./trino-lake.ts";

const folder = mkdtempSync(path.join(tmpdir(), "ebb-source-tables-"));
after(() => rmSync(folder, { recursive: true, force: true }));

const open = async (): Promise<OpenSourceTables> => {
  const engine = await engineNamed("trino");
  const objects = new EmbeddedObjectStore(folder);
  const { queries } = trinoLake(engine, objects);
  return {
    tables: new LakeSourceTables({ queries, objects, lake: "s3://lake", now: Date.now }),
    read: async (name) => {
      const { rows: there } = await engine.rows(
        `SELECT column_name FROM information_schema.columns WHERE table_schema = 'default' AND table_name = '${name}' ORDER BY ordinal_position`,
      );
      if (there.length === 0) return undefined;
      const columns = there.map(([column]) => `CAST("${column as string}" AS varchar) AS "${column as string}"`);
      return (await engine.rows(`SELECT ${columns.join(", ")} FROM "${name}"`)).rows as readonly Row[];
    },
    reopen: open,
    close: async () => undefined,
  };
};

sourceTablesContract("lake of AWS on Trino 435", open);
after(async () => (await engineNamed("trino")).clear());
