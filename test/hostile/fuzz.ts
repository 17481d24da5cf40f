/**
 * Fuzzing: every route of a real home, and every file parser, with input that nobody wrote them for. Prints by route or
 * parser what the inputs came to. A broken promise is made smaller until nothing can be left out, and fails the command:
 * a 5xx, an answer that takes over a second, a refusal without a reason, a good event lost beside a bad one, a ledger that
 * does not add up, a home that grows over 500 MB.
 *
 * Usage: npm run fuzz -- [--inputs N] [--seed S] [--only PART] [--json]
 *
 *   --inputs N   of all kinds together (200,000)
 *   --only PART  one route or parser, as it is named in the report
 */
import { parseArgs } from "node:util";
import { logger } from "@ebb/functions/runtime/logger";
import { fuzzParsers, fuzzRoutes } from "./fuzz-campaign.ts";
import type { PartResult } from "./fuzz-parts.ts";

const { values } = parseArgs({
  options: {
    inputs: { type: "string", default: "200000" },
    seed: { type: "string", default: "20261122" },
    only: { type: "string" },
    json: { type: "boolean", default: false },
  },
});
logger.setLogLevel("SILENT"); // what goes wrong here is meant to

const results: PartResult[] = [];
const said = (result: PartResult): void => {
  results.push(result);
  if (values.json) return;
  const answers = Object.entries(result.answers).sort(([, a], [, b]) => b - a);
  console.log(
    `${result.name}: ${result.inputs} inputs; ${answers.map(([answer, times]) => `${answer} × ${times}`).join(", ")}`,
  );
  if (result.failure !== undefined) console.log(`FAILED ${result.name}\n${result.failure}\n`);
};

const options = { inputs: Number(values.inputs), seed: Number(values.seed), only: values.only, said };
const failures: string[] = [];
const attempt = async <T>(work: () => Promise<T>): Promise<T | undefined> => {
  try {
    return await work();
  } catch (error) {
    failures.push(error instanceof Error ? error.message : String(error));
    return undefined;
  }
};
await attempt(() => fuzzParsers(options));
const peak = await attempt(() => fuzzRoutes(options));

const total = results.reduce((sum, { inputs }) => sum + inputs, 0);
const failed = results.filter(({ failure }) => failure !== undefined).map(({ name }) => name);
if (values.json) console.log(JSON.stringify({ total, failed, failures, peakBytes: peak, results }));
else {
  console.log(`\n${total} inputs of seed ${values.seed} to ${results.length} routes and parsers`);
  if (peak !== undefined) console.log(`the home took ${Math.round(peak / 1e6)} MB at most`);
  for (const failure of failures) console.log(`FAILED ${failure}`);
  console.log(failed.length + failures.length === 0 ? "every promise was kept" : `broken by ${failed.join(", ")}`);
}
process.exitCode = failed.length + failures.length === 0 ? 0 : 1;
