/** Every distinct event once, by month, without the erased; and what history there is before the as-of date. */
import { curatedTables } from "@ebb/lake/batch/curated";
import { monthlyTables } from "@ebb/lake/batch/monthly-tables";
import { repeatedOrders } from "@ebb/lake/batch/repeated-orders";
import type { RunModelPorts } from "../run-model-ports.ts";
import { type RunPlan, midnightOf } from "../run-request.ts";
import { type RunSteps, StepFailed } from "../run-steps.ts";
import { type SourceHistory, historySql } from "../sql/history.ts";
import { judgePromises, promiseExports } from "./check-tables.ts";
import { ORDER_ROWS_SQL, curateParameters, findTouched, rememberCurated } from "./touched-months.ts";

export interface History {
  /** UTC days `YYYY-MM-DD` of the first and last order event before the as-of date. */
  readonly firstDay: string;
  readonly lastDay: string;
  readonly sources: readonly SourceHistory[];
  /** Names the curated tables as they were written, by their rows: part of a model's record. */
  readonly dataVersion: string;
  /** Which of their versions they are. */
  readonly curatedVersion: number;
}

const ROWS_SQL = `${curatedTables
  .map(({ name }) => `SELECT '${name}' AS table_name, count(*) AS rows FROM ${name}`)
  .join(" UNION ALL ")} ORDER BY table_name`;

export const curate = async (steps: RunSteps, plan: RunPlan, ports: RunModelPorts): Promise<History> => {
  const asOf = midnightOf(plan.asOf);
  const toCurate = await findTouched(steps, plan, ports);
  const writes = monthlyTables.flatMap((table) => {
    const parameters = curateParameters(toCurate, table.name);
    return parameters === undefined ? [] : [{ table, parameters }];
  });
  const ordersWritten = writes.some(({ table }) => repeatedOrders.reads.includes(table.name));
  const done = await steps.job("curate", {
    name: "curate",
    writes: [...writes, ...(ordersWritten ? [{ table: repeatedOrders, parameters: {} }] : [])],
    exports: [
      { name: "history", sql: (dialect) => historySql(dialect, asOf) },
      { name: "rows", sql: () => ROWS_SQL },
      { name: "order-rows", sql: () => ORDER_ROWS_SQL },
      // Here, where it is known who was erased; what nothing touched was looked at when it was written.
      ...promiseExports(writes.map(({ table, parameters: { months } }) => ({ table, ...(months && { months }) }))),
    ],
  });
  await judgePromises(steps, ports, "curated tables checked", done.exports);
  await rememberCurated(steps, plan, ports, done.exports["order-rows"]!);
  return await steps.step(
    "history",
    async () => {
      const columns = await ports.runner.readColumns(done.exports["history"]!, [
        "source",
        "first_day",
        "last_day",
        "events",
        "longest_gap_days",
      ]);
      const rows = await ports.runner.readColumns(done.exports["rows"]!, ["table_name", "rows"]);
      const [names, first, last] = ["source", "first_day", "last_day"].map((name) => columns[name] as string[]);
      const sources = names!.map((source, row) => ({
        source,
        firstDay: first![row]!,
        lastDay: last![row]!,
        events: (columns["events"] as Float64Array)[row]!,
        longestGapDays: (columns["longest_gap_days"] as Float64Array)[row]!,
      }));
      if (sources.length === 0)
        throw new StepFailed(`There is no order before ${plan.asOf}. A later as-of date may have some.`);
      return {
        sources,
        firstDay: [...first!].sort()[0]!,
        lastDay: [...last!].sort().at(-1)!,
        dataVersion: [...(rows["rows"] as Float64Array)].join("-"),
        curatedVersion: toCurate.version,
      };
    },
    (history) => ({
      "order events": history.sources.reduce((sum, { events }) => sum + events, 0),
      from: history.firstDay,
      to: history.lastDay,
    }),
  );
};
