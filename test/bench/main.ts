/**
 * `npm run bench [-- NAME …] [--quick]`: what the program costs, as ratios to a floor measured in the same run. A full
 * run writes docs/benchmarks.md. Ends with 1 when a full run misses a target.
 */
import { writeFileSync } from "node:fs";
import path from "node:path";
import type { Bench, Finding, Skipped } from "./result.ts";
import { lines, machine, page } from "./report.ts";

/** In the order they run: the short ones first. */
const benches: Readonly<Record<string, { readonly load: () => Promise<Bench>; readonly quick: boolean }>> = {
  start: { load: async () => (await import("./start.ts")).start, quick: true },
  throughput: { load: async () => (await import("./throughput.ts")).throughput, quick: true },
  latency: { load: async () => (await import("./latency.ts")).latency, quick: true },
  upload: { load: async () => (await import("./upload.ts")).upload, quick: true },
  sources: { load: async () => (await import("./sources.ts")).sources, quick: true },
  // Two whole runs: their cost hardly depends on how few lines there are.
  batch: { load: async () => (await import("./batch.ts")).batch, quick: false },
  sessions: { load: async () => (await import("./sessions.ts")).sessionsBench, quick: true },
  fit: { load: async () => (await import("./fit.ts")).fit, quick: true },
  score: { load: async () => (await import("./score.ts")).score, quick: true },
  dashboard: { load: async () => (await import("./dashboard.ts")).dashboard, quick: true },
  dynamodb: { load: async () => (await import("./dynamodb.ts")).dynamodb, quick: false },
  memory: { load: async () => (await import("./memory.ts")).memory, quick: false },
};

const args = process.argv.slice(2);
const quick = args.includes("--quick");
const names = args.filter((arg) => arg !== "--quick");
const unknown = names.filter((name) => !Object.hasOwn(benches, name));
if (unknown.length > 0) {
  process.stderr.write(
    `There is no benchmark "${unknown.join('", "')}". There are: ${Object.keys(benches).join(", ")}; and --quick.\n`,
  );
  process.exit(2);
}

process.stdout.write(`${machine()}\n\n`);
const found: (Finding | Skipped)[] = [];
for (const [name, bench] of Object.entries(benches)) {
  if (names.length > 0 ? !names.includes(name) : quick && !bench.quick) continue;
  const one = await (await bench.load())({ quick });
  found.push(one);
  process.stdout.write(`${lines(one)}\n`);
}
// Fewer lines than the benchmark is about are for whoever works on it.
if (!quick && process.env["EBB_BENCH_LINES"] === undefined) {
  const file = path.resolve(import.meta.dirname, "../../docs/benchmarks.md");
  writeFileSync(file, page(file, found, new Date().toISOString().slice(0, 10)));
  process.stdout.write("docs/benchmarks.md is written.\n");
}
// A quick run shows that the benchmarks work; a small sample is no judgement.
if (!quick && found.some((one) => "target" in one && one.target?.met === false)) process.exitCode = 1;
