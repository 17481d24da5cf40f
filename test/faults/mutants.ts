/** Changes of the program that break exactly once, each made in a copy of the source. The campaign must catch every one. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import path from "node:path";
import { scratchRoot } from "./door-schedules.ts";
import { type Mutation, copyWith } from "./source-copy.ts";

export const mutations: readonly Mutation[] = [
  {
    name: "a conflict is not read again",
    file: "packages/functions/src/score/fold-batch.ts",
    from: `return outcomes?.get(portion.customerKey) !== "written";`,
    to: `return !["written", "conflict"].includes(outcomes?.get(portion.customerKey) ?? "failed");`,
  },
  {
    name: "the offset is committed apart from the effect, and before it",
    file: "packages/home/src/stream-consumer.ts",
    from: "      verdict = await effects.transaction(async () => {",
    to: `      await effects.saveOffset(settings.name, portion.records.at(-1)!.seq);
      verdict = await effects.transaction(async () => {`,
  },
  {
    name: "an older state of an order takes the place of a newer one",
    file: "packages/core/src/orders.ts",
    from: "  if (old !== undefined && !supersedes(base, old))",
    to: "  if (old !== undefined && old.eventId === base.eventId)",
  },
  {
    name: "an event that is on the log already is appended again",
    file: "packages/ports/src/embedded/event-log.ts",
    from: "const isNew = this.#seen.takeNew(ids);",
    to: "const isNew = this.#seen.takeNew(ids).map(() => true);",
  },
];

export interface Caught {
  readonly mutation: string;
  /** Schedules whose outcome was wrong, with what was wrong; empty when the campaign did not notice. */
  readonly by: readonly { readonly schedule: string; readonly message: string }[];
}

/** Runs the campaign's schedules on one machine against a mutant. */
export const hunt = async (mutation: Mutation, schedules: number, seed: number): Promise<Caught> => {
  const folder = await mkdtemp(path.join(scratchRoot, "ebb-mutant-"));
  try {
    copyWith(folder, mutation);
    const child = spawn(
      process.execPath,
      [path.join(folder, "test/faults/main.ts"), "--schedules", String(schedules), "--seed", String(seed), "--json"],
      { stdio: ["ignore", "pipe", "pipe"], env: { ...process.env, NODE_TEST_CONTEXT: undefined } },
    );
    let output = "";
    let errors = "";
    child.stdout.setEncoding("utf8").on("data", (text: string) => (output += text));
    child.stderr.setEncoding("utf8").on("data", (text: string) => (errors += text));
    const [code] = (await once(child, "close")) as [number | null];
    if (code !== 0 && code !== 1) throw new Error(`the campaign ended with ${code} on "${mutation.name}":\n${errors}`);
    return { mutation: mutation.name, by: (JSON.parse(output) as { failures: Caught["by"] }).failures };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
};
