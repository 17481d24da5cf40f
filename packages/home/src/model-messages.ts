/** What the home and the process of a batch run say to each other. */
import type { RunRequest } from "@ebb/functions/model/run-request";
import type { Settings } from "@ebb/ports";
import type { MetricName } from "@ebb/ports/metric-names";

export interface ModelStart {
  readonly type: "run";
  readonly folder: string;
  readonly settings: Settings;
  readonly request: RunRequest & { readonly runId: string };
  readonly memoryMb: number;
  readonly threads: number;
}

export type ToModelProcess =
  ModelStart | { readonly type: "flushed"; readonly id: number; readonly failure?: string } | { readonly type: "stop" };

export type FromModelProcess =
  | { readonly type: "flush"; readonly id: number }
  /** What a run counts is the home's to show: the process ends with the run. */
  | {
      readonly type: "count";
      readonly name: MetricName;
      readonly value: number;
      readonly dimensions: Readonly<Record<string, string>>;
    }
  | { readonly type: "ended"; readonly failure?: string };
