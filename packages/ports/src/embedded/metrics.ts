import type { MetricName } from "../metric-names.ts";
import type { Metrics } from "../ports.ts";

export interface Counter {
  readonly name: MetricName;
  readonly dimensions: Readonly<Record<string, string>>;
  readonly value: number;
}

const MINUTE_MS = 60_000;
/** Minutes that are remembered apart. */
const KEPT_MINUTES = 24 * 60;

const byMinute = { EventsReceived: "received", EventsQuarantined: "quarantined" } as const;

interface Minute {
  received: number;
  quarantined: number;
}

/** Counters in memory: what this process has counted since it started, and what came in by minute. */
export class EmbeddedMetrics implements Metrics {
  readonly #counters = new Map<string, { name: MetricName; dimensions: Record<string, string>; value: number }>();
  /** By minute since 1970, in the order in which they began. */
  readonly #minutes = new Map<number, Minute>();
  readonly #now: () => number;

  constructor(now: () => number = Date.now) {
    this.#now = now;
  }

  count(name: MetricName, value: number, dimensions: Readonly<Record<string, string>> = {}): void {
    const sorted = Object.entries(dimensions).sort(([a], [b]) => (a < b ? -1 : 1));
    const key = sorted.length === 0 ? name : `${name}${JSON.stringify(sorted)}`;
    const counter = this.#counters.get(key);
    if (counter === undefined) this.#counters.set(key, { name, dimensions: Object.fromEntries(sorted), value });
    else counter.value += value;
    if (name === "EventsReceived" || name === "EventsQuarantined") this.#minute()[byMinute[name]] += value;
  }

  snapshot(): Counter[] {
    return Array.from(this.#counters.values(), (counter) => ({ ...counter }));
  }

  /** The last `count` minutes up to `nowMs`, the oldest first; those without events have 0. At most a day is known. */
  minutes(
    nowMs: number,
    count: number,
  ): { readonly atMs: number; readonly received: number; readonly quarantined: number }[] {
    const newest = Math.floor(nowMs / MINUTE_MS);
    return Array.from({ length: count }, (_, index) => {
      const minute = newest - count + 1 + index;
      return { atMs: minute * MINUTE_MS, received: 0, quarantined: 0, ...this.#minutes.get(minute) };
    });
  }

  #minute(): Minute {
    const now = Math.floor(this.#now() / MINUTE_MS);
    let minute = this.#minutes.get(now);
    if (minute === undefined) {
      minute = { received: 0, quarantined: 0 };
      this.#minutes.set(now, minute);
      for (const known of this.#minutes.keys()) if (known <= now - KEPT_MINUTES) this.#minutes.delete(known);
    }
    return minute;
  }
}
