import type { MetricName } from "../metric-names.ts";
import type { Metrics } from "../ports.ts";

export interface Counter {
  readonly name: MetricName;
  readonly dimensions: Readonly<Record<string, string>>;
  readonly value: number;
}

/** Counters in memory: what this process has counted since it started. */
export class EmbeddedMetrics implements Metrics {
  readonly #counters = new Map<string, { name: MetricName; dimensions: Record<string, string>; value: number }>();

  count(name: MetricName, value: number, dimensions: Readonly<Record<string, string>> = {}): void {
    const sorted = Object.entries(dimensions).sort(([a], [b]) => (a < b ? -1 : 1));
    const key = sorted.length === 0 ? name : `${name}${JSON.stringify(sorted)}`;
    const counter = this.#counters.get(key);
    if (counter === undefined) this.#counters.set(key, { name, dimensions: Object.fromEntries(sorted), value });
    else counter.value += value;
  }

  snapshot(): Counter[] {
    return Array.from(this.#counters.values(), (counter) => ({ ...counter }));
  }
}
