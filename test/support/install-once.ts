/** Things that tests install on first use, from package registries, into `node_modules/.cache`. */
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";

const cache = path.resolve(import.meta.dirname, "../../node_modules/.cache");

export interface Installation {
  /** Names the folder and stands in the message. */
  readonly name: string;
  /** Pinned packages: their hash is part of the folder's name. */
  readonly packages: readonly string[];
  readonly registry: "PyPI" | "Maven Central";
  /** What to expect of the first installation, such as "300 MB, two minutes". */
  readonly cost?: string | undefined;
  /** Fills a folder, which does not exist yet. */
  readonly build: (folder: string) => Promise<void>;
}

/**
 * The folder that `build` filled, now or long ago. Safe to repeat and under several processes: each builds a folder of
 * its own and the first to finish gives it the name, so a folder under its name is complete.
 */
export const installOnce = async ({ name, packages, registry, cost, build }: Installation): Promise<string> => {
  const pinned = packages.join(" ");
  const id = createHash("sha256").update(pinned).digest("hex").slice(0, 8);
  const folder = path.join(cache, `ebb-${registry === "PyPI" ? "python" : "java"}`, `${name}-${id}`);
  const done = path.join(folder, "installed");
  if (existsSync(done)) return folder;

  process.stderr.write(`Installing ${pinned} from ${registry}, once${cost === undefined ? "" : ` (${cost})`} …\n`);
  const building = `${folder}.${process.pid}`;
  mkdirSync(path.dirname(folder), { recursive: true });
  rmSync(building, { recursive: true, force: true });
  try {
    await build(building);
    writeFileSync(path.join(building, "installed"), `${pinned}\n`);
    try {
      renameSync(building, folder);
    } catch (error) {
      // Another process was first; its folder is as good.
      if (!existsSync(done)) throw error;
    }
  } finally {
    rmSync(building, { recursive: true, force: true });
  }
  return folder;
};
