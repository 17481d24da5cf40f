/** What dashboards and analysts read. */
import type { BatchTable } from "@ebb/lake/batch-table";
import { batchTables } from "@ebb/lake/batch/batch-tables";
import { curatedTables } from "@ebb/lake/batch/curated";
import { customerFeatures } from "@ebb/lake/batch/customer-features";
import { customerLabels } from "@ebb/lake/batch/customer-labels";
import type { CheckedTable } from "@ebb/lake/batch/promises";
import { activeCustomersMonthly, productSalesDaily, salesDaily } from "@ebb/lake/batch/sales-marts";
import { rfmGrid, segmentDaily, segmentMovements } from "@ebb/lake/batch/segment-marts";
import { churnScores } from "@ebb/lake/model/churn-scores";
import { type RunPlan, midnightOf } from "../run-request.ts";
import type { RunSteps } from "../run-steps.ts";
import type { Cutoffs } from "./features.ts";

export const marts = [
  segmentMovements,
  segmentDaily,
  rfmGrid,
  salesDaily,
  activeCustomersMonthly,
  productSalesDaily,
] as const;

export const makeMarts = async (steps: RunSteps, { asOf }: RunPlan): Promise<void> => {
  const parameters = { cutoff: midnightOf(asOf) };
  await steps.job("marts", { name: "marts", writes: marts.map((table) => ({ table, parameters })) });
};

/** The tables that a run has written when its marts are, and what of them is its own; the curated are checked before. */
export const tablesOfRun = ({ asOf, past }: Cutoffs, churn: boolean): CheckedTable[] => {
  const cutoffsOf = (table: BatchTable): readonly string[] => {
    if (table === customerLabels) return past;
    return table === customerFeatures ? [asOf, ...past] : [asOf];
  };
  return [...batchTables.filter((table) => !curatedTables.includes(table)), ...(churn ? [churnScores] : [])]
    .map((table) => ({ table, cutoffs: cutoffsOf(table) }))
    .filter(({ cutoffs }) => cutoffs.length > 0);
};
