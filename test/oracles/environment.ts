import { execFile } from "node:child_process";
import path from "node:path";
import { type PythonEnvironment, pythonEnvironment } from "../support/python-environment.ts";

/** Python's statistics, by people who are not us: the newest versions that work together from Python 3.10 on. */
const packages = [
  "numpy==2.2.6",
  "scipy==1.15.3",
  "pandas==2.3.3",
  "scikit-learn==1.7.2",
  "statsmodels==0.14.5",
  "onnx==1.19.1",
  "onnxruntime==1.23.2",
];

export const oraclesEnvironment = (): Promise<PythonEnvironment> =>
  pythonEnvironment({ name: "oracles", packages, cost: "600 MB, one to two minutes" });

/** Runs a script of this folder: JSON in, JSON out. */
export const askPython = async (script: string, input: unknown): Promise<unknown> => {
  const { python } = await oraclesEnvironment();
  return new Promise((resolve, reject) => {
    const child = execFile(
      python,
      [path.join(import.meta.dirname, script)],
      { maxBuffer: 256 * 1024 * 1024 },
      (error, stdout, stderr) => {
        if (error === null) resolve(JSON.parse(stdout));
        else reject(new Error(`${script} failed: ${stderr}`, { cause: error }));
      },
    );
    child.stdin!.end(JSON.stringify(input));
  });
};
