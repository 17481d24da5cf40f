import { MetricUnit, Metrics as Powertools } from "@aws-lambda-powertools/metrics";
import type { Metrics } from "../ports.ts";

/** Counts in CloudWatch's embedded metric format: a log line each, so nothing is lost when the function is frozen. */
export class PowertoolsMetrics implements Metrics {
  readonly #metrics: Powertools;

  constructor(namespace: string) {
    this.#metrics = new Powertools({ namespace });
  }

  count(name: string, value: number, dimensions: Readonly<Record<string, string>> = {}): void {
    const metric = this.#metrics.singleMetric();
    for (const [dimension, label] of Object.entries(dimensions)) metric.addDimension(dimension, label);
    metric.addMetric(name, MetricUnit.Count, value);
  }
}
