/** Every table of a batch run, on every engine: the same rows. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after } from "node:test";
import { batchTables } from "@ebb/lake/batch/batch-tables";
import { makeHistory } from "@ebb/lake/batch/history";
import { type BatchParameters, renderBatch } from "@ebb/lake/batch-table";
import { lakeOf } from "@ebb/lake/testing";
import { type ProofQuery, type ProofTable, proveOnEveryEngine } from "./prove.ts";

const folder = mkdtempSync(path.join(tmpdir(), "ebb-batch-engines-"));
after(() => rmSync(folder, { recursive: true }));

const parameters: BatchParameters = {
  cutoff: "2024-09-01T00:00:00.000Z",
  horizonDays: 90,
  documents: {
    cutPoints: {
      version: "test's own",
      recencyAtMs: [Date.UTC(2024, 1), Date.UTC(2024, 3), Date.UTC(2024, 5), Date.UTC(2024, 7)],
      frequency: [1, 2, 3, 5],
      monetaryMinor: [0, 2_500, 10_000, 100_000],
    },
  },
};

/** Generated edge cases: see `makeHistory`. Every fourth event lands twice. */
const rawEvents = async (): Promise<ProofTable> => {
  const events = makeHistory({ seed: 20_261_122, customers: 120 });
  const lake = await lakeOf(
    events.flatMap((event, index) =>
      index % 4 === 0
        ? [event, { ...event, received_at: "2026-01-01T00:00:00.000Z", receipt_id: "rcp_again" }]
        : [event],
    ),
  );
  const file = path.join(folder, "raw_events.parquet");
  await lake.run(`COPY raw_events TO '${file}' (FORMAT parquet)`);
  return { parquet: file };
};

const erased = "cus_20261122_3";

proveOnEveryEngine({
  title: "batch tables on generated histories",
  tables: async () => ({
    raw_events: await rawEvents(),
    erased_customers: { table: () => `SELECT '${erased}' AS customer_key` },
    ...Object.fromEntries(
      batchTables.map((table): [string, ProofTable] => [
        table.name,
        { table: (dialect) => renderBatch(table, dialect, parameters) },
      ]),
    ),
  }),
  queries: Object.fromEntries([
    ...batchTables.map((table): [string, ProofQuery] => [
      table.name,
      { sql: () => `SELECT * FROM ${table.name}`, key: table.key },
    ]),
    ...batchTables.flatMap(({ name, tests }) =>
      Object.entries(tests).map(([promise, sql]): [string, ProofQuery] => [
        `${name}, ${promise}`,
        { sql: () => sql, atLeast: 0 },
      ]),
    ),
  ]),
});
