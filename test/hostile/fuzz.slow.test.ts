/** A tenth of the fuzzing (`npm run fuzz` runs it all): every route of a real home, every file parser. Fifty seconds of CPU. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { logger } from "@ebb/functions/runtime/logger";
import { fuzzParsers, fuzzRoutes } from "./fuzz-campaign.ts";
import type { PartResult } from "./fuzz-parts.ts";

logger.setLogLevel("SILENT"); // what goes wrong here is meant to

const run = async (fuzz: typeof fuzzRoutes | typeof fuzzParsers): Promise<number> => {
  const results: PartResult[] = [];
  await fuzz({ inputs: 20_000, seed: 20_261_122, said: (result) => results.push(result) });
  assert.deepEqual(
    results.filter(({ failure }) => failure !== undefined),
    [],
  );
  return results.reduce((sum, { inputs }) => sum + inputs, 0);
};

test("no file and no record makes a parser throw, hang, or refuse without a reason", async () => {
  assert.ok((await run(fuzzParsers)) >= 8_000);
});

test("no request makes a route answer 5xx, hang, refuse without a reason, or lose a neighbour", async () => {
  assert.ok((await run(fuzzRoutes)) >= 12_000);
});
