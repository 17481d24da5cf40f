#!/usr/bin/env node
// Plain JavaScript for whatever Node the host has: the program itself runs on the Node that the project pins.
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { environment, nodeFlags } from "./launch.js";

const here = path.dirname(fileURLToPath(import.meta.url));
const main = path.join(here, "../src/main.ts");

/** The project's own Node, looked for as npm may have placed it; the host's where that is new enough. */
const findNode = () => {
  for (let folder = here; ; folder = path.dirname(folder)) {
    for (const name of ["node_modules/node/bin/node", "node_modules/.bin/node"]) {
      const file = path.join(folder, name);
      if (existsSync(file)) return file;
    }
    if (folder === path.dirname(folder)) break;
  }
  if (Number(process.versions.node.split(".")[0]) >= 24) return process.execPath;
  process.stderr.write("Node 24 is needed. Run npm install in the project, which brings it.\n");
  process.exit(1);
};

const child = spawn(findNode(), [...nodeFlags, main, ...process.argv.slice(2)], { stdio: "inherit", env: environment });
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, () => child.kill(signal));
child.on("exit", (code, signal) => process.exit(code ?? (signal === "SIGINT" ? 130 : 1)));
