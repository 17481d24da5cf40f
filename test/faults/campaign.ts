/** The parts of the campaign. */
import { doorSchedules } from "./door-schedules.ts";
import { fullDisks, tornPages } from "./disk-schedules.ts";
import { type Part, Tally } from "./tally.ts";

export interface Plan {
  /** On the adapters of one machine, disks included. */
  readonly schedules: number;
  readonly dynamodb: number;
  readonly kills: number;
  readonly seed: number;
  readonly only: string | undefined;
}

/** Kills of one home; then what it holds is audited, and the next begins with an empty folder. */
const KILLS_A_HOME = 50;

/** A part is loaded when it is run: a mutant of one does not need the others. */
const killing = (kills: number, seed: number): Part => ({
  name: "kill -9 under load",
  what: "the real process, with orders and files coming in; every home audited in the end",
  run: async (only) => {
    const { crashJourney } = await import("../home/crash-journey.ts");
    const tally = new Tally();
    const homes = Math.ceil(kills / KILLS_A_HOME);
    const wanted = only === undefined ? Array.from({ length: homes }, (_, home) => home) : [Number(only.split("/")[1])];
    for (const home of wanted) {
      const own = only === undefined ? Math.min(KILLS_A_HOME, kills - home * KILLS_A_HOME) : KILLS_A_HOME;
      tally.schedules++;
      try {
        const went = await crashJourney({ seed: seed + home, kills: own, longestLifeMs: 1_000, fileOrders: 1_000 });
        tally.fault("kill -9", went.kills);
        tally.fault("batch acknowledged", went.batches);
        tally.fault("file acknowledged", went.files);
      } catch (error) {
        tally.fail(`kill/${home}`, error instanceof Error ? (error.stack ?? error.message) : String(error));
      }
    }
    return tally;
  },
});

export const campaign = async ({ schedules, dynamodb, kills, seed, only }: Plan): Promise<Part[]> => {
  const kind = only?.split("/", 2).join("/") ?? "";
  const wants = (prefix: string, count: number): boolean => (only === undefined ? count > 0 : kind.startsWith(prefix));
  const disks = Math.ceil(schedules / 50);
  const parts: Part[] = [];
  if (wants("door/", schedules)) parts.push(doorSchedules(Math.ceil(schedules * 0.48), seed));
  if (wants("score/embedded", schedules)) {
    const { embeddedScoreSchedules } = await import("./score-schedules.ts");
    parts.push(embeddedScoreSchedules(Math.ceil(schedules * 0.48), seed));
  }
  if (wants("full/", schedules)) parts.push(fullDisks(disks, seed));
  if (wants("torn/", schedules)) parts.push(tornPages(disks, seed));
  if (wants("score/dynamodb", dynamodb)) {
    const { dynamodbScoreSchedules } = await import("./score-schedules.ts");
    parts.push(dynamodbScoreSchedules(dynamodb, seed));
  }
  if (wants("kill/", kills)) parts.push(killing(kills, seed));
  return parts;
};
