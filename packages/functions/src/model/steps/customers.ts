import type { RunPlan } from "../run-request.ts";
import type { RunSteps } from "../run-steps.ts";
import { sampleParts, sampled } from "../sql/sample.ts";
import { clusterColumns } from "./clusters.ts";
import { valueColumns } from "./value.ts";

/** Where the exports lie. */
export interface CustomersAtAsOf {
  /** Recency, frequency and money of every customer. */
  readonly all: string;
  /** Purchase histories of the customers that models of value see. */
  readonly histories: string;
}

/** @param customers about how many there are */
export const customersAtAsOf = async (
  steps: RunSteps,
  { asOf }: RunPlan,
  customers: number,
): Promise<CustomersAtAsOf> => {
  const sql = (columns: readonly string[], some: string) => (): string => `
SELECT customer_key, ${columns.join(", ")}
FROM customer_features
WHERE cutoff = '${asOf}'${some}
ORDER BY customer_key`;
  const { exports } = await steps.job("customers", {
    name: "customers",
    writes: [],
    exports: [
      { name: "customers", sql: sql(clusterColumns, "") },
      { name: "histories", sql: sql(valueColumns, sampled("customer_key", sampleParts(customers))) },
    ],
  });
  return { all: exports["customers"]!, histories: exports["histories"]! };
};
