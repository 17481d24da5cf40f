import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after } from "node:test";
import { DuckDBInstance } from "@duckdb/node-api";
import {
  type OpenSourceStore,
  type OpenSourceTables,
  sourceObjectsContract,
  sourceStoreContract,
  sourceTablesContract,
} from "../contracts/index.ts";
import type { Row } from "../source-ports.ts";
import { FolderObjects } from "./source-folder.ts";
import { sourceTables } from "./source-manifest.ts";
import { EmbeddedSourceStore } from "./source-store.ts";
import { EmbeddedSourceTables } from "./source-tables.ts";

const folders: string[] = [];
const newFolder = (): string => {
  const folder = mkdtempSync(path.join(tmpdir(), "ebb-contract-"));
  folders.push(folder);
  return folder;
};
after(() => folders.forEach((folder) => rmSync(folder, { recursive: true, force: true })));

const openStore = async (folder = newFolder()): Promise<OpenSourceStore> => {
  const store = new EmbeddedSourceStore(folder);
  return {
    store,
    reopen: async () => {
      store.close();
      return await openStore(folder);
    },
    close: async () => store.close(),
  };
};
sourceStoreContract("embedded", openStore);

const openTables = async (lakeFolder = newFolder()): Promise<OpenSourceTables> => {
  const tables = await EmbeddedSourceTables.open({ lakeFolder, now: Date.now });
  const instance = await DuckDBInstance.create(":memory:");
  const connection = await instance.connect();
  const close = async (): Promise<void> => {
    connection.closeSync();
    instance.closeSync();
    await tables.close();
  };
  return {
    tables,
    read: async (name) => {
      const stored = sourceTables(lakeFolder).find((table) => table.name === name);
      if (stored === undefined) return undefined;
      const columns = stored.columns.map((column) => `CAST("${column.name}" AS VARCHAR)`).join(", ");
      const files = stored.files.map((file) => `'${path.join(lakeFolder, file)}'`).join(", ");
      return (await connection.runAndReadAll(`SELECT ${columns} FROM read_parquet([${files}])`)).getRows() as Row[];
    },
    reopen: async () => {
      await close();
      return await openTables(lakeFolder);
    },
    close,
  };
};
sourceTablesContract("embedded", openTables);

sourceObjectsContract("folder", async () => {
  const folder = newFolder();
  return {
    objects: new FolderObjects(folder),
    put: async (key, body) => {
      mkdirSync(path.dirname(path.join(folder, key)), { recursive: true });
      writeFileSync(path.join(folder, key), body);
    },
  };
});
