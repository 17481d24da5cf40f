/**
 * Sums over few people single one of them out: the marts of every run are made anew from tables that hold the erased no
 * more. A batch run of its own would do it for the newest cutoff alone.
 */
import type { BatchTable } from "@ebb/lake/batch-table";
import { activeCustomersMonthly, productSalesDaily, salesDaily } from "@ebb/lake/batch/sales-marts";
import { rfmGrid, segmentDaily, segmentMovements } from "@ebb/lake/batch/segment-marts";
import { customerSegments } from "@ebb/lake/batch/rfm";
import { existsSync } from "node:fs";
import path from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import type { JobRunner, TableWrite } from "../batch-ports.ts";
import type { Eraser } from "../erasure-ports.ts";
import { BATCH_MANIFEST_FILE, BatchManifest } from "./batch-manifest.ts";

const ofCutoff: readonly BatchTable[] = [segmentMovements, segmentDaily, rfmGrid];
const ofAll: readonly BatchTable[] = [salesDaily, activeCustomersMonthly, productSalesDaily];
/** Writes of one job: its plan is one row. */
const WRITES_AT_ONCE = 60;
const LOOK_MS = 50;

export interface MartsEraserParts {
  readonly folder: string;
  readonly now: () => number;
  /** No run may be under way. */
  readonly withRunner: <T>(work: (runner: JobRunner) => Promise<T>) => Promise<T>;
}

/** Cutoffs whose segments are there, the oldest first. */
const cutoffsOf = (folder: string): string[] => {
  const lake = path.join(folder, "lake");
  if (!existsSync(path.join(lake, BATCH_MANIFEST_FILE))) return [];
  const manifest = new BatchManifest(lake, { readOnly: true });
  try {
    const files = manifest.files().filter(({ table }) => table === customerSegments.name);
    return [...new Set(files.map(({ partition }) => partition))].sort();
  } finally {
    manifest.close();
  }
};

export const martsEraser = ({ folder, now, withRunner }: MartsEraserParts): Eraser => ({
  name: "marts",
  survey: async () => [],
  erase: async () => {
    const cutoffs = cutoffsOf(folder);
    const newest = cutoffs.at(-1);
    if (newest === undefined) return;
    await withRunner(async (runner) => {
      const missing = new Set(await runner.unwritten([...ofCutoff, ...ofAll].map(({ name }) => name)));
      const writeOf = (table: BatchTable, day: string): TableWrite[] =>
        missing.has(table.name) ? [] : [{ table, parameters: { cutoff: `${day}T00:00:00.000Z` } }];
      const writes = [
        ...cutoffs.flatMap((day) => ofCutoff.flatMap((table) => writeOf(table, day))),
        ...ofAll.flatMap((table) => writeOf(table, newest)),
      ];
      for (let at = 0; at < writes.length; at += WRITES_AT_ONCE) {
        const token = `erasure/${now()}/${at}`;
        const id = await runner.start({ name: "marts", writes: writes.slice(at, at + WRITES_AT_ONCE) }, token);
        await ended(runner, id);
      }
    });
  },
});

const ended = async (runner: JobRunner, id: string): Promise<void> => {
  for (;;) {
    const state = await runner.state(id);
    if (state.state === "succeeded") return;
    if (state.state === "failed") throw new Error(`the marts could not be made anew: ${state.reason}`);
    await delay(LOOK_MS);
  }
};
