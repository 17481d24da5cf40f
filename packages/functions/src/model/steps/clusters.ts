/** What the customers fall into by themselves, beside their segments. */
import { type CustomerClusters, assignCustomers, clusterCustomers } from "@ebb/core/clusters/customer-clusters";
import { writeJson } from "@ebb/ports/json-objects";
import type { RunModelPorts } from "../run-model-ports.ts";
import type { RunPlan } from "../run-request.ts";
import type { RunSteps } from "../run-steps.ts";

/** Enough to find the cluster of any customer again. */
export interface Clusters {
  readonly names: readonly string[];
  readonly centroids: readonly number[];
  readonly scales: CustomerClusters["scales"];
}

export const clusterColumns = ["recency_days", "orders", "net_minor"] as const;
const SEED = 42;

export const clustersKey = (runId: string): string => `models/${runId}/clusters.json`;

/** `undefined` where there are too few customers, or all are alike. */
export const findClusters = async (
  steps: RunSteps,
  plan: RunPlan,
  ports: RunModelPorts,
  exportKey: string,
): Promise<Clusters | undefined> =>
  (await steps.step(
    "clusters",
    async () => {
      const columns = await ports.runner.readColumns(exportKey, clusterColumns);
      const [recency, frequency, monetary] = clusterColumns.map((name) => columns[name] as Float64Array);
      const found = clusterCustomers({ recency: recency!, frequency: frequency!, monetary: monetary! }, { seed: SEED });
      if (found === undefined) return null;
      const { assignment: _, centroids, ...rest } = found;
      await writeJson(ports.objects, clustersKey(plan.runId), {
        runId: plan.runId,
        ...rest,
        centroids: [...centroids],
      });
      return { names: found.clusters.map(({ name }) => name), centroids: [...centroids], scales: found.scales };
    },
    (found) => (found === null ? { clusters: 0 } : { clusters: found.names.length, names: found.names.join(", ") }),
  )) ?? undefined;

/** The name of the cluster of a row; none for a customer without a counted order. */
export const clusterOf = (
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
