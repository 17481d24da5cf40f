/** Every distinct event once, by month, without the erased; and what history there is before the as-of date. */
import { curatedTables } from "@ebb/lake/batch/curated";
import type { RunModelPorts } from "../run-model-ports.ts";
import { type RunPlan, midnightOf } from "../run-request.ts";
import { type RunSteps, StepFailed, writtenFigures } from "../run-steps.ts";
import { type SourceHistory, historySql } from "../sql/history.ts";

export interface History {
  /** UTC days `YYYY-MM-DD` of the first and last order event before the as-of date. */
  readonly firstDay: string;
  readonly lastDay: string;
  readonly sources: readonly SourceHistory[];
  /** Names the curated tables as they were written: part of a model's record. */
  readonly dataVersion: string;
}

export const curate = async (steps: RunSteps, plan: RunPlan, ports: RunModelPorts): Promise<History> => {
  const asOf = midnightOf(plan.asOf);
  const done = await steps.job("curate", {
    name: "curate",
    writes: curatedTables.map((table) => ({ table, parameters: {} })),
    exports: [{ name: "history", sql: (dialect) => historySql(dialect, asOf) }],
  });
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
        dataVersion: Object.values(writtenFigures(done)).join("-"),
      };
    },
    (history) => ({
      "order events": history.sources.reduce((sum, { events }) => sum + events, 0),
      from: history.firstDay,
      to: history.lastDay,
    }),
  );
};
