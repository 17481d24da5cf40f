/** The ports of this home, by thread. */
import { randomUUID } from "node:crypto";
import { Pseudonymizer } from "@ebb/core/ids";
import type { Metrics, Ports, Settings } from "@ebb/ports";
import type { Secrets } from "@ebb/ports/embedded/configuration";

/** What every worker thread is given at its start. Plain data: it is cloned. */
export interface CommonData {
  readonly folder: string;
  readonly secrets: Secrets;
  readonly settings: Settings;
  /** The shared memory of `Progress`. */
  readonly progress: SharedArrayBuffer;
}

/**
 * A port that a thread has no part in. Using it is a fault of ours, said at once.
 * @throws Error on any use
 */
const elsewhere = <T extends object>(name: string): T =>
  new Proxy({} as T, {
    get: () => {
      throw new Error(`the ${name} is not to be used in this thread`);
    },
  });

/** Ports that are the same in every thread; the stores are what a thread opens besides. */
export const commonPorts = (data: Pick<CommonData, "secrets" | "settings">, metrics: Metrics): Ports => ({
  now: Date.now,
  newId: (prefix) => `${prefix}_${randomUUID().replaceAll("-", "")}`,
  pseudonyms: new Pseudonymizer(data.secrets.customerSecret),
  settings: data.settings,
  metrics,
  keys: elsewhere("key ring"),
  log: elsewhere("log"),
  ledger: elsewhere("ledger"),
  quarantine: elsewhere("quarantine"),
  customers: elsewhere("customer store"),
  profiles: elsewhere("profile store"),
  orderBook: elsewhere("order book"),
  uploads: elsewhere("upload store"),
  objects: elsewhere("object store"),
  lakeFailures: elsewhere("lake's failures"),
  jobs: elsewhere("job queue"),
  queries: elsewhere("query engine"),
  runner: elsewhere("job runner"),
  arrivals: elsewhere("arrivals"),
  runs: elsewhere("run store"),
  scores: elsewhere("score store"),
  pulse: elsewhere("pulse"),
  vitals: elsewhere("vitals"),
  measures: elsewhere("measures"),
  suppressions: elsewhere("suppressions"),
  erasures: elsewhere("erasures"),
  erasing: elsewhere("erasing"),
  erasers: [],
  visitors: elsewhere("visitors"),
  receipts: elsewhere("receipts"),
});
