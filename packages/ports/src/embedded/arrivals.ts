/** Whether the lake of one machine has caught up with its log. */
import path from "node:path";
import type { Arrivals } from "../batch-ports.ts";
import { TransientError } from "../ports.ts";
import { LakeManifest } from "./lake-manifest.ts";
import { LogReader } from "./log-reader.ts";

const RECORDS_AT_ONCE = 1_000;
const BYTES_AT_ONCE = 4_000_000;

/**
 * @param folder the home's folder
 * @param land brings all that the log holds into the lake; whoever owns the lake does it
 */
export const embeddedArrivals = (folder: string, land: () => Promise<void>): Arrivals => ({
  async missing(appendedBeforeMs) {
    try {
      await land();
    } catch (error) {
      throw new TransientError("the lake could not be brought up to date", { cause: error });
    }
    const manifest = new LakeManifest(path.join(folder, "lake"), { readOnly: true });
    const log = new LogReader(folder);
    try {
      let events = 0;
      for (let after = manifest.offset(); ;) {
        const records = log.read(after, RECORDS_AT_ONCE, BYTES_AT_ONCE);
        const early = records.filter((record) => record.arrivedAtMs < appendedBeforeMs);
        events += early.reduce((sum, record) => sum + record.events, 0);
        if (records.length === 0 || early.length < records.length) return events;
        after = records.at(-1)!.seq;
      }
    } finally {
      log.close();
      manifest.close();
    }
  },
});
