/**
 * The fault campaign: schedules of everything that goes wrong between a producer and a customer's figures, on the adapters
 * of both homes, and the real process killed under load. Prints what was found, and by which command it is found again.
 */
import { parseArgs } from "node:util";
import { logger } from "@ebb/functions/runtime/logger";
import { campaign } from "./campaign.ts";
import { hunt, mutations } from "./mutants.ts";
import { Tally } from "./tally.ts";

const HELP = `Usage: npm run faults -- [OPTIONS]

  --schedules N   seeded schedules on the adapters of one machine (8,000)
  --dynamodb N    schedules of the score stage over the DynamoDB adapter on an emulator (2,000); needs Python
  --kills N       kill -9 of the real process under load (500)
  --seed S        another seed gives other schedules (20261122)
  --only NAME     one schedule, as it is named where it failed
  --mutants       what breaks exactly once on purpose, and the schedules that catch it; nothing else
  --json          the sum as JSON
  --help          show this

Whoever names a number of one kind means that kind alone; without any the whole campaign is run.
`;

const { values } = parseArgs({
  options: {
    schedules: { type: "string" },
    dynamodb: { type: "string" },
    kills: { type: "string" },
    seed: { type: "string", default: "20261122" },
    only: { type: "string" },
    mutants: { type: "boolean", default: false },
    json: { type: "boolean", default: false },
    help: { type: "boolean", default: false },
  },
});
if (values.help) {
  process.stdout.write(HELP);
  process.exit(0);
}
const seed = Number(values.seed);
const whole = values.schedules === undefined && values.dynamodb === undefined && values.kills === undefined;
const count = (value: string | undefined, usual: number): number => Number(value ?? (whole ? usual : 0));
logger.setLogLevel("SILENT"); // what goes wrong here is meant to

const say = (line: string): void => {
  if (!values.json) console.log(line);
};

const hunted = async (): Promise<boolean> => {
  let all = true;
  for (const mutation of mutations) {
    const { by } = await hunt(mutation, Number(values.schedules ?? 600), seed);
    say(`\n${mutation.name} (${mutation.file}): ${by.length === 0 ? "NOT CAUGHT" : "caught by"}`);
    for (const { schedule, message } of by) say(`  ${schedule}: ${message.split("\n", 1)[0]!}`);
    all &&= by.length > 0;
  }
  return all;
};

const run = async (): Promise<boolean> => {
  const parts = await campaign({
    schedules: count(values.schedules, 8_000),
    dynamodb: count(values.dynamodb, 2_000),
    kills: count(values.kills, 500),
    seed,
    only: values.only,
  });
  if (parts.length === 0)
    throw new Error(`there is no schedule "${values.only ?? ""}", and no number of any kind above 0`);
  const sum = new Tally();
  for (const { name, what, run: start } of parts) {
    const startedMs = performance.now();
    const tally = await start(values.only);
    sum.add(tally);
    const faults = [...tally.faults].map(([kind, times]) => `${times} × ${kind}`).join(", ");
    say(`${name}: ${tally.schedules} schedules in ${Math.round((performance.now() - startedMs) / 1_000)} s (${what})`);
    if (faults !== "") say(`  ${faults}`);
  }
  if (values.json) console.log(JSON.stringify({ ...sum, faults: Object.fromEntries(sum.faults) }));
  say(`\n${sum.schedules} schedules of seed ${seed}`);
  say(
    `lost ${sum.lost}, doubled ${sum.doubled}, ledger ${sum.unbalanced === 0 ? "balanced" : `off by ${sum.unbalanced}`}`,
  );
  say(`reconciliation drift ${sum.drifted}`);
  for (const { schedule, message } of sum.failures)
    say(`\nFAILED ${schedule}\n  ${message}\n  again: npm run faults -- --seed ${seed} --only "${schedule}"`);
  return sum.clean;
};

process.exitCode = (await (values.mutants ? hunted() : run())) ? 0 : 1;
