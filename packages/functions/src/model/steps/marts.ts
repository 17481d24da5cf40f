/** What dashboards and analysts read. */
import type { BatchTable } from "@ebb/lake/batch-table";
import { batchTables } from "@ebb/lake/batch/batch-tables";
import { customerFeatures } from "@ebb/lake/batch/customer-features";
import { customerLabels } from "@ebb/lake/batch/customer-labels";
import { monthlyTables } from "@ebb/lake/batch/monthly-tables";
import type { CheckedTable } from "@ebb/lake/batch/promises";
import { activeCustomersMonthly, productSalesDaily, salesDaily } from "@ebb/lake/batch/sales-marts";
import { rfmGrid, segmentDaily, segmentMovements } from "@ebb/lake/batch/segment-marts";
import { churnScores } from "@ebb/lake/model/churn-scores";
import { type RunPlan, midnightOf } from "../run-request.ts";
import type { RunSteps, StartedJob } from "../run-steps.ts";
import { type ChangedOrders, orderMonths, orderTables, orderWrites } from "./changed-orders.ts";
import type { Cutoffs } from "./features.ts";

export const marts: readonly BatchTable[] = [
  segmentMovements,
  segmentDaily,
  rfmGrid,
  salesDaily,
  activeCustomersMonthly,
  productSalesDaily,
];

/** They stand on orders and segments alone. */
export const beginMarts = async (
  steps: RunSteps,
  { asOf }: RunPlan,
  changed: ChangedOrders = {},
): Promise<StartedJob> => {
  const cutoff = midnightOf(asOf);
  return await steps.begin("marts", {
    name: "marts",
    writes: marts.flatMap((table) =>
      orderTables.includes(table) ? orderWrites(table, changed, cutoff) : [{ table, parameters: { cutoff } }],
    ),
  });
};

/** The tables that a run has written when its marts are, and what of them is its own; those that it curated are checked before. */
export const tablesOfRun = (
  { asOf, written }: Cutoffs,
  churn: boolean,
  changed: ChangedOrders = {},
): CheckedTable[] => {
  const cutoffsOf = (table: BatchTable): readonly string[] => {
    if (table === customerLabels) return written.labels;
    return table === customerFeatures ? written.features : [asOf];
  };
  return [...batchTables.filter((table) => !monthlyTables.includes(table)), ...(churn ? [churnScores] : [])]
    .map((table) => {
      const months = orderMonths(table, changed);
      return { table, cutoffs: cutoffsOf(table), ...(months === undefined ? {} : { months }) };
    })
    .filter(
      ({ table, cutoffs, months }) => cutoffs.length > 0 && !(table.partitionedBy === "month" && months?.length === 0),
    );
};
