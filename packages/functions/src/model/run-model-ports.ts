import type { Ports } from "@ebb/ports";

/** What a batch run touches. */
export type RunModelPorts = Pick<
  Ports,
  "now" | "settings" | "metrics" | "customers" | "objects" | "runner" | "arrivals" | "runs" | "scores"
>;
