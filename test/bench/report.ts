/** Findings as a person reads them: lines on a terminal, and docs/benchmarks.md. */
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { arch, availableParallelism, cpus, platform, release, totalmem } from "node:os";
import type { Finding, Skipped } from "./result.ts";

export const lines = (found: Finding | Skipped): string => {
  if ("skipped" in found) return `${found.name}: skipped, ${found.skipped}\n`;
  const width = Math.max(...found.figures.map(({ what }) => what.length));
  const figures = found.figures.map(({ what, value }) => `  ${what.padEnd(width)}  ${value}`);
  const target = found.target === undefined ? [] : [`  ${verdict(found.target)}`];
  return [`${found.name}: ${found.title}`, ...figures, ...target, ""].join("\n");
};

const verdict = ({ what, met }: NonNullable<Finding["target"]>): string => `target: ${what}: ${met ? "met" : "MISSED"}`;

/** What the figures hold for. */
export const machine = (): string => {
  const model = cpus()[0]?.model.trim() ?? "unknown CPU";
  const memory = `${Math.round(totalmem() / 2 ** 30)} GiB`;
  return `${availableParallelism()} cores of ${model}, ${memory}, ${platform()} ${release()} ${arch()}, Node ${process.version}`;
};

const revision = (): string => {
  try {
    return execFileSync("git", ["rev-parse", "--short", "HEAD"], { encoding: "utf8" }).trim();
  } catch {
    return "unknown";
  }
};

const START = "<!-- figures: written by npm run bench -->";
const END = "<!-- end of figures -->";

/** The page with the figures of this run in place of the last one's; what people wrote around them stays. */
export const page = (file: string, found: readonly (Finding | Skipped)[], date: string): string => {
  const before = readFileSync(file, "utf8");
  const start = before.indexOf(START);
  const end = before.indexOf(END);
  if (start < 0 || end < start) throw new Error(`${file} has no place for the figures: ${START} … ${END}`);
  const figures = [`Run on ${date}, revision ${revision()}: ${machine()}.`, ...found.map(section)].join("\n\n");
  return `${before.slice(0, start + START.length)}\n\n${figures}\n\n${before.slice(end)}`;
};

const section = (found: Finding | Skipped): string => {
  if ("skipped" in found) return `### ${found.name}\n\nNot run: ${found.skipped}.`;
  const rows = found.figures.map(({ what, value }) => `| ${what} | ${value} |`);
  const target = found.target === undefined ? [] : ["", `${capital(verdict(found.target))}.`];
  return [`### ${found.title}`, "", found.method, "", "| what | figure |", "|---|---|", ...rows, ...target].join("\n");
};

const capital = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1);
