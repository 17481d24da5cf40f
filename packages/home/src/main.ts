/** The command line. Each command is loaded when it is asked for. */
import { readFileSync } from "node:fs";
import { enableCompileCache } from "node:module";
import { fileURLToPath } from "node:url";
import { UsageError } from "./command-line.ts";

/** A command takes its arguments and answers the exit code. @throws UsageError */
export type Run = (args: readonly string[]) => Promise<number>;

const commands: Readonly<Record<string, { readonly summary: string; readonly load: () => Promise<{ run: Run }> }>> = {
  start: { summary: "start the home; the first time it makes a shop", load: () => import("./commands/start.ts") },
  sql: { summary: 'query the lake: ebb sql "select count(*) from orders"', load: () => import("./commands/sql.ts") },
  upload: {
    summary: "send a file (CSV, JSON Lines, XLSX; gzip allowed) to the running home",
    load: () => import("./commands/upload.ts"),
  },
  sources: {
    summary: "list, check and load the databases that the home reads from",
    load: () => import("./commands/sources.ts"),
  },
  run: { summary: "make a batch run: segments, churn model, scores, report", load: () => import("./commands/run.ts") },
  status: { summary: "what the running home is doing", load: () => import("./commands/status.ts") },
  ledger: {
    summary: "what arrived by request, hook and upload, and its balance",
    load: () => import("./commands/ledger.ts"),
  },
  quarantine: { summary: "what was refused, by reason", load: () => import("./commands/quarantine.ts") },
  replay: {
    summary: "send what was refused or given up again; rebuild the customer store from the lake",
    load: () => import("./commands/replay.ts"),
  },
  quality: {
    summary: "what each source sends, column by column, and what somebody should look at",
    load: () => import("./commands/quality.ts"),
  },
  tables: {
    summary: "the catalogue: every table of the lake and its columns",
    load: () => import("./commands/tables.ts"),
  },
  audit: {
    summary: "a balanced account from the front door to the marts, or what breaks it",
    load: () => import("./commands/audit.ts"),
  },
  backup: { summary: "copy all that a home keeps, while it runs", load: () => import("./commands/backup.ts") },
  restore: { summary: "put a backup back, into a new folder", load: () => import("./commands/restore.ts") },
  erase: { summary: "forget customers for good, with a signed receipt", load: () => import("./commands/erase.ts") },
  keys: { summary: "list, make, rotate and revoke keys", load: () => import("./commands/keys.ts") },
};

const help = (): string => {
  const lines = Object.entries(commands).map(([name, { summary }]) => `  ${name.padEnd(12)}${summary}`);
  return `ebb: customer analytics for e-commerce

Usage: ebb COMMAND [OPTIONS]

${lines.join("\n")}

  ebb COMMAND --help tells the options of a command.
  ebb --version tells the version.
`;
};

const version = (): string => {
  const file = new URL("../package.json", import.meta.url);
  return (JSON.parse(readFileSync(file, "utf8")) as { version: string }).version;
};

const main: Run = async ([name, ...args]) => {
  if (name === undefined || name === "--help" || name === "help") {
    process.stdout.write(help());
    return name === undefined ? 2 : 0;
  }
  if (name === "--version") {
    process.stdout.write(`${version()}\n`);
    return 0;
  }
  const command = Object.hasOwn(commands, name) ? commands[name] : undefined;
  if (command === undefined) throw new UsageError(`There is no command "${name}".\n\n${help()}`);
  return await (await command.load()).run(args);
};

// Threads read it from the environment: a warm start is a third of the time of a cold one.
process.env["NODE_COMPILE_CACHE"] ??= fileURLToPath(new URL("../../../node_modules/.cache/ebb", import.meta.url));
enableCompileCache(process.env["NODE_COMPILE_CACHE"]);
process.env["POWERTOOLS_LOG_LEVEL"] ??= "WARN";
try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  if (!(error instanceof UsageError)) throw error;
  process.stderr.write(`${error.message}\n`);
  process.exitCode = 2;
}
