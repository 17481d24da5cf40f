/**
 * What earlier runs left in the lake that a run may keep: how far the curated tables reach, when which month was last
 * touched, and which cutoffs of the past stand as their SQL would write them now. What a run is about to write is taken
 * off first and put back when it is there: a run that failed between leaves nothing to build on.
 */
import { digest } from "@ebb/core/ids";
import { type BatchParameters, type BatchTable, renderBatch } from "@ebb/lake/batch-table";
import { duckdb, spark, trino } from "@ebb/lake/dialect";
import { z } from "zod";
import { readJson, writeJson } from "./objects.ts";
import type { RunModelPorts } from "./run-model-ports.ts";

export const WRITTEN_TABLES_KEY = "models/written-tables.json";

const WrittenTables = z.object({
  /** The run that made this version. */
  runId: z.string(),
  /** Counts the runs that wrote curated tables. */
  version: z.int(),
  /** The version at which every month was last written. */
  wholeAt: z.int(),
  /** The version at which a month `YYYY-MM` was last touched, where that was later. */
  months: z.record(z.string(), z.int()),
  /** Curated tables by name; what arrived before the instant is in them. */
  curated: z.record(z.string(), z.object({ definition: z.string(), arrivedBeforeMs: z.number() })),
  /** Partitions by `table/YYYY-MM-DD`, and the version of the curated tables that they were made of. */
  cutoffs: z.record(z.string(), z.object({ definition: z.string(), version: z.int() })),
});
export type WrittenTables = z.infer<typeof WrittenTables>;

export const nothingWritten: WrittenTables = {
  runId: "",
  version: 0,
  wholeAt: 0,
  months: {},
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
  { wholeAt, months, cutoffs }: WrittenTables,
  key: string,
  definition: string,
  knownUntil: string,
): boolean => {
  const found = cutoffs[key];
  if (found?.definition !== definition || found.version < wholeAt) return false;
  const untilMonth = knownUntil.slice(0, 7);
  return Object.entries(months).every(([month, touchedAt]) => month > untilMonth || touchedAt <= found.version);
};
