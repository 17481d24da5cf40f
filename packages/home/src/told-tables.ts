/** What declared sources have told this home, for a run and the report of its quality. */
import path from "node:path";
import { SourcesInvalid } from "@ebb/functions/collect/sources";
import type { SourceLoads } from "@ebb/functions/collect/sources/compare-loads";
import { type FilledTable, toldTablesOf } from "@ebb/functions/collect/sources/told";
import { logger } from "@ebb/functions/runtime/logger";
import type { ToldTable } from "@ebb/lake/batch/told-tables";
import { sourceTables } from "@ebb/ports/embedded/source-manifest";
import { lakeTypeOf } from "@ebb/ports/embedded/source-sql";
import { EmbeddedSourceStore } from "@ebb/ports/embedded/source-store";
import { readSources } from "./source-files.ts";

/** `undefined` where the declarations cannot be read: what they told before stands. */
export const toldTables = async (folder: string): Promise<readonly ToldTable[] | undefined> => {
  const filled = new Map<string, FilledTable>();
  const store = new EmbeddedSourceStore(folder);
  try {
    const sources = readSources(folder);
    const tables = sourceTables(path.join(folder, "lake"));
    for (const { spec } of sources) {
      const table = tables.find(({ name }) => name === `source_${spec.name}`);
      const loadedAtMs = (await store.get(spec.name))?.loadedAtMs;
      if (table === undefined || loadedAtMs === undefined) continue;
      const columns = Object.fromEntries(table.columns.map(({ name, type }) => [name, lakeTypeOf(type)]));
      filled.set(spec.name, { columns, loadedAtMs });
    }
    return toldTablesOf(sources, (name) => filled.get(name));
  } catch (error) {
    if (!(error instanceof SourcesInvalid)) throw error;
    logger.warn("the declared sources cannot be read: a run goes by what they told before", { cause: error.message });
    return undefined;
  } finally {
    store.close();
  }
};

/** More than the last two loads: those that changed nothing left nothing to compare. */
const LOADS = 20;

/** How the last loads of each declared source went; none where the declarations cannot be read. */
export const sourceLoads = async (folder: string): Promise<readonly SourceLoads[]> => {
  const store = new EmbeddedSourceStore(folder);
  try {
    const names = readSources(folder).map(({ spec }) => spec.name);
    return await Promise.all(names.map(async (name) => ({ name, ends: await store.ends(name, LOADS) })));
  } catch (error) {
    if (error instanceof SourcesInvalid) return [];
    throw error;
  } finally {
    store.close();
  }
};
