import { MetricUnit, Metrics as Powertools } from "@aws-lambda-powertools/metrics";
import type { MetricName } from "../metric-names.ts";
import type { Metrics } from "../ports.ts";

let shared: Powertools | undefined;

/** The container's one Powertools instance: the handler's middleware publishes what was counted in an invocation. */
/** Dimension `service` of every metric that is counted here. */
export const SERVICE = "ebb";

export const awsMetrics = (namespace = process.env["EBB_METRICS_NAMESPACE"] ?? "Ebb"): Powertools =>
  (shared ??= new Powertools({ namespace, serviceName: SERVICE }));

/** Counts in CloudWatch's embedded metric format. Counts of one name and the same dimensions add up in CloudWatch. */
export class PowertoolsMetrics implements Metrics {
  readonly #metrics: Powertools;

  constructor(metrics: Powertools) {
    this.#metrics = metrics;
  }

  count(name: MetricName, value: number, dimensions: Readonly<Record<string, string>> = {}): void {
    const labels = Object.entries(dimensions);
    if (labels.length === 0) {
      this.#metrics.addMetric(name, MetricUnit.Count, value);
      return;
    }
    // Dimensions hold for a whole log line, so a count that has some gets a line of its own, at once.
    const metric = this.#metrics.singleMetric();
    for (const [dimension, label] of labels) metric.addDimension(dimension, label);
    metric.addMetric(name, MetricUnit.Count, value);
  }
}
