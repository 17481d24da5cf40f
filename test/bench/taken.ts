/** Time and CPU of a piece of work in this process. */
import { readFileSync } from "node:fs";
import { seconds } from "./result.ts";

export interface Taken {
  readonly ms: number;
  /** CPU of this process: other work on the machine does not count. */
  readonly cpuMs: number;
}

export const timed = async <T>(work: () => T | Promise<T>): Promise<Taken & { readonly result: T }> => {
  const [startedMs, used] = [performance.now(), process.cpuUsage()];
  const result = await work();
  const { user, system } = process.cpuUsage(used);
  return { result, ms: performance.now() - startedMs, cpuMs: (user + system) / 1_000 };
};

export const both = ({ ms, cpuMs }: Taken): string => `${seconds(ms)} (CPU ${seconds(cpuMs)})`;

/** The most resident memory that this process ever had, bytes; NaN where the kernel does not tell. */
export const peakMemoryBytes = (): number => {
  try {
    return Number(/VmHWM:\s+(\d+) kB/.exec(readFileSync("/proc/self/status", "utf8"))?.[1]) * 1024;
  } catch {
    return NaN;
  }
};
