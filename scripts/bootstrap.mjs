// Plain JavaScript for whatever Node the host has: installs what is missing, then runs the script on the project's Node.
import { spawn, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { environment, nodeFlags } from "../packages/home/bin/launch.js";

const root = path.dirname(import.meta.dirname ?? path.dirname(new URL(import.meta.url).pathname));
const node = path.join(root, "node_modules/.bin/node");
const stamp = path.join(root, "node_modules/.ebb-lock");
const lock = createHash("sha256")
  .update(readFileSync(path.join(root, "package-lock.json")))
  .digest("hex");
const installed = existsSync(stamp) && readFileSync(stamp, "utf8") === lock && existsSync(node);

if (!installed) {
  process.stderr.write("Installing what is missing (npm ci) …\n");
  // A script at installation runs only if `allowScripts` in package.json names it. Not in .npmrc: SST installs its own
  // packages with npm below this folder.
  const install = spawnSync("npm", ["ci", "--strict-allow-scripts", "--no-audit", "--no-fund", "--loglevel=error"], {
    cwd: root,
    stdio: ["ignore", 2, 2],
  });
  if (install.status !== 0) {
    process.stderr.write("npm ci failed: its own message is above. Node 20 or later and npm 10 or later are needed.\n");
    process.exit(install.status ?? 1);
  }
  writeFileSync(stamp, lock);
}

const [script, ...args] = process.argv.slice(2);
const child = spawn(node, [...nodeFlags, path.join(root, script), ...args], { stdio: "inherit", env: environment });
for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => child.kill(signal));
child.on("exit", (code, signal) => process.exit(code ?? (signal === "SIGINT" ? 130 : 1)));
