/** A disk that is full, and one that lost the end of what it was writing when the power went. */
import { closeSync, copyFileSync, existsSync, openSync, statSync, truncateSync, writeSync } from "node:fs";
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import path from "node:path";
import { Random } from "../score/random.ts";
import { balance } from "./balance.ts";
import { MOST_FAILURES, deliver, scratchRoot } from "./door-schedules.ts";
import { type Answer, EmbeddedHome, Stores } from "./embedded-home.ts";
import { FalliblePorts } from "./fallible-ports.ts";
import { type Batch, makeBatches } from "./shop-calls.ts";
import { type Part, Tally } from "./tally.ts";

const nothing = () =>
  new FalliblePorts(
    () => undefined,
    () => undefined,
  );
const stay = (): void => undefined;

const diskPart = (
  name: "full" | "torn",
  what: string,
  schedules: number,
  seed: number,
  run: (id: string, random: Random, folder: string, tally: Tally) => Promise<string[]>,
): Part => ({
  name: `disk ${name}`,
  what,
  run: async (only) => {
    const tally = new Tally();
    const one = async (number: number): Promise<void> => {
      const id = `${name}/${number}`;
      const folder = await mkdtemp(path.join(scratchRoot, "ebb-disk-"));
      tally.schedules++;
      try {
        const faults = await run(id, new Random(seed * 100_003 + number), folder, tally);
        if (faults.length > 0) tally.fail(id, faults.join("; "));
      } catch (error) {
        tally.fail(id, error instanceof Error ? (error.stack ?? error.message) : String(error));
      } finally {
        await rm(folder, { recursive: true });
      }
    };
    if (only !== undefined) await one(Number(only.split("/")[1]));
    else for (let number = 0; number < schedules && tally.failures.length < MOST_FAILURES; number++) await one(number);
    return tally;
  },
});

/** Sends each batch once; answers those that were acknowledged and what was not. */
const sendOnce = async (home: EmbeddedHome, batches: readonly Batch[]) => {
  const answers: Answer[] = [];
  const refused: Batch[] = [];
  for (const batch of batches) {
    const answer = await home.post(batch.body);
    if (answer?.status === 200) answers.push(answer);
    else refused.push(batch);
  }
  return { answers, refused };
};

/** Both files reach their end at some batch; then there is room, and the producers send again what was not taken. */
export const fullDisks = (schedules: number, seed: number): Part =>
  diskPart(
    "full",
    "log and customer store hit their end and go on when there is room",
    schedules,
    seed,
    async (id, random, folder, tally) => {
      new Stores(folder).close();
      const limits = {
        maxBytes: statSync(path.join(folder, "log.db")).size + random.between(0, 3) * 16_384,
        customerBytes: statSync(path.join(folder, "customers.db")).size + random.between(0, 3) * 4_096,
      };
      const batches = Array.from({ length: 10 }, (_, index) => makeBatches(random, `${seed} ${id} ${index}`)).flat();
      const small = new EmbeddedHome(id, new Stores(folder, limits), nothing(), Date.now);
      const { answers, refused } = await sendOnce(small, batches);
      for (let turn = 0; turn < 50 && (await small.step().catch(() => true)); turn++); // as far as there is room
      small.stores.close();
      tally.fault("request refused by a full disk", refused.length);
      const roomy = new EmbeddedHome(`${id} again`, new Stores(folder), nothing(), Date.now);
      try {
        answers.push(...(await deliver(roomy, refused, random, stay)));
        roomy.receipts.push(...small.receipts);
        return await balance(tally, roomy, 0, batches, answers);
      } finally {
        roomy.stores.close();
      }
    },
  );

/**
 * What was on disk when the last request was acknowledged stays; of what came after it, which nobody was told of, the WAL
 * keeps some bytes, or has others in their place. The customer store, which is not waited for, is torn anywhere.
 */
export const tornPages = (schedules: number, seed: number): Part =>
  diskPart(
    "torn",
    "the tail of the log's and the customer store's WAL is cut, zeroed or garbled",
    schedules,
    seed,
    async (id, random, folder, tally) => {
      const [before, after] = [path.join(folder, "before"), path.join(folder, "after")];
      await mkdir(after);
      new Stores(before).close();
      const first = makeBatches(random, `${seed} ${id} first`);
      const second = makeBatches(random, `${seed} ${id} second`);
      const home = new EmbeddedHome(id, new Stores(before), nothing(), Date.now);
      const answers = await deliver(home, first, random, stay);
      const durable = statSync(path.join(before, "log.db-wal")).size;
      await sendOnce(home, second); // written, and the power goes before anybody is told
      for (const file of ["log.db", "log.db-wal", "customers.db", "customers.db-wal"])
        if (existsSync(path.join(before, file))) copyFileSync(path.join(before, file), path.join(after, file));
      home.stores.close();
      tally.fault(tear(random, path.join(after, "log.db-wal"), durable));
      tally.fault(tear(random, path.join(after, "customers.db-wal"), 0));
      const restarted = new EmbeddedHome(`${id} again`, new Stores(after), nothing(), Date.now);
      try {
        answers.push(...(await deliver(restarted, second, random, stay)));
        restarted.receipts.push(...home.receipts);
        return await balance(tally, restarted, 0, [...first, ...second], answers);
      } finally {
        restarted.stores.close();
      }
    },
  );

/** Damages a file somewhere after `from`; answers how. */
const tear = (random: Random, file: string, from: number): string => {
  const { size } = statSync(file);
  const start = random.between(from, size - 1);
  const how = random.pick(["cut", "zeroed", "garbled"] as const);
  if (how === "cut") truncateSync(file, start);
  else {
    // One page as the disk wrote half of it, or all that follows.
    const length = Math.min(size - start, random.pick([1, 512, 4_096, size]));
    const bytes = Buffer.alloc(length);
    if (how === "garbled") for (let at = 0; at < length; at++) bytes[at] = random.between(0, 255);
    const descriptor = openSync(file, "r+");
    writeSync(descriptor, bytes, 0, length, start);
    closeSync(descriptor);
  }
  return `WAL ${how}`;
};
