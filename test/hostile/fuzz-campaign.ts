/** The fuzzing as a whole: every route of a running home and every file parser, and what is true of the home afterwards. */
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { Worker } from "node:worker_threads";
import { closeClient } from "./fuzz-client.ts";
import { openFuzzedHome } from "./fuzz-home.ts";
import { type PartResult, shareOut } from "./fuzz-parts.ts";
import { GOOD_ORDER, acknowledged, parametersOf, routeParts } from "./fuzz-routes.ts";
import type { FromParsers, ParserWork } from "./fuzz-worker.ts";

export interface FuzzOptions {
  /** Requests to the routes; as many again go to the parsers. */
  readonly inputs: number;
  readonly seed: number;
  /** The name of one part. */
  readonly only?: string | undefined;
  readonly said: (result: PartResult) => void;
}

/** Of all inputs. */
const ROUTES_SHARE = 0.6;
/** Routes that are fuzzed at once. */
const AT_ONCE = 8;
/** What overload may not take either (docs/operations.md). */
export const MEMORY_BYTES = 500_000_000;
/** An input that is under way for so long never ends. */
const STUCK_MS = 30_000;

/** Thousands of small stores on a disk are thousands of flushes; what is looked for here is not durability. */
if (process.env["TMPDIR"] === undefined && existsSync("/dev/shm")) process.env["TMPDIR"] = "/dev/shm";

/** @returns most memory that the home had; `undefined` where the system does not say */
export const fuzzRoutes = async ({ inputs, seed, only, said }: FuzzOptions): Promise<number | undefined> => {
  const home = await openFuzzedHome();
  try {
    const parts = routeParts(home, await parametersOf(home));
    const shares = [...shareOut(parts, Math.ceil(inputs * ROUTES_SHARE))].filter(
      ([{ name }]) => only === undefined || name === only,
    );
    let next = 0;
    const work = async (): Promise<void> => {
      for (let entry = shares[next++]; entry !== undefined; entry = shares[next++]) {
        const result = await entry[0].run(entry[1], seed);
        said(result);
        if (result.failure !== undefined) next = shares.length; // the home is as it was found
      }
    };
    // The longest first.
    shares.sort(([, a], [, b]) => b - a);
    await Promise.all(Array.from({ length: AT_ONCE }, work));
    const peak = await home.peakBytes();
    await home.audit();
    assert.equal(await home.ordersOf(GOOD_ORDER), acknowledged.orders, "good events beside others were lost");
    assert.ok(peak === undefined || peak < MEMORY_BYTES, `the home took ${peak} bytes`);
    return peak;
  } finally {
    closeClient();
    await home.close();
  }
};

/** In a thread of its own: one that hangs is ended, and said. */
export const fuzzParsers = ({ inputs, seed, only, said }: FuzzOptions): Promise<void> =>
  new Promise((resolve, reject) => {
    const pulse = new SharedArrayBuffer(16);
    const beat = new Float64Array(pulse);
    const workerData: ParserWork = { inputs: Math.ceil(inputs * (1 - ROUTES_SHARE)), seed, only, pulse };
    const worker = new Worker(new URL("./fuzz-worker.ts", import.meta.url), {
      workerData,
      resourceLimits: { maxOldGenerationSizeMb: 400 },
    });
    let under = "";
    const end = (settle: () => void): void => {
      clearInterval(watch);
      void worker.terminate().then(settle);
    };
    const watch = setInterval(() => {
      const began = beat[0]!;
      if (began > 0 && Date.now() - began > STUCK_MS)
        end(() => reject(new Error(`${under}: input ${beat[1]} of seed ${seed} did not end in ${STUCK_MS / 1_000} s`)));
    }, 1_000);
    worker.on("message", (message: FromParsers) => {
      if ("part" in message) under = message.part;
      else if ("result" in message) said(message.result);
      else end(resolve);
    });
    worker.on("error", (error) => end(() => reject(error instanceof Error ? error : new Error(String(error)))));
  });
