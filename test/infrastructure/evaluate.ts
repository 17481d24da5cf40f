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

/**
 * The graph of one stage. Evaluated once a process and stage, in a child process of its own: Pulumi's runtime is global
 * state, and a process that has nothing left to wait for has surely registered everything.
 * @throws Error when the program throws, asks SST's server for something unknown, or leaves a resource unresolved
 */
export const evaluateStacks = ({ stage }: { stage: string }): Promise<ResourceGraph> => {
  let graph = evaluated.get(stage);
  if (graph === undefined) {
    graph = evaluate(stage);
    evaluated.set(stage, graph);
  }
  return graph;
};

const evaluate = async (stage: string): Promise<ResourceGraph> => {
  const platform = await ensurePlatform(projectRoot);
  const work = await mkdtemp(path.join(tmpdir(), "ebb-evaluate-"));
  try {
    const answer = path.join(work, "graph.json");
    const child = spawn(
      process.execPath,
      [path.join(import.meta.dirname, "evaluate-program.ts"), projectRoot, platform, stage, work, answer],
      { cwd: projectRoot, stdio: ["ignore", "pipe", "pipe"] },
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
