import { availableParallelism } from "node:os";
import { rm } from "node:fs/promises";
import { BATCH, LINES } from "./bodies.ts";
import { Child, cpuSeconds } from "./child.ts";
import { BenchHome, temporaryFolder } from "./home.ts";
import { type Bench, perSecond, seconds } from "./result.ts";

const CONNECTIONS = 8;
const TARGET = 1 / 4;
const ROUNDS = 5;
/**
 * Orders before the clock starts, of the floor too. A home takes orders for days; of what follows a warm-up of 5,000 V8's
 * compilers still took 7 % of the CPU, after 40,000 they take 2 %.
 */
const WARM_UP = 40_000;

/** Orders in by HTTP until every one is durable, scored and landed, against the floor in the same run. */
export const throughput: Bench = async ({ quick }) => {
  const orders = quick ? 10_000 : 100_000;
  const customers = 10_000;
  const rounds: Round[] = [];
  for (let round = 0; round < (quick ? 1 : ROUNDS); round++) rounds.push(await runRound(orders, customers));

  const inOrder = rounds.toSorted((a, b) => ratioOf(a) - ratioOf(b));
  const { floor, ...home } = inOrder[Math.floor(inOrder.length / 2)]!;
  const ratio = floor.wallMs / home.correctedMs;
  return {
    name: "throughput",
    title: "Orders in, durable, scored and landed",
    method:
      `${orders.toLocaleString("en")} orders of ${LINES} lines of ${customers.toLocaleString("en")} customers, ` +
      `POSTed in batches of ${BATCH} over ${CONNECTIONS} connections by a process of its own with pre-built requests, ` +
      "until the last is on the log, in the customer store and in Parquet. From the wall time goes the generator's " +
      "CPU time divided by the number of cores. The floor is one process without HTTP that parses the same JSON, " +
      "inserts the bodies in a WAL SQLite table (synchronous=FULL, 25 requests a transaction) and upserts one row a " +
      `customer. Both have taken ${WARM_UP.toLocaleString("en")} orders before the clock starts. Floor and home take turns, ${rounds.length} rounds, each with a new home, as one and the same run took up ` +
      "to a third longer where others used the machine; the figures are those of the round in the middle, by its ratio.",
    figures: [
      { what: "floor", value: perSecond(orders, floor.wallMs) },
      { what: "home, generator's CPU not counted", value: perSecond(orders, home.correctedMs) },
      { what: "home, as the wall clock has it", value: perSecond(orders, home.wallMs) },
      { what: "home, answered (durable)", value: perSecond(orders, home.answeredMs) },
      { what: "CPU of the floor", value: seconds(floor.cpuMs) },
      { what: "CPU of the home", value: seconds(home.cpuMs) },
      { what: "CPU of the generator", value: seconds(home.generatorCpuMs) },
      { what: "CPU an order, home ÷ floor", value: (home.cpuMs / floor.cpuMs).toFixed(1) },
      {
        what: "home ÷ floor of each round",
        value: rounds.map((round) => ratioOf(round).toFixed(3)).join(", "),
      },
      { what: "home ÷ floor", value: ratio.toFixed(3) },
    ],
    target: { what: `at least ${TARGET} of the floor`, met: ratio >= TARGET },
  };
};

interface Round {
  readonly floor: { readonly wallMs: number; readonly cpuMs: number };
  readonly wallMs: number;
  readonly answeredMs: number;
  readonly cpuMs: number;
  readonly generatorCpuMs: number;
  readonly correctedMs: number;
}

const ratioOf = ({ floor, correctedMs }: Round): number => floor.wallMs / correctedMs;

const runRound = async (orders: number, customers: number): Promise<Round> => {
  const floor = await runFloor(orders, customers);
  const home = await BenchHome.start();
  try {
    const { url, writeKey } = home.started;
    await runLoad({ url, writeKey, orders: WARM_UP, customers, run: "warm-up" }, home);
    const cpuBefore = cpuSeconds(home.child.pid);
    const {
      wallMs,
      answeredMs,
      cpuMs: generatorCpuMs,
    } = await runLoad({ url, writeKey, orders, customers, run: "measured" }, home);
    const cpuMs = (cpuSeconds(home.child.pid) - cpuBefore) * 1_000;
    // What the generator took from the cores is given back: at most its CPU, spread over all of them.
    const correctedMs = wallMs - generatorCpuMs / availableParallelism();
    return { floor, wallMs, answeredMs, cpuMs, generatorCpuMs, correctedMs };
  } finally {
    await home.stop();
  }
};

const runFloor = async (orders: number, customers: number): Promise<{ wallMs: number; cpuMs: number }> => {
  const folder = await temporaryFolder();
  const floor = new Child("floor", { folder, warmUp: WARM_UP, orders, customers });
  const found = await floor.next<{ wallMs: number; cpuMs: number }>();
  await floor.stop();
  await rm(folder, { recursive: true });
  return found;
};

const runLoad = async (
  task: { url: string; writeKey: string; orders: number; customers: number; run: string },
  home: BenchHome,
): Promise<{ wallMs: number; answeredMs: number; cpuMs: number }> => {
  const load = new Child("load", { ...task, connections: CONNECTIONS });
  await load.next();
  const startedMs = performance.now();
  const done = load.next<{ wallMs: number; cpuMs: number }>();
  load.tell("go");
  const { wallMs: answeredMs, cpuMs } = await done;
  await home.settle();
  return { wallMs: performance.now() - startedMs, answeredMs, cpuMs };
};
