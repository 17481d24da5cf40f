import type { SourceLoads } from "../collect/sources/compare-loads.ts";
import type { ToldTable } from "@ebb/lake/batch/told-tables";
import type { Ports } from "@ebb/ports";

/** What a batch run touches. */
export interface RunModelPorts extends Pick<
  Ports,
  "now" | "settings" | "metrics" | "customers" | "objects" | "runner" | "arrivals" | "runs" | "scores"
> {
  /** How the loads of declared sources went; absent where nobody knows. */
  readonly sourceLoads?: () => Promise<readonly SourceLoads[]>;
  /** Tables of declared sources that tell of products and customers; absent, or `undefined`: nobody knows which there are. */
  readonly toldTables?: () => Promise<readonly ToldTable[] | undefined>;
}
