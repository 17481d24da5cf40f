/** A home as a process of its own, to be killed without mercy. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import path from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../../", import.meta.url));
const main = path.join(root, "packages/home/src/main.ts");
/** How the command starts the program, without the process in between: a signal sent to it would not arrive. */
const launch = (await import(path.join(root, "packages/home/bin/launch.js"))) as {
  readonly nodeFlags: readonly string[];
  readonly environment: NodeJS.ProcessEnv;
};

export interface HomeProcess {
  readonly url: string;
  readonly writeKey: string;
  readonly readKey: string;
  readonly child: ChildProcess;
  /** Everything the process wrote so far. */
  output(): string;
  /** POST `settle` or `flush`, GET `status`. */
  control(action: "settle" | "flush" | "status"): Promise<unknown>;
  /** `kill -9`. Resolves when the process is gone. */
  kill(): Promise<void>;
  /** SIGTERM. Answers the exit code. */
  stop(): Promise<number | null>;
}

/** The CLI as a child process. */
export const runEbb = (
  args: readonly string[],
): { child: ChildProcess; output: () => string; ended: Promise<number | null> } => {
  const child = spawn(process.execPath, [...launch.nodeFlags, main, ...args], {
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...launch.environment, ...process.env, POWERTOOLS_LOG_LEVEL: "ERROR" },
  });
  let text = "";
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding("utf8").on("data", (chunk: string) => (text += chunk));
  const ended = once(child, "close").then(([code]) => code as number | null);
  return { child, output: () => text, ended };
};

/** Resolves when the home says that it is ready. @throws Error with its output when it ends before */
export const spawnHome = async (folder: string, args: readonly string[] = ["--empty"]): Promise<HomeProcess> => {
  const { child, output, ended } = runEbb(["start", "--data", folder, "--port", "0", ...args]);
  const ready = new Promise<string>((resolve) => {
    const look = (): void => {
      const found = /ready at (http:\S+)/.exec(output());
      if (found !== null) resolve(found[1]!);
    };
    child.stdout!.on("data", look);
  });
  const url = await Promise.race([
    ready,
    ended.then((code) => {
      throw new Error(`the home ended with ${code}:\n${output()}`);
    }),
  ]);
  const json = async (file: string) =>
    JSON.parse(await readFile(path.join(folder, file), "utf8")) as Record<string, string>;
  const keys = await json("first-keys.json");
  return {
    url,
    writeKey: keys["writeKey"]!,
    readKey: keys["readKey"]!,
    child,
    output,
    async control(action) {
      const { controlToken } = await json("home.json");
      const response = await fetch(`${url}/_ebb/${action}`, {
        method: action === "status" ? "GET" : "POST",
        headers: { authorization: `Bearer ${controlToken}` },
      });
      if (!response.ok) throw new Error(`${action}: ${response.status} ${await response.text()}`);
      return await response.json();
    },
    async kill() {
      child.kill("SIGKILL");
      await ended;
    },
    async stop() {
      child.kill("SIGTERM");
      return await ended;
    },
  };
};
