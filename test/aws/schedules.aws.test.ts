/**
 * The 2,000 schedules of `../score/schedules.ts` over the DynamoDB adapter: the same events and deliveries as over the
 * embedded one, the same kinds of faults around the store, and beneath it what DynamoDB itself does between the SDK and
 * the emulator: it throttles, cancels transactions that meet another, loses the answer of one that took effect, and
 * leaves one half visible. Some 27,000 calls, under two minutes on two cores.
 */
import { after } from "node:test";
import { awsPorts } from "@ebb/ports/aws";
import { Clients } from "@ebb/ports/aws/clients";
import { runSchedules } from "../score/schedules.ts";
import { createAccount } from "./account.ts";
import { startEmulator } from "./emulators.ts";
import { disturb, seeded } from "./faults.ts";
import { leaveHalfVisible } from "./half-visible.ts";
import { meterOf } from "./meter.ts";

const SCHEDULES = 2_000;
const SEED = 20_261_121;

const ministack = await startEmulator("ministack");
after(() => ministack.stop());
const { env, clients: calm } = await createAccount({ dynamodb: ministack, s3: ministack });

runSchedules(
  "DynamoDB on MiniStack",
  async () => {
    const clients = new Clients(env);
    const chance = seeded(SEED);
    const faults = { conflicts: 0.05, readConflicts: 0.02, lostAnswers: 0.05, throttled: 0.02 };
    disturb(clients.dynamo, faults, chance);
    leaveHalfVisible(clients.dynamo, calm.dynamo, 0.1, chance);
    const meter = meterOf(clients.dynamo);
    const startedAtMs = Date.now();
    const close = async () => {
      const seconds = Math.round((Date.now() - startedAtMs) / 1_000);
      process.stderr.write(
        `${SCHEDULES} schedules: ${meter.readRequests} reads and ${meter.writeRequests} transactions in ${seconds} s\n`,
      );
      clients.destroy();
      calm.destroy();
    };
    return { store: awsPorts(env, clients).customers, calm: awsPorts(env, calm).customers, close };
  },
  { schedules: SCHEDULES, seed: SEED, sideBySide: 4 },
);
