/** What the tables promise of their rows, looked at in what the run wrote: nothing broken is served. */
import { batchTables } from "@ebb/lake/batch/batch-tables";
import { type CheckedTable, promisesSql } from "@ebb/lake/batch/promises";
import { modelTables } from "@ebb/lake/model/model-tables";
import type { TableExport } from "@ebb/ports";
import type { RunModelPorts } from "../run-model-ports.ts";
import { type RunSteps, StepFailed } from "../run-steps.ts";

const known = [...batchTables, ...modelTables];

/** Counts of the rows that break each promise, an export a table. */
export const promiseExports = (tables: readonly CheckedTable[]): TableExport[] =>
  tables.flatMap((checked) => {
    const sql = promisesSql(checked, known);
    return sql === undefined ? [] : [{ name: `promises-${checked.table.name}`, sql: () => sql }];
  });

/**
 * Starts a job that looks.
 *
 * @returns what waits for it and judges; it throws a StepFailed with the table, the promise and how many rows break it
 */
export const beginChecks = async (
  steps: RunSteps,
  ports: Pick<RunModelPorts, "runner">,
  tables: readonly CheckedTable[],
): Promise<() => Promise<void>> => {
  const looking = await steps.begin("check tables", {
    name: "check-tables",
    writes: [],
    exports: promiseExports(tables),
  });
  return async () => await judgePromises(steps, ports, "tables checked", (await looking.ended()).exports);
};

/** @param exports of a job with `promiseExports`, by name; others are passed over */
export const judgePromises = async (
  steps: RunSteps,
  ports: Pick<RunModelPorts, "runner">,
  name: string,
  exports: Readonly<Record<string, string>>,
): Promise<void> => {
  await steps.step(
    name,
    async () => {
      let promises = 0;
      const broken: string[] = [];
      for (const [name, key] of Object.entries(exports)) {
        if (!name.startsWith("promises-")) continue;
        const columns = await ports.runner.readColumns(key, ["table_name", "promise", "breaking"]);
        const tables = columns["table_name"] as readonly string[];
        const texts = columns["promise"] as readonly string[];
        for (const [row, count] of (columns["breaking"] as Float64Array).entries()) {
          promises++;
          if (count > 0)
            broken.push(`${tables[row]!}: "${texts[row]!}" is broken by ${count} row${count === 1 ? "" : "s"}.`);
        }
      }
      if (broken.length > 0) throw new StepFailed(`Tables break their promises. ${broken.sort().join(" ")}`);
      return promises;
    },
    (promises) => ({ promises }),
  );
};
