/**
 * Virtual environments of pinned Python packages, for emulators and oracles that nobody here wrote. Each is installed on
 * first use into `node_modules/.cache/ebb-python`, from then on found by the hash of its requirements.
 */
import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);
const folderOfAll = path.resolve(import.meta.dirname, "../../node_modules/.cache/ebb-python");

export interface PythonEnvironment {
  /** The interpreter that sees the packages. Run a program of one as `python -m name`: scripts in bin/ do not work. */
  readonly python: string;
  readonly folder: string;
}

export interface PythonRequirements {
  /** Names the folder and stands in the message. */
  readonly name: string;
  /** `package==version`, pinned; what these need comes with them. */
  readonly packages: readonly string[];
  /** What to expect of the first installation, such as "300 MB, two minutes". */
  readonly cost?: string;
}

/**
 * The environment with these packages, installed by pip unless it is there. Safe to repeat and under several processes:
 * each builds a folder of its own and the first to finish gives it the name, so a folder under its name is complete.
 *
 * @throws Error that says what is missing: Python 3.10 or later with venv, or a package
 *
 * @example
 * const { python } = await pythonEnvironment({ name: "oracles", packages: ["scikit-learn==1.7.2"] });
 * execFileSync(python, ["-c", "import sklearn"]);
 */
export const pythonEnvironment = async ({ name, packages, cost }: PythonRequirements): Promise<PythonEnvironment> => {
  const pinned = packages.join(" ");
  const id = createHash("sha256").update(pinned).digest("hex").slice(0, 8);
  const folder = path.join(folderOfAll, `${name}-${id}`);
  const done = path.join(folder, "installed");
  const environment = { python: path.join(folder, "bin/python"), folder };
  if (existsSync(done)) return environment;

  process.stderr.write(`Installing ${pinned} from PyPI, once${cost === undefined ? "" : ` (${cost})`} …\n`);
  const building = `${folder}.${process.pid}`;
  mkdirSync(folderOfAll, { recursive: true });
  rmSync(building, { recursive: true, force: true });
  try {
    try {
      await run("python3", ["-m", "venv", building]);
      await run(path.join(building, "bin/python"), ["-c", "import sys; sys.exit(sys.version_info < (3, 10))"]);
    } catch (error) {
      throw new Error(`${name} needs python3, 3.10 or later, with its venv module.`, { cause: error });
    }
    try {
      const pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", ...packages];
      await run(path.join(building, "bin/python"), pip, { maxBuffer: 16 * 1024 * 1024 });
    } catch (error) {
      throw new Error(`pip could not install ${pinned}.`, { cause: error });
    }
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
  return environment;
};
