/**
 * Evaluates the SST program without an AWS account: every resource it declares, with resolved inputs. The infrastructure
 * tests assert on the answer and the cost model reads it.
 */
import { spawn } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { graphOf, type DeclaredApp, type DeclaredResource, type ResourceGraph } from "./graph.ts";
import { ensurePlatform } from "./platform.ts";

export { dig, type DeclaredApp, type DeclaredResource, type ResourceGraph } from "./graph.ts";

const projectRoot = path.resolve(import.meta.dirname, "../..");
const evaluated = new Map<string, Promise<ResourceGraph>>();

export interface Evaluation {
  readonly stage: string;
  /** Settings of the deployment (docs/deploy.md), as `sst deploy` would find them in its environment, and secrets of sources. */
  readonly settings?: Readonly<Record<`EBB_${string}` | `SST_SECRET_${string}`, string>>;
  /** Another program than the project's own, from the project's root. */
  readonly config?: string;
}

/**
 * The graph of one stage. Evaluated once a process, stage and settings, in a child process of its own: Pulumi's runtime
 * is global state, and a process that has nothing left to wait for has surely registered everything.
 * @throws Error when the program throws, asks SST's server for something unknown, or leaves a resource unresolved
 */
export const evaluateStacks = ({
  stage,
  settings = {},
  config = "sst.config.ts",
}: Evaluation): Promise<ResourceGraph> => {
  const key = JSON.stringify([stage, settings, config]);
  let graph = evaluated.get(key);
  if (graph === undefined) {
    graph = evaluate(stage, settings, config);
    evaluated.set(key, graph);
  }
  return graph;
};

/** What the machine happens to have set must not decide what is evaluated. */
const cleanEnvironment = (): NodeJS.ProcessEnv =>
  Object.fromEntries(
    Object.entries(process.env).filter(([name]) => !/^(?:EBB|SST|AWS)_|^NODE_TEST_CONTEXT$/.test(name)),
  );

const evaluate = async (
  stage: string,
  settings: Readonly<Record<string, string>>,
  config: string,
): Promise<ResourceGraph> => {
  const platform = await ensurePlatform(projectRoot);
  const work = await mkdtemp(path.join(tmpdir(), "ebb-evaluate-"));
  try {
    const answer = path.join(work, "graph.json");
    const child = spawn(
      process.execPath,
      [path.join(import.meta.dirname, "evaluate-program.ts"), projectRoot, platform, stage, work, answer, config],
      { cwd: projectRoot, stdio: ["ignore", "pipe", "pipe"], env: { ...cleanEnvironment(), ...settings } },
    );
    let output = "";
    child.stdout.on("data", (chunk: Buffer) => (output += chunk.toString()));
    child.stderr.on("data", (chunk: Buffer) => (output += chunk.toString()));
    const code = await new Promise<number | null>((resolve, reject) => child.on("error", reject).on("exit", resolve));
    if (code !== 0) throw new Error(`The program of stage "${stage}" could not be evaluated (${code}).\n${output}`);
    const { app, resources } = JSON.parse(await readFile(answer, "utf8")) as {
      app: DeclaredApp;
      resources: DeclaredResource[];
    };
    return graphOf(app, resources);
  } finally {
    await rm(work, { recursive: true, force: true });
  }
};
