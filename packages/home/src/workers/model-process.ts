/**
 * A batch run, in a process of its own: its memory is given back when it ends, an engine that runs out of memory does not
 * take the front door with it, and it yields the processor to whoever else wants it.
 */
import { setPriority } from "node:os";
import path from "node:path";
import { make } from "@ebb/functions/model/run-model";
import { embeddedArrivals } from "@ebb/ports/embedded/arrivals";
import { EmbeddedCustomerStore } from "@ebb/ports/embedded/customer-store";
import { DuckDbJobRunner } from "@ebb/ports/embedded/job-runner";
import { EmbeddedObjectStore } from "@ebb/ports/embedded/object-store";
import { EmbeddedRunStore } from "@ebb/ports/embedded/run-store";
import { EmbeddedScoreStore } from "@ebb/ports/embedded/score-store";
import { EmbeddedWorkflowContext, WorkflowStopped } from "@ebb/ports/embedded/workflow-context";
import type { FromModelProcess, ModelStart, ToModelProcess } from "../model-messages.ts";
import { sourceLoads, toldTables } from "../told-tables.ts";

/** Lower than a process that answers requests. */
const NICENESS = 10;

const tell = (message: FromModelProcess): void => {
  process.send!(message);
};

const flushes = new Map<number, PromiseWithResolvers<void>>();
const stopping = new AbortController();
// The home is gone: what is done is remembered, and the next home goes on.
process.on("disconnect", () => process.exit(1));
process.on("message", (message: ToModelProcess) => {
  switch (message.type) {
    case "run":
      void run(message);
      break;
    case "flushed": {
      const waiting = flushes.get(message.id);
      flushes.delete(message.id);
      if (message.failure === undefined) waiting?.resolve();
      else waiting?.reject(new Error(message.failure));
      break;
    }
    case "stop":
      stopping.abort();
      break;
  }
});

const land = (): Promise<void> => {
  const id = flushes.size + 1;
  const waiting = Promise.withResolvers<void>();
  flushes.set(id, waiting);
  tell({ type: "flush", id });
  return waiting.promise;
};

const run = async ({ folder, settings, request, memoryMb, threads }: ModelStart): Promise<void> => {
  setPriority(NICENESS);
  const objectsFolder = path.join(folder, "objects");
  const runs = new EmbeddedRunStore(folder);
  const scores = new EmbeddedScoreStore(folder);
  const customers = new EmbeddedCustomerStore(folder);
  const runner = await DuckDbJobRunner.open({
    folder: path.join(folder, "lake"),
    objectsFolder,
    memoryMb,
    threads,
    now: Date.now,
  });
  try {
    const handle = make({
      now: Date.now,
      settings,
      metrics: { count: (name, value, dimensions = {}) => tell({ type: "count", name, value, dimensions }) },
      customers,
      objects: new EmbeddedObjectStore(objectsFolder),
      runner,
      arrivals: embeddedArrivals(folder, land),
      runs,
      scores,
      toldTables: () => toldTables(folder),
      sourceLoads: () => sourceLoads(folder),
    });
    await handle(request, new EmbeddedWorkflowContext({ runId: request.runId, store: runs, signal: stopping.signal }));
    tell({ type: "ended" });
  } catch (error) {
    if (error instanceof WorkflowStopped) tell({ type: "ended" });
    else tell({ type: "ended", failure: error instanceof Error ? (error.stack ?? error.message) : String(error) });
  } finally {
    await runner.close();
    for (const store of [customers, scores, runs]) store.close();
    process.disconnect();
  }
};
