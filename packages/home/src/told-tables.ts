/** What declared sources have told this home, for a run and the report of its quality. */
import path from "node:path";
import { SourcesInvalid } from "@ebb/functions/collect/sources";
import type { SourceLoads } from "@ebb/functions/collect/sources/compare-loads";
import { lastLoads, toldTablesOf } from "@ebb/functions/collect/sources/told";
import { logger } from "@ebb/functions/runtime/logger";
import type { ToldTable } from "@ebb/lake/batch/told-tables";
import { sourceTables } from "@ebb/ports/embedded/source-manifest";
import { lakeTypeOf } from "@ebb/ports/embedded/source-sql";
import { EmbeddedSourceStore } from "@ebb/ports/embedded/source-store";
import { readSources } from "./source-files.ts";

/** `undefined` where the declarations cannot be read: what they told before stands. */
export const toldTables = async (folder: string): Promise<readonly ToldTable[] | undefined> => {
  const store = new EmbeddedSourceStore(folder);
  try {
    const sources = readSources(folder);
    const tables = sourceTables(path.join(folder, "lake"));
    const columnsOf = (wanted: string) => {
      const table = tables.find(({ name }) => name === wanted);
      return Promise.resolve(
        table && Object.fromEntries(table.columns.map(({ name, type }) => [name, lakeTypeOf(type)])),
      );
    };
    return await toldTablesOf(sources, store, columnsOf);
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
