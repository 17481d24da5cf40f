/** SQL for the pages of the front: an engine that is made when somebody first looks, with little memory. */
import type { QueryEngine } from "@ebb/ports";
import { duckdb } from "@ebb/lake/dialect";
import { DuckDbQueryEngine } from "@ebb/ports/embedded/query-engine";

/** Marts are small; what does not fit is spilled. */
const MEMORY_MB = 256;
/** A page that waits longer says so: the API answers within 30 s in AWS, too. */
const TIMEOUT_MS = 25_000;

export const openQueries = (lakeFolder: string): QueryEngine & { close(): Promise<void> } => {
  let engine: Promise<DuckDbQueryEngine> | undefined;
  const opened = (): Promise<DuckDbQueryEngine> => {
    if (engine === undefined) {
      engine = DuckDbQueryEngine.open({ folder: lakeFolder, memoryMb: MEMORY_MB, timeoutMs: TIMEOUT_MS });
      engine.catch(() => (engine = undefined)); // the next query tries again
    }
    return engine;
  };
  return {
    dialect: duckdb,
    query: async (sql) => (await opened()).query(sql),
    version: async () => (await opened()).version(),
    close: async () => (await engine?.catch(() => undefined))?.close(),
  };
};
