/**
 * Runs a lane of tests with node:test. `npm test` runs the quick lane; `.ci/run` runs the others after it.
 *
 *   quick     *.test.ts that belong to no other lane: no emulator, no browser
 *   slow      *.slow.test.ts: whole files, fifty kills, thousands of schedules
 *   aws       *.aws.test.ts: the AWS adapters on emulators
 *   oracles   *.oracles.test.ts: figures against scikit-learn, statsmodels and ONNX Runtime
 *   engines   *.engines.test.ts: one SQL on DuckDB, Spark 3.5 and 4.1, and Trino
 *   api       *.api.test.ts: Schemathesis against a running home
 *   sources   *.sources.test.ts: connectors on a real PostgreSQL and MariaDB, and on emulators of DynamoDB and S3
 *   browser   *.browser.test.ts: SDKs and pages in Chromium
 *
 * Usage: npm test [-- [--lane quick|slow|aws|oracles|engines|api|sources|browser|all] [part of a path …]]
 */
import { spawnSync } from "node:child_process";
import { globSync } from "node:fs";
import path from "node:path";
import { parseArgs } from "node:util";

const lanes = ["slow", "aws", "oracles", "engines", "api", "sources", "browser"];
const { values, positionals } = parseArgs({
  options: { lane: { type: "string", default: "quick" }, help: { type: "boolean", short: "h" } },
  allowPositionals: true,
});

if (values.help || !["quick", "all", ...lanes].includes(values.lane)) {
  console.error(
    "Usage: npm test [-- [--lane quick|slow|aws|oracles|engines|api|sources|browser|all] [part of a path …]]",
  );
  process.exit(values.help ? 0 : 2);
}

const root = path.dirname(import.meta.dirname);
const laneOf = (file: string): string => lanes.find((lane) => file.endsWith(`.${lane}.test.ts`)) ?? "quick";
const files = globSync(["packages/*/src/**/*.test.ts", "test/**/*.test.ts"], { cwd: root })
  .filter((file) => !file.includes("node_modules"))
  .filter((file) => values.lane === "all" || laneOf(file) === values.lane)
  .filter((file) => positionals.length === 0 || positionals.some((part) => file.includes(part)))
  .sort();

if (files.length === 0) {
  console.error(
    `No test file in lane ${values.lane}${positionals.length > 0 ? ` matches ${positionals.join(", ")}` : ""}.`,
  );
  process.exit(1);
}
console.log(`Lane ${values.lane}: ${files.length} test files on Node ${process.version}`);

// Two files at a time where each has a process, a folder and a server of its own; engines and Chromium are shared.
const sideBySide = ["quick", "slow", "aws"].includes(values.lane) ? 2 : 1;
const concurrency = [`--test-concurrency=${sideBySide}`];
// An engine takes seconds to start and serves every file of its lane.
const isolation = values.lane === "engines" ? ["--test-isolation=none"] : [];
const run = spawnSync(
  process.execPath,
  ["--disable-warning=ExperimentalWarning", "--test", "--test-reporter=spec", ...concurrency, ...isolation, ...files],
  {
    cwd: root,
    stdio: "inherit",
    env: {
      ...process.env,
      // Every file is a process, and homes are processes of their own: what one compiled, the next does not compile again.
      NODE_COMPILE_CACHE: process.env["NODE_COMPILE_CACHE"] ?? path.join(root, "node_modules/.cache/node-compile"),
      POWERTOOLS_DEV: "false",
      POWERTOOLS_LOG_LEVEL: process.env["POWERTOOLS_LOG_LEVEL"] ?? "SILENT",
    },
  },
);
process.exit(run.status ?? 1);
