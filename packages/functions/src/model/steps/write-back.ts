/**
 * Takes what the run knows of every customer to the store that answers for one, and to the table that answers for many,
 * some customers at a time.
 */
import { assignCustomers } from "@ebb/core/clusters/customer-clusters";
import type { ChurnModel } from "@ebb/core/churn/model";
import {
  SCORED_CUSTOMERS,
  type ScoredCustomerColumn,
  customerScores,
  scoredCustomerColumns,
} from "@ebb/lake/model/customer-scores";
import type { CustomerScores } from "@ebb/ports";
import { driverWords } from "../driver-words.ts";
import type { RunModelPorts } from "../run-model-ports.ts";
import { type RunPlan, midnightOf } from "../run-request.ts";
import type { RunSteps } from "../run-steps.ts";
import { scoredCustomersSql } from "../sql/scored-customers.ts";
import { type Clusters, clusterColumns } from "./clusters.ts";
import { type ValueModel, valueColumns, valueColumnsOf, valueOf } from "./value.ts";

export interface ToWriteBack {
  readonly customers: number;
  readonly churn: ChurnModel | undefined;
  readonly value: ValueModel;
  readonly clusters: Clusters | undefined;
}

/** Customers that are in memory at once. */
const PART_CUSTOMERS = 50_000;
const WRITE_AT_ONCE = 500;

export const writeBack = async (
  steps: RunSteps,
  plan: RunPlan,
  ports: RunModelPorts,
  what: ToWriteBack,
): Promise<number> => {
  const parts = Math.min(256, Math.max(1, Math.ceil(what.customers / PART_CUSTOMERS)));
  const exported = await steps.job("scored customers", {
    name: "scored-customers",
    writes: [],
    exports: Array.from({ length: parts }, (_, part) => ({
      name: `part-${part}`,
      sql: () => scoredCustomersSql({ asOf: plan.asOf, churn: what.churn !== undefined, part, parts }),
    })),
  });
  let written = 0;
  for (let part = 0; part < parts; part++)
    written += await steps.step(
      parts === 1 ? "write back" : `write back ${part + 1} of ${parts}`,
      () => writePart(plan, ports, what, { part, exportKey: exported.exports[`part-${part}`]! }),
      (customers) => ({ customers }),
    );
  const objectKeys = Array.from({ length: parts }, (_, part) => partKey(plan, part));
  await steps.job("customer scores", {
    name: "customer-scores",
    imports: [{ name: SCORED_CUSTOMERS, columns: scoredCustomerColumns, objectKeys }],
    writes: [{ table: customerScores, parameters: { cutoff: midnightOf(plan.asOf) } }],
  });
  await steps.step("customer scores: forget the parts", async () => {
    await ports.objects.delete(objectKeys);
    return true;
  });
  return written;
};

/** Rows of `scored_customers` as JSON Lines, until the table is written. */
const partKey = ({ runId }: RunPlan, part: number): string => `exports/${runId}/scored-customers-${part}.jsonl`;

const DRIVERS = [1, 2, 3] as const;

