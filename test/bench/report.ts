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

/**
 * The page with the figures of this run in place of the last ones of the same benchmarks; the others stay, and so does
 * what people wrote around them.
 */
export const page = (file: string, found: readonly (Finding | Skipped)[], date: string): string => {
  const before = readFileSync(file, "utf8");
  const start = before.indexOf(START);
  const end = before.indexOf(END);
  if (start < 0 || end < start) throw new Error(`${file} has no place for the figures: ${START} … ${END}`);
  const sections = new Map(
    before
      .slice(start + START.length, end)
      .split(/^(?=### )/m)
      .filter((text) => text.startsWith("### "))
      .map((text) => [headingOf(text), text.trim()]),
  );
  const run = `Run on ${date}, revision ${revision()}: ${machine()}.`;
  for (const one of found) {
    const text = section(one, run);
    sections.set(headingOf(text), text);
  }
  return `${before.slice(0, start + START.length)}\n\n${[...sections.values()].join("\n\n")}\n\n${before.slice(end)}`;
};

const headingOf = (text: string): string => text.slice(0, text.indexOf("\n"));

const section = (found: Finding | Skipped, run: string): string => {
  if ("skipped" in found) return `### ${found.name}\n\nNot run: ${found.skipped}.`;
  const rows = found.figures.map(({ what, value }) => `| ${what} | ${value} |`);
  const target = found.target === undefined ? [] : ["", `${capital(verdict(found.target))}.`];
  const table = ["| what | figure |", "|---|---|", ...rows];
  return [`### ${found.title}`, "", found.method, "", run, "", ...table, ...target].join("\n");
};

const capital = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1);
