/** Virtual environments of pinned Python packages, for emulators and oracles that nobody here wrote. */
import { execFile } from "node:child_process";
import path from "node:path";
import { promisify } from "node:util";
import { installOnce } from "./install-once.ts";

const run = promisify(execFile);

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
 * The environment with these packages, installed by pip unless it is there.
 *
 * @throws Error that says what is missing: Python 3.10 or later with venv, or a package
 *
 * @example
 * const { python } = await pythonEnvironment({ name: "oracles", packages: ["scikit-learn==1.7.2"] });
 * execFileSync(python, ["-c", "import sklearn"]);
 */
export const pythonEnvironment = async ({ name, packages, cost }: PythonRequirements): Promise<PythonEnvironment> => {
  const build = async (folder: string): Promise<void> => {
    const python = path.join(folder, "bin/python");
    try {
      await run("python3", ["-m", "venv", folder]);
      await run(python, ["-c", "import sys; sys.exit(sys.version_info < (3, 10))"]);
    } catch (error) {
      throw new Error(`${name} needs python3, 3.10 or later, with its venv module.`, { cause: error });
    }
    try {
      const pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", ...packages];
      await run(python, pip, { maxBuffer: 16 * 1024 * 1024 });
    } catch (error) {
      throw new Error(`pip could not install ${packages.join(" ")}.`, { cause: error });
    }
  };
  const folder = await installOnce({ name, packages, registry: "PyPI", cost, build });
  return { python: path.join(folder, "bin/python"), folder };
};
