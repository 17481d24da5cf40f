import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir, open, readFile, rm, stat } from "node:fs/promises";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

/** `npm i` of SST's own dependencies takes about a minute; a lock older than this was left by a process that died. */
const staleLockMs = 10 * 60_000;

/**
 * Makes sure that `.sst/platform` (SST's component sources, its Pulumi and AWS provider packages) is there and of the
 * installed SST's version. Needs the npm registry alone: no account, no Pulumi engine, no Bun. Safe to call from many
 * processes at once.
 * @throws Error with the installer's output when it fails
 */
export const ensurePlatform = async (root: string): Promise<string> => {
  const platform = path.join(root, ".sst/platform");
  const wanted = `${(JSON.parse(await readFile(path.join(root, "node_modules/sst/package.json"), "utf8")) as { version: string }).version}`;
  const stamp = path.join(root, ".sst/ebb-platform-version");
  const ready = async (): Promise<boolean> =>
    existsSync(path.join(platform, "node_modules/@pulumi/aws/package.json")) &&
    existsSync(stamp) &&
    (await readFile(stamp, "utf8")) === wanted;
  if (await ready()) return platform;

  await mkdir(path.join(root, ".sst"), { recursive: true });
  const lock = path.join(root, ".sst/ebb-install.lock");
  for (;;) {
    try {
      await (await open(lock, "wx")).close();
      break;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
      const age = Date.now() - ((await stat(lock).catch(() => undefined))?.mtimeMs ?? 0);
      if (age > staleLockMs) await rm(lock, { force: true });
      else await sleep(500);
      if (await ready()) return platform;
    }
  }
  try {
    if (!(await ready())) {
      await install(root);
      const file = await open(stamp, "w");
      await file.writeFile(wanted);
      await file.close();
    }
  } finally {
    await rm(lock, { force: true });
  }
  return platform;
};

const install = async (root: string): Promise<void> => {
  const child = spawn(path.join(root, "node_modules/.bin/sst"), ["install"], {
    cwd: root,
    stdio: ["ignore", "pipe", "pipe"],
    env: {
      ...process.env,
      SST_SKIP_DEPENDENCY_CHECK: "1",
      SST_NO_BUN: "1",
      SST_TELEMETRY_DISABLED: "1",
      SST_STAGE: "dev",
    },
  });
  let output = "";
  child.stdout.on("data", (chunk: Buffer) => (output += chunk.toString()));
  child.stderr.on("data", (chunk: Buffer) => (output += chunk.toString()));
  const code = await new Promise<number | null>((resolve, reject) => child.on("error", reject).on("exit", resolve));
  if (code !== 0) throw new Error(`"sst install" failed (${code}); it needs the npm registry.\n${output}`);
};
