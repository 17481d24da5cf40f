import { spawn } from "node:child_process";
import { once } from "node:events";
import { rm } from "node:fs/promises";
import path from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { temporaryFolder } from "./home.ts";
import { type Bench, seconds } from "./result.ts";

const TARGET_MS = 3_000;
const root = path.resolve(import.meta.dirname, "../..");

/** `npm start -- --empty` on a clone whose packages are installed, until it says that it is ready. */
export const start: Bench = async ({ quick }) => {
  const ready: number[] = [];
  const bare: number[] = [];
  for (let run = 0; run < (quick ? 1 : 5); run++) {
    bare.push(await timed("npm", ["exec", "--", "node", "--version"], /^v\d+/m));
    const folder = await temporaryFolder();
    ready.push(await timed("npm", ["start", "--", "--empty", "--port", "0", "--data", folder], /ready at http/));
    await rm(folder, { recursive: true, force: true });
  }
  const medianMs = median(ready);
  return {
    name: "start",
    title: "npm start -- --empty, to ready",
    method:
      "On a clone whose packages are installed, into an empty folder, the median of five. Beside it what npm takes to " +
      "start Node and have it tell its version.",
    figures: [
      { what: "until ready, median", value: seconds(medianMs) },
      { what: "until ready, slowest", value: seconds(Math.max(...ready)) },
      { what: "npm and Node alone, median", value: seconds(median(bare)) },
      { what: "ready ÷ npm and Node alone", value: (medianMs / median(bare)).toFixed(1) },
    ],
    target: { what: `under ${TARGET_MS / 1_000} s`, met: medianMs < TARGET_MS },
  };
};

/** Milliseconds until a command prints what is awaited; it is then ended with all that it started. */
const timed = async (command: string, args: readonly string[], awaited: RegExp): Promise<number> => {
  const startedMs = performance.now();
  const child = spawn(command, args, { cwd: root, detached: true, stdio: ["ignore", "pipe", "pipe"] });
  const gone = once(child, "exit");
  let output = "";
  const elapsedMs = await new Promise<number>((resolve, reject) => {
    for (const stream of [child.stdout, child.stderr])
      stream.on("data", (chunk: Buffer) => {
        output += chunk.toString("utf8");
        if (awaited.test(output)) resolve(performance.now() - startedMs);
      });
    child.on("error", reject);
    child.on("exit", () => reject(new Error(`${command} ${args.join(" ")} ended:\n${output.slice(-1_000)}`)));
  });
  // npm does not always pass a signal on: its whole group gets it.
  if (child.exitCode === null) process.kill(-child.pid!, "SIGTERM");
  await gone;
  while (isRunning(-child.pid!)) await delay(20); // npm may end before the home that it started
  return elapsedMs;
};

/** @param pid of a process, or negative of a process group */
const isRunning = (pid: number): boolean => {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
};

const median = (values: readonly number[]): number => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)]!;
