/**
 * Schedules from the front door to the customer store on one machine. One scenario (who sends what, in which order, when
 * the consumer has its turn) is run again and again: without a fault, with a death before and after every single call of a
 * port, and with faults of all kinds by chance. Meanwhile the clock jumps by months, forward and back.
 */
import { existsSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { sha256, type ReceiptId } from "@ebb/core/ids";
import { TransientError } from "@ebb/ports";
import { Crash } from "../score/chaos.ts";
import { Random } from "../score/random.ts";
import { GARBAGE, balance } from "./balance.ts";
import { type Answer, EmbeddedHome, Stores } from "./embedded-home.ts";
import { FalliblePorts, type Mishap, type Plan } from "./fallible-ports.ts";
import { type Batch, makeBatches } from "./shop-calls.ts";
import { type Part, Tally } from "./tally.ts";

/** Deaths are thrown, not real, so nothing is asked of the disk: memory saves many thousands of syncs. */
export const scratchRoot = existsSync("/dev/shm") ? "/dev/shm" : os.tmpdir();

/** Later than every event, however far the clock jumps back. Epoch milliseconds. */
const START_MS = Date.UTC(2026, 0, 1);
const LONGEST_JUMP_MS = 400 * 86_400_000;
/** Calls after which chance makes no more faults, so that a schedule ends. */
const CHAOTIC_CALLS = 150;
/** Schedules on one log: what it has seen is looked through with every append. */
const SCHEDULES_A_LOG = 400;
const MISHAPS: readonly Mishap[] = ["dies before", "dies after", "refused before", "refused after"];

/** The clock of the log and of the handlers: both see it jump. */
class Clock {
  #atMs = START_MS;
  readonly now = (): number => (this.#atMs += 1);

  /** Somewhere else within a year and a month of the start. */
  jump(random: Random): void {
    this.#atMs = START_MS + Math.floor((random.next() * 2 - 1) * LONGEST_JUMP_MS);
  }
}

interface Schedule {
  readonly id: string;
  readonly scenario: number;
  readonly plan: (random: Random) => Plan;
}

const noFault: Schedule["plan"] = () => () => undefined;
const byChance: Schedule["plan"] = (random) => {
  const probability = random.pick([0.02, 0.05, 0.15]);
  return (call) => (call < CHAOTIC_CALLS && random.chance(probability) ? random.pick(MISHAPS) : undefined);
};
const at =
  (wanted: number, mishap: Mishap): Schedule["plan"] =>
  () =>
  (call) =>
    call === wanted ? mishap : undefined;

/** `door/<scenario>/none`, `door/<scenario>/chance <n>`, `door/<scenario>/dies before <call>` */
const parse = (id: string): Schedule => {
  const [, scenario, what = ""] = id.split("/");
  const mishap = MISHAPS.find((each) => what.startsWith(each));
  const plan =
    mishap !== undefined ? at(Number(what.slice(mishap.length)), mishap) : what === "none" ? noFault : byChance;
  return { id, scenario: Number(scenario), plan };
};

class Runner {
  readonly tally = new Tally();
  readonly #seed: number;
  readonly #clock = new Clock();
  #opened: { readonly stores: Stores; schedules: number } | undefined;

  constructor(seed: number) {
    this.#seed = seed;
  }

  /** @returns how many calls of ports the schedule made */
  async run(id: string): Promise<number> {
    const { tally } = this;
    const schedule = parse(id);
    tally.schedules++;
    try {
      const { calls, faults } = await this.#through(schedule, await this.#stores());
      if (faults.length > 0) tally.fail(id, faults.join("; "));
      return calls;
    } catch (error) {
      tally.fail(id, error instanceof Error ? (error.stack ?? error.message) : String(error));
      await this.close(); // what is left of it is not the next one's
      return 0;
    }
  }

  async #stores(): Promise<Stores> {
    if (this.#opened !== undefined && this.#opened.schedules++ >= SCHEDULES_A_LOG) await this.close();
    this.#opened ??= {
      stores: new Stores(await mkdtemp(path.join(scratchRoot, "ebb-door-")), { now: this.#clock.now }),
      schedules: 1,
    };
    return this.#opened.stores;
  }

  async close(): Promise<void> {
    const { stores } = this.#opened ?? {};
    this.#opened = undefined;
    stores?.close();
    if (stores !== undefined) await rm(stores.folder, { recursive: true });
  }

  async #through({ id, scenario, plan }: Schedule, stores: Stores): Promise<{ calls: number; faults: string[] }> {
    const { tally } = this;
    // The scenario and the faults draw from generators of their own: a fault changes nothing else of the schedule.
    const random = new Random(this.#seed * 100_003 + scenario);
    const ports = new FalliblePorts(
      plan(new Random(Number.parseInt(sha256(`${this.#seed} ${id}`).slice(0, 7), 16))),
      (mishap) => tally.fault(mishap),
    );
    const batches = makeBatches(random, `${this.#seed} ${id}`);
    const poisoned = random.chance(0.3);
    const home = new EmbeddedHome(id, stores, ports, this.#clock.now);
    const before = stores.log.head().seq;
    if (poisoned) await this.#poison(stores, id);
    const answers = await deliver(home, batches, random, () => {
      this.#clock.jump(random);
      tally.fault("clock jump");
    });
    return { calls: ports.calls, faults: await balance(tally, home, before, batches, answers) };
  }

  /** Something else writes to the log: a record that the score stage cannot read. */
  async #poison(stores: Stores, id: string): Promise<void> {
    this.tally.fault("poison record");
    const name = sha256(`poison ${this.#seed} ${id}`).slice(0, 32);
    const receivedAtMs = this.#clock.now();
    await stores.log.append(
      {
        ...{ receiptId: `rcp_${name}` as ReceiptId, part: 0, channel: "http", source: "foreign" },
        received: 1,
        quarantined: 0,
        receivedAtMs,
      },
      [{ eventId: `evt_${name}`, partitionKey: "", json: GARBAGE }],
      [],
    );
  }
}

/**
 * Sends every batch until it is acknowledged, the consumer having turns in between, and ends when all is scored. Whoever
 * died is started again.
 * @returns the answers of 200
 */
export const deliver = async (
  home: EmbeddedHome,
  batches: readonly Batch[],
  random: Random,
  jump: () => void,
): Promise<Answer[]> => {
  const answers: Answer[] = [];
  const waiting = [...batches];
  for (let turn = 0; ; turn++) {
    if (turn > 5_000) throw new Error("the schedule does not end");
    if (random.chance(0.1)) jump();
    if (waiting.length > 0 && random.chance(0.6)) {
      const batch = waiting.shift()!;
      const answer = await home.post(batch.body);
      if (answer?.status === 200) answers.push(checked(batch, answer));
      else waiting.splice(random.between(0, waiting.length), 0, batch); // the producer sends the same bytes again
      if (answer === undefined) home.restart();
      continue;
    }
    const more = await stepped(home);
    if (!more && waiting.length === 0 && home.deadLetters.size === 0) return answers;
    if (!more && waiting.length === 0) await redelivered(home);
  }
};

/** An answer names the calls that were refused, and no other. */
const checked = (batch: Batch, answer: Answer): Answer => {
  const { received, quarantined, errors } = answer.body;
  const places = errors.map(({ index }) => index).sort((a, b) => a - b);
  if (received !== batch.received || quarantined !== places.length || places.join() !== batch.refused.join())
    throw new Error(`the answer is not about what was sent: ${JSON.stringify(answer.body)}`);
  return answer;
};

/** False when there was nothing to do. */
const stepped = async (home: EmbeddedHome): Promise<boolean> => unlessFault(home, () => home.step());

const redelivered = async (home: EmbeddedHome): Promise<boolean> =>
  unlessFault(home, async () => {
    await home.redeliver();
    return true;
  });

const unlessFault = async (home: EmbeddedHome, work: () => Promise<boolean>): Promise<boolean> => {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof Crash) && !(error instanceof TransientError)) throw error;
    home.restart();
    return true;
  }
};

/** Failures after which a part of the campaign says no more. */
export const MOST_FAILURES = 5;

export const doorSchedules = (schedules: number, seed: number): Part => ({
  name: "front door to customer store",
  what: "one machine: a death before and after every await, refusals and lost answers, repeats, poison, clock jumps",
  run: async (only) => {
    const runner = new Runner(seed);
    try {
      if (only !== undefined) await runner.run(only);
      else await everyAwait(runner, schedules);
    } finally {
      await runner.close();
    }
    return runner.tally;
  },
});

/** Scenario by scenario: no fault, each await twice, and a third as many by chance. */
const everyAwait = async (runner: Runner, schedules: number): Promise<void> => {
  const { tally } = runner;
  const go = (): boolean => tally.schedules < schedules && tally.failures.length < MOST_FAILURES;
  for (let scenario = 0; go(); scenario++) {
    const calls = await runner.run(`door/${scenario}/none`);
    for (let call = 0; call < calls && go(); call++)
      for (const mishap of ["dies before", "dies after"])
        if (go()) await runner.run(`door/${scenario}/${mishap} ${call}`);
    for (let chance = 0; chance * 1.5 < calls && go(); chance++) await runner.run(`door/${scenario}/chance ${chance}`);
  }
};