const writePart = async (
  plan: RunPlan,
  ports: Pick<RunModelPorts, "runner" | "scores" | "objects">,
  { churn, value, clusters }: ToWriteBack,
  { part, exportKey }: { readonly part: number; readonly exportKey: string },
): Promise<number> => {
  const names = [
    "customer_key",
    "segment",
    ...new Set([...clusterColumns, ...valueColumns]),
    ...(churn === undefined
      ? []
      : ["probability", "decile", ...DRIVERS.flatMap((place) => [`driver_${place}`, `driver_${place}_log_odds`])]),
  ];
  const columns = await ports.runner.readColumns(exportKey, names);
  const keys = columns["customer_key"] as string[];
  const segments = columns["segment"] as string[];
  const numbers = (name: string): Float64Array => {
    const column = columns[name]!;
    return column instanceof Float64Array ? column : new Float64Array(column.length).fill(NaN);
  };
  const texts = (name: string): readonly (string | undefined)[] => {
    const column = columns[name]!;
    return column instanceof Float64Array ? Array.from<unknown, undefined>(column, () => undefined) : column;
  };
  const ofCluster = clusterOf(clusters, clusterColumns.map(numbers));
  const forValue = valueColumnsOf(columns);
  const words = churn === undefined ? undefined : driverWords(churn);
  const probability = churn === undefined ? undefined : numbers("probability");
  const decile = churn === undefined ? undefined : numbers("decile");
  const drivers =
    churn === undefined
      ? []
      : DRIVERS.map((place) => ({ names: texts(`driver_${place}`), logOdds: numbers(`driver_${place}_log_odds`) }));
  const lines: string[] = [];
  const scoresAt = (row: number): CustomerScores => {
    const cluster = ofCluster(row);
    const { valueIfActiveMinor, ...ofValue } = valueOf(value, forValue, row, plan.horizonDays);
    const scores: CustomerScores = {
      customerKey: keys[row]!,
      runId: plan.runId,
      asOf: midnightOf(plan.asOf),
      segment: segments[row]!,
      ...(cluster === undefined ? {} : { cluster }),
      ...(probability === undefined || words === undefined || !Number.isFinite(probability[row])
        ? {}
        : {
            churnProbability: probability[row]!,
            churnDecile: decile![row]!,
            drivers: drivers.flatMap(({ names, logOdds }) => {
              const feature = names[row];
              return feature === undefined
                ? []
                : [{ feature, logOdds: logOdds[row]!, inWords: words(feature, logOdds[row]!) }];
            }),
          }),
      horizonDays: plan.horizonDays,
      ...ofValue,
    };
    lines.push(JSON.stringify(lineOf(scores, valueIfActiveMinor)));
    return scores;
  };
  for (let from = 0; from < keys.length; from += WRITE_AT_ONCE)
    await ports.scores.putScores(
      Array.from({ length: Math.min(WRITE_AT_ONCE, keys.length - from) }, (_, index) => scoresAt(from + index)),
    );
  await ports.objects.put(partKey(plan, part), Buffer.from(lines.join("\n")));
  return keys.length;
};

const lineOf = (
  scores: CustomerScores,
  valueIfActiveMinor: number | undefined,
): Partial<Record<ScoredCustomerColumn, string | number>> => ({
  customer_key: scores.customerKey,
  ...(scores.cluster === undefined ? {} : { cluster: scores.cluster }),
  ...(scores.churnProbability === undefined ? {} : { churn_probability: scores.churnProbability }),
  ...(scores.churnDecile === undefined ? {} : { churn_decile: scores.churnDecile }),
  ...(scores.expectedValueMinor === undefined ? {} : { expected_value_minor: scores.expectedValueMinor }),
  ...(valueIfActiveMinor === undefined ? {} : { value_if_active_minor: valueIfActiveMinor }),
  ...(scores.probabilityActive === undefined ? {} : { probability_active: scores.probabilityActive }),
  ...Object.fromEntries(
    (scores.drivers ?? []).flatMap(({ feature, logOdds, inWords }, index): [string, string | number][] => [
      [`driver_${index + 1}`, feature],
      [`driver_${index + 1}_log_odds`, logOdds],
      [`driver_${index + 1}_words`, inWords ?? feature],
    ]),
  ),
});

/** The name of the cluster of a row; none for a customer without a counted order. */
const clusterOf = (
  clusters: Clusters | undefined,
  [recency, frequency, monetary]: readonly Float64Array[],
): ((row: number) => string | undefined) => {
  if (clusters === undefined) return () => undefined;
  const orZero = (column: Float64Array | undefined): Float64Array =>
    column!.map((value) => (Number.isFinite(value) ? value : 0));
  const assigned = assignCustomers(
    { recency: orZero(recency), frequency: orZero(frequency), monetary: orZero(monetary) },
    { scales: clusters.scales, centroids: Float64Array.from(clusters.centroids) },
  );
  return (row) => (Number.isFinite(recency![row]) ? clusters.names[assigned[row]!] : undefined);
};
