import type { RunPlan } from "../run-request.ts";
import type { RunSteps } from "../run-steps.ts";
import { clusterColumns } from "./clusters.ts";
import { valueColumns } from "./value.ts";

/** Exports recency, frequency, money and purchase histories of every customer at the as-of date; answers where. */
export const customersAtAsOf = async (steps: RunSteps, { asOf }: RunPlan): Promise<string> => {
  const columns = [...new Set([...clusterColumns, ...valueColumns])];
  const { exports } = await steps.job("customers", {
    name: "customers",
    writes: [],
    exports: [
      {
        name: "customers",
        sql: () => `
SELECT customer_key, ${columns.join(", ")}
FROM customer_features
WHERE cutoff = '${asOf}'
ORDER BY customer_key`,
      },
    ],
  });
  return exports["customers"]!;
};
