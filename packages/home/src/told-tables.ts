/** What declared sources have told this home, for a run and the report of its quality. */
import path from "node:path";
import { SourcesInvalid } from "@ebb/functions/collect/sources";
import type { SourceLoads } from "@ebb/functions/collect/sources/compare-loads";
import { lastLoads, toldTablesOf } from "@ebb/functions/collect/sources/told";
import { logger } from "@ebb/functions/runtime/logger";
import type { Catalogued } from "@ebb/functions/serve/catalogue/catalogued";
import type { ToldTable } from "@ebb/lake/batch/told-tables";
import { sourceTables } from "@ebb/ports/embedded/source-manifest";
import { lakeTypeOf } from "@ebb/ports/embedded/source-sql";
import { EmbeddedSourceStore } from "@ebb/ports/embedded/source-store";
import { readSources } from "./source-files.ts";

/** Columns of the tables that sources have filled, with the lake's types. */
export const filledTables = (folder: string): ReadonlyMap<string, Readonly<Record<string, string>>> =>
  new Map(
    sourceTables(path.join(folder, "lake")).map((table) => [
      table.name,
      Object.fromEntries(table.columns.map(({ name, type }) => [name, lakeTypeOf(type)])),
    ]),
  );

/** What is declared, and what stands of it; nothing where the declarations cannot be read. */
export const catalogued = async (folder: string): Promise<Catalogued> => {
  const store = new EmbeddedSourceStore(folder);
  try {
    const sources = readSources(folder);
    const tables = filledTables(folder);
    const loaded = new Map<string, number | undefined>();
    for (const { spec } of sources) loaded.set(spec.name, (await store.get(spec.name))?.loadedAtMs);
    return {
      sources,
      columnsOf: async (table) => tables.get(table),
      loadedAtMs: async (source) => loaded.get(source),
    };
  } catch (error) {
    if (!(error instanceof SourcesInvalid)) throw error;
    return { sources: [], columnsOf: async () => undefined, loadedAtMs: async () => undefined };
  } finally {
    store.close();
  }
};

/** `undefined` where the declarations cannot be read: what they told before stands. */
export const toldTables = async (folder: string): Promise<readonly ToldTable[] | undefined> => {
  const store = new EmbeddedSourceStore(folder);
  try {
    const sources = readSources(folder);
    const tables = filledTables(folder);
    return await toldTablesOf(sources, store, async (table) => tables.get(table));
  } catch (error) {
    if (!(error instanceof SourcesInvalid)) throw error;
    logger.warn("the declared sources cannot be read: a run goes by what they told before", { cause: error.message });
    return undefined;
  } finally {
    store.close();
  }
};

/** How the last loads of each declared source went; none where the declarations cannot be read. */
export const sourceLoads = async (folder: string): Promise<readonly SourceLoads[]> => {
  const store = new EmbeddedSourceStore(folder);
  try {
    return await lastLoads(readSources(folder), store);
  } catch (error) {
    if (error instanceof SourcesInvalid) return [];
    throw error;
  } finally {
    store.close();
  }
};
