/**
 * What earlier runs left in the lake that a run may keep: how far the curated tables reach, when which day was last
 * touched, and which cutoffs of the past stand as their SQL would write them now. What a run is about to write is taken
 * off first and put back when it is there: a run that failed between leaves nothing to build on.
 */
import { digest } from "@ebb/core/ids";
import { type BatchParameters, type BatchTable, renderBatch } from "@ebb/lake/batch-table";
import { duckdb, spark, trino } from "@ebb/lake/dialect";
import { readJson, writeJson } from "@ebb/ports/json-objects";
import { z } from "zod";
import type { RunModelPorts } from "./run-model-ports.ts";

export const WRITTEN_TABLES_KEY = "models/written-tables.json";

const WrittenTables = z.object({
  /** The run that made this version. */
  runId: z.string(),
  /** Counts the runs that wrote curated tables. */
  version: z.int(),
  /** The version at which every month was last written. */
  wholeAt: z.int(),
  /** The version at which a UTC day was last touched, where that was later. */
  days: z.record(z.string(), z.int()),
  /** The version before which rows of orders were last taken away: somebody was erased between two runs. */
  shrunkAt: z.int(),
  /** Rows of `curated_order_events` as the last run left them; absent where it did not come that far. */
  orderRows: z.int().exactOptional(),
  /** Curated tables by name; what arrived before the instant is in them. */
  curated: z.record(z.string(), z.object({ definition: z.string(), arrivedBeforeMs: z.number() })),
  /** Partitions by `table/YYYY-MM-DD`, and the version of the curated tables that they were made of. */
  cutoffs: z.record(z.string(), z.object({ definition: z.string(), version: z.int() })),
  /** The tables of orders that are written by month; absent where they must be written whole. */
  orders: z
    .object({
      definition: z.string(),
      asOf: z.string(),
      arrivedBeforeMs: z.number(),
      /** `wholeAt` and `shrunkAt` of the curated tables that they were made of. */
      wholeAt: z.int(),
      shrunkAt: z.int(),
    })
    .exactOptional(),
});
export type WrittenTables = z.infer<typeof WrittenTables>;

export const nothingWritten: WrittenTables = {
  runId: "",
  version: 0,
  wholeAt: 0,
  shrunkAt: 0,
  days: {},
  curated: {},
  cutoffs: {},
};

/** Nothing before the first run, and nothing where an older release left what is not understood. */
export const readWritten = async ({ objects }: Pick<RunModelPorts, "objects">): Promise<WrittenTables> => {
  const stored = WrittenTables.safeParse(await readJson(objects, WRITTEN_TABLES_KEY));
  return stored.success ? stored.data : nothingWritten;
};

export const keepWritten = ({ objects }: Pick<RunModelPorts, "objects">, written: WrittenTables): Promise<void> =>
  writeJson(objects, WRITTEN_TABLES_KEY, written);

/** Changes when the columns of a table do, or its SQL in any dialect. */
export const definitionOf = (table: BatchTable, parameters: BatchParameters): string =>
  digest(JSON.stringify(table.columns), ...[duckdb, spark, trino].map((m) => renderBatch(table, m, parameters)));

export const cutoffKey = (table: BatchTable, day: string): string => `${table.name}/${day}`;

/** Whether a partition stands as it would be written now. @param knownUntil the last day whose events its SQL knows */
export const stands = (
  { wholeAt, days, cutoffs }: WrittenTables,
  key: string,
  definition: string,
  knownUntil: string,
): boolean => {
  const found = cutoffs[key];
  if (found?.definition !== definition || found.version < wholeAt) return false;
  return Object.entries(days).every(([day, touchedAt]) => day > knownUntil || touchedAt <= found.version);
};
