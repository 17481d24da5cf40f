/** The schedules of `../score/schedules.ts`, as parts of the campaign: the score handler on both customer stores. */
import { mkdtemp, rm } from "node:fs/promises";
import path from "node:path";
import { awsPorts } from "@ebb/ports/aws";
import { Clients } from "@ebb/ports/aws/clients";
import { EmbeddedCustomerStore } from "@ebb/ports/embedded/customer-store";
import { type ScheduleStore, runSchedule } from "../score/schedules.ts";
import { MOST_FAILURES, scratchRoot } from "./door-schedules.ts";
import { type Part, Tally } from "./tally.ts";

const scorePart = (
  name: "embedded" | "dynamodb",
  what: string,
  open: () => Promise<ScheduleStore>,
  schedules: number,
  seed: number,
  sideBySide: number,
): Part => ({
  name: `score stage, ${name}`,
  what,
  run: async (only) => {
    const tally = new Tally();
    const opened = await open();
    const one = async (number: number): Promise<void> => {
      tally.schedules++;
      try {
        await runSchedule(opened, name, number, seed);
      } catch (error) {
        tally.drifted++;
        tally.fail(`score/${name}/${number}`, error instanceof Error ? error.message : String(error));
      }
    };
    let next = 0;
    const lane = async (): Promise<void> => {
      while (next < schedules && tally.failures.length < MOST_FAILURES) await one(next++);
    };
    try {
      if (only !== undefined) await one(Number(only.split("/")[2]));
      else await Promise.all(Array.from({ length: sideBySide }, lane));
    } finally {
      await opened.close();
    }
    return tally;
  },
});

export const embeddedScoreSchedules = (schedules: number, seed: number): Part =>
  scorePart(
    "embedded",
    "repeats, reordering, new sequence numbers, shards that split, rivals, throttling, partial failures, deaths",
    async () => {
      const folder = await mkdtemp(path.join(scratchRoot, "ebb-score-"));
      const store = new EmbeddedCustomerStore(folder);
      const close = async (): Promise<void> => {
        store.close();
        await rm(folder, { recursive: true });
      };
      return { store, deliver: (work) => store.transaction(work), close };
    },
    schedules,
    seed,
    1,
  );

export const dynamodbScoreSchedules = (schedules: number, seed: number): Part =>
  scorePart(
    "dynamodb",
    "the same over DynamoDB on MiniStack: cancelled transactions, lost answers, writes half visible",
    async () => {
      // Emulators are another lane's: nothing of them is loaded where none is asked for.
      const [{ createAccount }, { startEmulator }, { disturb, seeded }, { leaveHalfVisible }] = await Promise.all([
        import("../aws/account.ts"),
        import("../aws/emulators.ts"),
        import("../aws/faults.ts"),
        import("../aws/half-visible.ts"),
      ]);
      const emulator = await startEmulator("ministack");
      const { env, clients: calm } = await createAccount({ dynamodb: emulator, s3: emulator });
      const clients = new Clients(env);
      const chance = seeded(seed);
      disturb(clients.dynamo, { conflicts: 0.05, readConflicts: 0.02, lostAnswers: 0.05, throttled: 0.02 }, chance);
      leaveHalfVisible(clients.dynamo, calm.dynamo, 0.1, chance);
      const close = async (): Promise<void> => {
        clients.destroy();
        calm.destroy();
        await emulator.stop();
      };
      return { store: awsPorts(env, clients).customers, calm: awsPorts(env, calm).customers, close };
    },
    schedules,
    seed,
    4,
  );
