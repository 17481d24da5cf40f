/** What dashboards and analysts read. */
import { activeCustomersMonthly, productSalesDaily, salesDaily } from "@ebb/lake/batch/sales-marts";
import { rfmGrid, segmentDaily, segmentMovements } from "@ebb/lake/batch/segment-marts";
import { type RunPlan, midnightOf } from "../run-request.ts";
import type { RunSteps } from "../run-steps.ts";

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
