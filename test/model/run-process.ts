/**
 * A batch run as a process of its own over a folder at rest. With `--die-at N` it kills itself with SIGKILL where the
 * N-th answer that is new would be remembered: the step's work is done, its memory is not.
 *
 * Usage: run-process.ts FOLDER RUN_ID AS_OF [--die-at N]
 */
import path from "node:path";
import { parseArgs } from "node:util";
import { make } from "@ebb/functions/model/run-model";
import { EmbeddedMetrics } from "@ebb/ports/embedded";
import { embeddedArrivals } from "@ebb/ports/embedded/arrivals";
import { openSettings } from "@ebb/ports/embedded/configuration";
import { EmbeddedCustomerStore } from "@ebb/ports/embedded/customer-store";
import { DuckDbJobRunner } from "@ebb/ports/embedded/job-runner";
import { EmbeddedObjectStore } from "@ebb/ports/embedded/object-store";
import { EmbeddedRunStore } from "@ebb/ports/embedded/run-store";
import { EmbeddedScoreStore } from "@ebb/ports/embedded/score-store";
import { EmbeddedWorkflowContext } from "@ebb/ports/embedded/workflow-context";

const { values, positionals } = parseArgs({ options: { "die-at": { type: "string" } }, allowPositionals: true });
const [folder, runId, asOf] = positionals as [string, string, string];
let left = values["die-at"] === undefined ? Infinity : Number(values["die-at"]);

const runs = new EmbeddedRunStore(folder);
const scores = new EmbeddedScoreStore(folder);
const customers = new EmbeddedCustomerStore(folder);
const objectsFolder = path.join(folder, "objects");
const runner = await DuckDbJobRunner.open({ folder: path.join(folder, "lake"), objectsFolder, now: Date.now });
const handle = make({
  now: Date.now,
  settings: openSettings(folder),
  metrics: new EmbeddedMetrics(),
  customers,
  objects: new EmbeddedObjectStore(objectsFolder),
  runner,
  arrivals: embeddedArrivals(folder, async () => undefined), // all has landed
  runs,
  scores,
});
const store = {
  answer: (run: string, step: string) => runs.answer(run, step),
  remember: (run: string, step: string, answer: string): void => {
    if (--left === 0) {
      process.stdout.write(`${step}\n`);
      process.kill(process.pid, "SIGKILL");
    }
    runs.remember(run, step, answer);
  },
};
await handle({ runId, asOf, startedBy: "command" }, new EmbeddedWorkflowContext({ runId, store }));
await runner.close();
