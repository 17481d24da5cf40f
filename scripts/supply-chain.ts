/**
 * The supply chain's gate: lockfile, pinned versions, licences and install scripts against `supply-chain.json`; `npm
 * audit` where the advisory service answers; and the bill of materials (CycloneDX), which `npm sbom` writes.
 *
 * Usage: node scripts/supply-chain.ts [--sbom FILE]
 */
import { spawnSync } from "node:child_process";
import { globSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { parseArgs } from "node:util";
import {
  type AuditReport,
  type Lockfile,
  type Policy,
  auditProblems,
  lockProblems,
  unpinned,
} from "./supply-chain-rules.ts";

const root = path.dirname(import.meta.dirname);
const { values } = parseArgs({ options: { sbom: { type: "string" }, help: { type: "boolean", short: "h" } } });
if (values.help === true) {
  console.log("Usage: node scripts/supply-chain.ts [--sbom FILE]");
  process.exit(0);
}

const read = (file: string): unknown => JSON.parse(readFileSync(path.join(root, file), "utf8"));
const lock = read("package-lock.json") as Lockfile;
const policy = read("scripts/supply-chain.json") as Policy;
const manifests = ["package.json", ...globSync("packages/*/package.json", { cwd: root })];
function npm(...args: string[]): { readonly stdout: string; readonly stderr: string } {
  const { stdout, stderr } = spawnSync("npm", args, {
    cwd: root,
    encoding: "utf8",
    maxBuffer: 1 << 28,
    timeout: 120_000,
  });
  return { stdout, stderr };
}

const problems = [
  ...lockProblems(lock, policy),
  ...manifests.flatMap((file) => unpinned(file, read(file) as Parameters<typeof unpinned>[1])),
];
const packages = Object.keys(lock.packages).filter((entry) => entry.includes("node_modules/")).length;
console.log(`Lockfile: ${packages} packages; licences, install scripts and versions: ${problems.length} problems`);

let report: AuditReport = {};
try {
  report = JSON.parse(npm("audit", "--json").stdout) as AuditReport;
} catch {
  // Not JSON: no answer of the service, said below.
}
const advisories = auditProblems(report, policy, new Date().toISOString().slice(0, 10));
if (advisories === undefined) console.log("npm audit: NOT RUN, the advisory service did not answer");
else console.log(`npm audit: ${advisories.length} advisories without an exception`);

if (values.sbom !== undefined) {
  // Of the lockfile: what happens to lie in `node_modules`, and on which platform, is no part of the bill.
  const { stdout, stderr } = npm("sbom", "--sbom-format", "cyclonedx", "--package-lock-only");
  if (stdout === "") throw new Error(`npm sbom failed: ${stderr}`);
  const { components } = JSON.parse(stdout) as { components: unknown[] };
  mkdirSync(path.dirname(values.sbom), { recursive: true });
  writeFileSync(values.sbom, stdout);
  console.log(`Bill of materials: ${components.length} components in ${values.sbom}`);
}

for (const problem of [...problems, ...(advisories ?? [])]) console.error(`  ${problem}`);
process.exit(problems.length + (advisories?.length ?? 0) > 0 ? 1 : 0);
