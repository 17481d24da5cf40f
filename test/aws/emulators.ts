/**
 * Emulators of AWS that nobody here wrote, each started on a free port of the loopback. The Python ones are installed on
 * first use by `pythonEnvironment` (pinned below); that takes about a minute and Python 3.10 or later.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { type AddressInfo, createServer } from "node:net";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { type PythonEnvironment, pythonEnvironment } from "../support/python-environment.ts";

const root = path.resolve(import.meta.dirname, "../..");

/** Exact versions; `boto3` and its like come with them. duckdb is MiniStack's Athena. */
const requirements = {
  moto: ["moto[server]==5.2.5"],
  ministack: ["ministack==1.5.33", "duckdb==1.4.1"],
} as const;
type PythonEmulator = keyof typeof requirements;

export type EmulatorName = PythonEmulator | "dynalite" | "fauxqs";
export interface Emulator {
  readonly name: EmulatorName;
  readonly version: string;
  readonly endpoint: string;
  stop(): Promise<void>;
}

const say = (line: string): void => {
  process.stderr.write(`${line}\n`);
};

export const emulatorEnvironment = (name: PythonEmulator): Promise<PythonEnvironment> =>
  pythonEnvironment({ name, packages: requirements[name], cost: "a minute" });

const freePort = async (): Promise<number> => {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
};

/** Waits until the server answers anything at all. */
const answering = async (endpoint: string, child: ChildProcess, output: () => string): Promise<void> => {
  for (let tries = 0; tries < 300; tries++) {
    if (child.exitCode !== null) break;
    try {
      await fetch(endpoint, { signal: AbortSignal.timeout(1_000) });
      return;
    } catch {
      await sleep(100);
    }
  }
  throw new Error(`${endpoint} does not answer:\n${output()}`);
};

/**
 * moto's own server answers requests in threads, but its stores are not made for that: records of a stream get lost and
 * a failed transaction undoes what others wrote. One request at a time it keeps its promises.
 */
const MOTO = `
import sys
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import run_simple
run_simple("127.0.0.1", int(sys.argv[1]), DomainDispatcherApplication(create_backend_app), threaded=False)
`;

const startPython = async (name: PythonEmulator): Promise<Emulator> => {
  const { python } = await emulatorEnvironment(name);
  const port = await freePort();
  const endpoint = `http://127.0.0.1:${port}`;
  const args = {
    moto: ["-c", MOTO, String(port)],
    ministack: ["-m", "ministack"],
  }[name];
  const child = spawn(python, args, {
    env: {
      PATH: process.env["PATH"],
      HOME: process.env["HOME"],
      TMPDIR: process.env["TMPDIR"],
      AWS_ACCESS_KEY_ID: "test",
      AWS_SECRET_ACCESS_KEY: "test",
      AWS_DEFAULT_REGION: "us-east-1",
      GATEWAY_PORT: String(port),
      BIND_HOST: "127.0.0.1",
      LOG_LEVEL: "ERROR",
    },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.on("data", (chunk: Buffer) => (output = (output + chunk.toString()).slice(-4_000)));
  }
  // The child must not outlive a test that was interrupted.
  const kill = () => child.kill("SIGKILL");
  process.once("exit", kill);
  const stop = async () => {
    process.off("exit", kill);
    if (child.exitCode !== null) return;
    const gone = new Promise((resolve) => child.once("exit", resolve));
    child.kill("SIGTERM");
    await Promise.race([gone, sleep(3_000, undefined, { ref: false }).then(kill)]);
    await gone;
  };
  try {
    await answering(endpoint, child, () => output);
  } catch (error) {
    await stop();
    throw error;
  }
  return { name, version: requirements[name][0].split("==")[1]!, endpoint, stop };
};

const require = createRequire(import.meta.url);
const versionOf = (pack: string): string => {
  const manifest = path.join(root, "node_modules", pack, "package.json");
  return (JSON.parse(readFileSync(manifest, "utf8")) as { version: string }).version;
};

const startDynalite = async (): Promise<Emulator> => {
  type Server = ReturnType<typeof createServer>;
  const dynalite = require("dynalite") as (options: object) => Server;
  const server = dynalite({ createTableMs: 0, deleteTableMs: 0, updateTableMs: 0 });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  return {
    name: "dynalite",
    version: versionOf("dynalite"),
    endpoint: `http://127.0.0.1:${port}`,
    stop: () => new Promise((resolve) => server.close(() => resolve())),
  };
};

const startFauxqs = async (): Promise<Emulator> => {
  const { startFauxqs: start } = await import("fauxqs");
  const server = await start({ port: 0, host: "127.0.0.1", logger: false });
  return {
    name: "fauxqs",
    version: versionOf("fauxqs"),
    endpoint: `http://127.0.0.1:${server.port}`,
    stop: () => server.stop(),
  };
};

/** Starts an emulator and says so: the lane prints what it ran on. */
export const startEmulator = async (name: EmulatorName): Promise<Emulator> => {
  const emulator = await {
    moto: () => startPython("moto"),
    ministack: () => startPython("ministack"),
    dynalite: startDynalite,
    fauxqs: startFauxqs,
  }[name]();
  say(`${name} ${emulator.version} at ${emulator.endpoint}`);
  return emulator;
};
