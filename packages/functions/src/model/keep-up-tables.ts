/**
 * Upkeep of the tables that runs write: small files joined, deletes applied, snapshots forgotten, with the bytes of
 * erased customers that they still hold. In AWS alone: on one machine a write leaves whole files and no snapshot.
 */
import type { Ports, WorkflowContext } from "@ebb/ports";
import { batchTables } from "@ebb/lake/batch/batch-tables";
import { modelTables } from "@ebb/lake/model/model-tables";
import { scheduledDay, workflowOnAws } from "../runtime/workflow-on-aws.ts";

const LOOK_SECONDS = 60;
/** A table with much to forget says that it needs more runs. */
const ATTEMPTS = 5;

/** The upkeep failed; the message has the engine's reason. */
export class UpkeepFailed extends Error {
  override readonly name = "UpkeepFailed";
}

export const make =
  ({ runner, now }: Pick<Ports, "runner" | "now">) =>
  async (event: unknown, context: WorkflowContext): Promise<{ tables: number }> => {
    const day = await context.step(
      "day",
      async () => scheduledDay(event) ?? new Date(now()).toISOString().slice(0, 10),
    );
    const tables = [...batchTables, ...modelTables].map(({ name }) => name);
    for (let attempt = 1; ; attempt++) {
      const jobId = await context.step(`start ${attempt}`, () =>
        runner.start({ name: "upkeep", writes: [], upkeep: tables }, `upkeep/${day}/${attempt}`),
      );
      const state = await context.waitFor(`upkeep ${attempt}`, LOOK_SECONDS, async () => {
        const state = await runner.state(jobId);
        return state.state === "running" ? undefined : state;
      });
      if (state.state === "succeeded") break;
      if (!state.mayRetry || attempt === ATTEMPTS) throw new UpkeepFailed(state.reason);
    }
    return { tables: tables.length };
  };

export const handler = workflowOnAws(make);
