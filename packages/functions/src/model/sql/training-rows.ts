import { modelFeatures } from "@ebb/lake/batch/features";
import { sampled } from "./sample.ts";

/** What BG/NBD reads besides the features. */
export const historyColumns = ["repeat_days", "first_to_last_days", "observed_days"] as const;

/** Labelled customers of one cutoff in the order of their keys: customer_key, churned, future_net_minor, features. */
export const trainingRowsSql = (cutoff: string, horizonDays: number, parts: number): string => `
SELECT
  f.customer_key, l.churned, l.future_net_minor,
  ${[...modelFeatures.map(({ name }) => name), ...historyColumns].map((name) => `f.${name}`).join(", ")}
FROM customer_features AS f
JOIN customer_labels AS l ON l.customer_key = f.customer_key AND l.cutoff = f.cutoff
WHERE f.cutoff = '${cutoff}' AND l.horizon_days = ${horizonDays}${sampled("f.customer_key", parts)}
ORDER BY f.customer_key`;
