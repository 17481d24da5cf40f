/**
 * The floor under uploads: papaparse over the whole text of a file, nothing done with its rows. As whoever wants a field by
 * its name has it parse (`header`: rows are objects), and the least that it can do (rows are arrays).
 */
import { readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";
import Papa from "papaparse";
import { lastAnswer, task } from "./task.ts";

export interface Parsed {
  readonly wallMs: number;
  readonly cpuMs: number;
  readonly rows: number;
}

const { file, times } = task<{ readonly file: string; readonly times: number }>();
const text = gunzipSync(readFileSync(file)).toString("utf8");

const best = (header: boolean): Parsed => {
  let wallMs = Infinity;
  let cpuMs = Infinity;
  let rows = 0;
  for (let time = 0; time < times; time++) {
    const cpuBefore = process.cpuUsage();
    const startedMs = performance.now();
    rows = Papa.parse(text, { header, skipEmptyLines: true }).data.length - (header ? 0 : 1);
    wallMs = Math.min(wallMs, performance.now() - startedMs);
    const cpu = process.cpuUsage(cpuBefore);
    cpuMs = Math.min(cpuMs, (cpu.user + cpu.system) / 1_000);
  }
  return { wallMs, cpuMs, rows };
};
lastAnswer({ arrays: best(false), objects: best(true) });
