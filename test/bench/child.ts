/** Child processes of the benchmarks, and what the kernel says that they used. */
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { readFileSync, readdirSync } from "node:fs";
import path from "node:path";

const TICKS_PER_SECOND = 100; // USER_HZ, the same on every Linux architecture that Node runs on

export class Child {
  readonly process: ChildProcess;
  readonly #name: string;

  /** @param execArgv for a profile: `["--cpu-prof"]` */
  constructor(name: string, task: unknown, execArgv: readonly string[] = []) {
    this.#name = name;
    this.process = fork(path.join(import.meta.dirname, "processes", `${name}.ts`), [JSON.stringify(task)], {
      execArgv: [...process.execArgv, ...execArgv], // as npm start has them: the launcher gave them to this process
      stdio: ["ignore", "inherit", "inherit", "ipc"],
      env: { ...process.env, POWERTOOLS_LOG_LEVEL: "WARN" },
    });
  }

  /** The child's next message. @throws Error when it ends without one */
  async next<T>(): Promise<T> {
    const gone = once(this.process, "exit").then(async ([code]) => {
      // What it said last may still be in the channel, which closes when it is read to its end.
      if (this.process.connected) await once(this.process, "disconnect");
      throw new Error(`the ${this.#name} process ended with code ${String(code)} before it answered`);
    });
    const message = once(this.process, "message").then(([value]) => value as T);
    return Promise.race([message, gone]);
  }

  tell(value: unknown): void {
    this.process.send(value as object);
  }

  get pid(): number {
    return this.process.pid!;
  }

  /** Ends it by a signal and waits until it is gone. */
  async stop(signal: NodeJS.Signals = "SIGTERM"): Promise<void> {
    if (this.process.exitCode !== null || this.process.signalCode !== null) return;
    const gone = once(this.process, "exit");
    this.process.kill(signal);
    await gone;
  }
}

/** CPU seconds, user and system, of a process with all its threads and the children it has waited for. */
export const cpuSeconds = (pid: number): number => {
  const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
  // Fields after the name in parentheses, which may itself hold spaces: utime, stime, cutime, cstime are 14 to 17.
  const fields = stat
    .slice(stat.lastIndexOf(")") + 2)
    .split(" ")
    .map(Number);
  return (fields[11]! + fields[12]! + fields[13]! + fields[14]!) / TICKS_PER_SECOND;
};

/** A process and all its living descendants. */
const tree = (pid: number): number[] => {
  const parents = new Map<number, number[]>();
  for (const entry of readdirSync("/proc")) {
    if (!/^\d+$/.test(entry)) continue;
    try {
      const stat = readFileSync(`/proc/${entry}/stat`, "utf8");
      const parent = Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1]);
      parents.set(parent, [...(parents.get(parent) ?? []), Number(entry)]);
    } catch {
      // It ended while we looked.
    }
  }
  const found = [pid];
  for (const one of found) found.push(...(parents.get(one) ?? []));
  return found;
};

/** Resident memory of a process tree now, in bytes. */
const residentBytes = (pid: number): number =>
  tree(pid).reduce((sum, one) => {
    try {
      return sum + Number(/^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${one}/status`, "utf8"))?.[1] ?? 0) * 1024;
    } catch {
      return sum;
    }
  }, 0);

/** Watches the resident memory of a process tree; answers a function that ends it and gives the peak in bytes. */
export const watchMemory = (pid: number, everyMs = 100): (() => number) => {
  let peak = residentBytes(pid);
  const timer = setInterval(() => (peak = Math.max(peak, residentBytes(pid))), everyMs);
  return () => {
    clearInterval(timer);
    return peak;
  };
};
