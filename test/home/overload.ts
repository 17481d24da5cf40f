/** The home at several times what it can take: what it answers, what it keeps, what memory it needs, how it recovers. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { eventIdOf } from "@ebb/core/ids";
import { type HomeProcess, runEbb, spawnHome } from "../support/home-process.ts";
import { type LoadOutcome, type LoadTask, messageId } from "./overload-load.ts";

export interface OverloadPlan {
  readonly batchEvents: number;
  readonly connections: number;
  readonly seconds: number;
}

export interface OverloadFigures {
  readonly sustainable: LoadOutcome;
  readonly overload: LoadOutcome;
  readonly after: LoadOutcome;
  readonly peakMemoryMb: number;
  /** The most up to the end of each phase. */
  readonly peaksMb: Readonly<Record<string, number>>;
  /** From the end of the load until every stage has caught up. */
  readonly caughtUpSeconds: number;
  readonly acknowledgedEvents: number;
  readonly storedEvents: number;
  /** Acknowledged and not stored. */
  readonly lost: number;
  /** Stored more than once. */
  readonly doubled: number;
  /** Stored and neither acknowledged nor sent without an answer. */
  readonly unexplained: number;
}

const load = async (task: LoadTask): Promise<LoadOutcome> => {
  const child = spawn(process.execPath, [path.join(import.meta.dirname, "overload-load.ts"), JSON.stringify(task)], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  let text = "";
  child.stdout.setEncoding("utf8").on("data", (chunk: string) => (text += chunk));
  const [code] = (await once(child, "close")) as [number | null];
  if (code !== 0) throw new Error(`the load ended with ${code}`);
  return JSON.parse(text) as LoadOutcome;
};

/** The most that the process had in memory, its threads included, in MB. */
const peakMemoryMb = (home: HomeProcess): number =>
  Number(/VmHWM:\s+(\d+) kB/.exec(readFileSync(`/proc/${home.child.pid}/status`, "utf8"))?.[1]) / 1000;

const PATIENT = { connections: 8, seconds: 5 };

export const overload = async (plan: OverloadPlan): Promise<OverloadFigures> => {
  const folder = await mkdtemp(path.join(tmpdir(), "ebb-overload-"));
  const home = await spawnHome(folder, ["--empty", "--no-schedule"]);
  try {
    const task = { url: home.url, key: home.writeKey, batchEvents: plan.batchEvents };
    const peaksMb: Record<string, number> = { start: peakMemoryMb(home) };
    await load({ ...task, ...PATIENT, name: "warm", seconds: 2 });
    const sustainable = await load({ ...task, ...PATIENT, name: "patient" });
    const { connections, seconds } = plan;
    peaksMb["patient"] = peakMemoryMb(home);
    const over = await load({ ...task, name: "over", connections, seconds });
    peaksMb["overload"] = peakMemoryMb(home);
    const endedMs = performance.now();
    const after = await load({ ...task, ...PATIENT, name: "after" });
    await home.control("settle");
    const caughtUpSeconds = (performance.now() - endedMs) / 1000;
    peaksMb["settled"] = peakMemoryMb(home);
    await home.control("flush");
    const memory = peakMemoryMb(home);
    return {
      sustainable,
      overload: over,
      after,
      peakMemoryMb: memory,
      peaksMb: { ...peaksMb, flushed: memory },
      caughtUpSeconds,
      ...(await audit(folder, plan.batchEvents, { patient: sustainable, over, after })),
    };
  } finally {
    await home.stop();
    await rm(folder, { recursive: true, force: true });
  }
};

/** What the clients were told against what the lake holds. */
const audit = async (folder: string, batchEvents: number, loads: Readonly<Record<string, LoadOutcome>>) => {
  const { output, ended } = runEbb([
    ...["sql", "--data", folder, "--format", "csv"],
    "select event_id, count(*) n from raw_events where order_id not like 'warm-%' group by event_id",
  ]);
  const code = await ended;
  const stored = new Map<string, number>();
  for (const line of output().split(/\r?\n/)) {
    const [id = "", count] = line.split(",");
    if (id.startsWith("evt_")) stored.set(id, Number(count));
  }
  if (code !== 0) throw new Error(output().slice(0, 2_000));
  let [acknowledgedEvents, lost, explained] = [0, 0, 0];
  for (const [name, { acknowledged, sent }] of Object.entries(loads)) {
    const told = new Set(acknowledged);
    for (let batch = 0; batch < sent; batch++)
      for (let event = 0; event < batchEvents; event++) {
        const isStored = stored.has(eventIdOf("shop", messageId(name, batch, event)));
        if (isStored) explained++;
        if (!told.has(batch)) continue;
        acknowledgedEvents++;
        if (!isStored) lost++;
      }
  }
  return {
    acknowledgedEvents,
    storedEvents: stored.size,
    lost,
    doubled: [...stored.values()].filter((count) => count > 1).length,
    unexplained: stored.size - explained,
  };
};

/** Sent for each one taken. */
export const timesOf = ({ overload: over }: OverloadFigures): number => over.sent / over.acknowledged.length;

export const told = (figures: OverloadFigures): string => {
  const rate = ({ acknowledged, seconds }: LoadOutcome) => `${Math.round(acknowledged.length / seconds)} batches/s`;
  const ms = ({ p50, p99 }: LoadOutcome) => `p50 ${Math.round(p50)} ms, p99 ${Math.round(p99)} ms`;
  const { sustainable, overload: over, after } = figures;
  return `patient    ${rate(sustainable)} taken, ${ms(sustainable)}
overload   ${Math.round(over.sent / over.seconds)} batches/s sent, ${timesOf(figures).toFixed(1)} times what was taken, ${rate(over)} taken, ${ms(over)}
           answers ${JSON.stringify(over.statuses)}, broken ${over.broken}, refusals without Retry-After ${over.unsaid}
after      ${rate(after)} taken, ${ms(after)}, answers ${JSON.stringify(after.statuses)}
stages     caught up ${figures.caughtUpSeconds.toFixed(1)} s after the load
memory     ${figures.peakMemoryMb.toFixed(0)} MB at most; up to the end of each phase ${Object.entries(figures.peaksMb)
    .map(([phase, mb]) => `${phase} ${mb.toFixed(0)}`)
    .join(", ")}
audit      ${figures.acknowledgedEvents} acknowledged, ${figures.storedEvents} stored, ${figures.lost} lost, ${figures.doubled} doubled, ${figures.unexplained} unexplained
`;
};

if (process.argv[1] === import.meta.filename) {
  const [batchEvents = 100, connections = 500, seconds = 15] = process.argv.slice(2).map(Number);
  process.stdout.write(told(await overload({ batchEvents, connections, seconds })));
}
