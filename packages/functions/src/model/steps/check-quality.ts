/** Gates: what must be right before anybody is told who is leaving. */
import { DAY_MS } from "@ebb/core/time";
import { type RunPlan, midnightOf } from "../run-request.ts";
import { featureQuality, sourceFreshness } from "@ebb/lake/batch/quality";
import { repeatedFindings } from "@ebb/core/quality";
import type { RunModelPorts } from "../run-model-ports.ts";
import type { RunSteps } from "../run-steps.ts";
import type { History } from "./curate.ts";

export interface Quality {
  /** Set: RFM, segments and marts come out, churn does not. */
  readonly noModelBecause?: string;
}

/** A pause in a source that has been longer than any before it by this factor, and than the days below, is no pause. */
const SILENCE_FACTOR = 2;
const SILENCE_DAYS = 7;

export const checkQuality = async (
  steps: RunSteps,
  plan: RunPlan,
  { runner }: Pick<RunModelPorts, "runner">,
  history: History,
): Promise<Quality> => {
  const parameters = { cutoff: midnightOf(plan.asOf) };
  const { exports } = await steps.job("data quality", {
    name: "data-quality",
    writes: [
      { table: featureQuality, parameters },
      { table: sourceFreshness, parameters },
    ],
    exports: [{ name: "orders", sql: () => ORDERS_SQL }],
  });
  return await steps.step(
    "gates",
    async () => {
      const reasons = [...silentSources(history, plan.asOf), ...(await stopping(runner, exports["orders"]!))];
      return reasons.length === 0 ? {} : { noModelBecause: reasons.join(" ") };
    },
    ({ noModelBecause }) => (noModelBecause === undefined ? {} : { "no model": noModelBecause }),
  );
};

/** Orders by source, over all months. */
const ORDERS_SQL = `
SELECT source, CAST(sum(rows_told) AS bigint) AS rows_told, CAST(sum(repeated) AS bigint) AS repeated
FROM quality_profiles
WHERE table_name = 'orders' AND column_name = '*'
GROUP BY source
ORDER BY source`;

/** What the quality report finds of orders that no model should be made of, a sentence each. */
const stopping = async (runner: RunModelPorts["runner"], key: string): Promise<string[]> => {
  const columns = await runner.readColumns(key, ["source", "rows_told", "repeated"]);
  const [rows, repeated] = [columns["rows_told"] as Float64Array, columns["repeated"] as Float64Array];
  const findings = (columns["source"] as string[]).flatMap((source, at) =>
    repeatedFindings({ source, table: "orders", rows: rows[at]!, repeated: repeated[at]! }),
  );
  return findings.filter(({ severity }) => severity === "stop").map(({ sentence }) => sentence);
};

/** Sources of orders that have stopped, a sentence each: to a model all their customers would have left. */
export const silentSources = ({ sources }: Pick<History, "sources">, asOf: string): string[] =>
  sources.flatMap(({ source, lastDay, longestGapDays }) => {
    const silentDays = Math.round((Date.parse(asOf) - Date.parse(lastDay)) / DAY_MS) - 1;
    return silentDays > Math.max(SILENCE_DAYS, SILENCE_FACTOR * longestGapDays)
      ? [
          `The source ${source} went silent: its last order is of ${lastDay}, ${silentDays} days before ${asOf}; ` +
            `its longest pause until then was ${longestGapDays} days. An earlier as-of date (ebb run --as-of) would fit it.`,
        ]
      : [];
  });
