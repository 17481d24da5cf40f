/** The thread in which the parsers are fuzzed. What an input costs it is its own CPU time: a busy machine is no hang. */
import { type MessagePort, parentPort, workerData } from "node:worker_threads";
import { logger } from "@ebb/functions/runtime/logger";
import { closeStores, fileParts } from "./fuzz-files.ts";
import { HANG_MS, type PartResult, type Watch, shareOut } from "./fuzz-parts.ts";
import { recordParts } from "./fuzz-records.ts";

export interface ParserWork {
  readonly inputs: number;
  readonly seed: number;
  readonly only?: string | undefined;
  /** Of two doubles: when the input under way began (epoch milliseconds, 0 between inputs), and how many there were. */
  readonly pulse: SharedArrayBuffer;
}
export type FromParsers = { readonly part: string } | { readonly result: PartResult } | { readonly done: true };

const { inputs, seed, only, pulse } = workerData as ParserWork;
const port = parentPort as MessagePort;
const beat = new Float64Array(pulse);
logger.setLogLevel("SILENT"); // what goes wrong here is meant to

const cpuMs = (): number => {
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1_000;
};
let beganCpuMs = 0;
const watch: Watch = {
  begin: () => {
    beat[0] = Date.now();
    beat[1]!++;
    beganCpuMs = cpuMs();
  },
  end: () => {
    beat[0] = 0;
    const spentMs = cpuMs() - beganCpuMs;
    if (spentMs > HANG_MS) throw new Error(`the input took ${Math.round(spentMs)} ms of CPU`);
  },
};

for (const [part, share] of shareOut([...fileParts, ...recordParts], inputs)) {
  if (only !== undefined && part.name !== only) continue;
  port.postMessage({ part: part.name } satisfies FromParsers);
  port.postMessage({ result: await part.run(share, seed, watch) } satisfies FromParsers);
}
closeStores();
port.postMessage({ done: true } satisfies FromParsers);
