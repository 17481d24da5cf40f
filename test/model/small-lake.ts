/** A lake that fills by arrivals, and the steps of runs over it, without a home around them. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import type { StreamEvent } from "@ebb/core/stream-event";
import type { RunModelPorts } from "@ebb/functions/model/run-model-ports";
import type { RunPlan } from "@ebb/functions/model/run-request";
import { RunSteps } from "@ebb/functions/model/run-steps";
import type { Run } from "@ebb/ports";
import { EmbeddedMetrics } from "@ebb/ports/embedded";
import { EmbeddedCustomerStore } from "@ebb/ports/embedded/customer-store";
import { DuckDbJobRunner } from "@ebb/ports/embedded/job-runner";
import { LakeWriter } from "@ebb/ports/embedded/lake-writer";
import { EmbeddedObjectStore } from "@ebb/ports/embedded/object-store";
import { DuckDbQueryEngine } from "@ebb/ports/embedded/query-engine";
import { EmbeddedRunStore } from "@ebb/ports/embedded/run-store";
import { EmbeddedScoreStore } from "@ebb/ports/embedded/score-store";
import { EmbeddedWorkflowContext } from "@ebb/ports/embedded/workflow-context";

export interface SmallLake {
  /** Of the home. */
  readonly folder: string;
  readonly ports: RunModelPorts;
  readonly runner: DuckDbJobRunner;
  /** Events arrive together. */
  land(events: readonly StreamEvent[], arrivedAtMs: number): Promise<void>;
  /** A run that has begun, an hour or more after the one before it. */
  begin(
    options: { asOf: string; startedAtMs: number; horizonDays?: number; whole?: boolean },
    ports?: RunModelPorts,
  ): Promise<{
    plan: RunPlan;
    steps: RunSteps;
    figures: (step: string) => Promise<Readonly<Record<string, number | string>>>;
  }>;
  /** Rows of a SELECT over the batch tables, each as JSON. */
  rows(sql: string): Promise<string[]>;
}

/** @param context of a test; or whoever else closes what is open */
export const smallLake = async (context: { after(close: () => Promise<void>): void }): Promise<SmallLake> => {
  const folder = await mkdtemp(path.join(tmpdir(), "ebb-small-lake-"));
  const lake = path.join(folder, "lake");
  const objectsFolder = path.join(folder, "objects");
  let nowMs = 0;
  const writer = await LakeWriter.open({
    folder: lake,
    bufferMb: 64,
    bufferSeconds: 60,
    compression: "SNAPPY",
    quarantine: { put: () => Promise.reject(new Error("an event was not landed")) },
    metrics: { count: () => undefined },
    now: () => nowMs,
  });
  const runner = await DuckDbJobRunner.open({ folder: lake, objectsFolder, memoryMb: 256, threads: 1, now: Date.now });
  const runs = new EmbeddedRunStore(folder);
  const ports: RunModelPorts = {
    now: () => nowMs,
    settings: {
      rates: { reportingCurrency: "EUR", rates: {} },
      corsOrigins: [],
      hookSecrets: {},
      allowedProperties: [],
      allowedTraits: [],
    },
    metrics: new EmbeddedMetrics(),
    customers: new EmbeddedCustomerStore(folder),
    objects: new EmbeddedObjectStore(objectsFolder),
    runner,
    arrivals: { missing: async () => 0 },
    runs,
    scores: new EmbeddedScoreStore(folder),
  };
  context.after(async () => {
    await runner.close();
    await writer.close();
    runs.close();
    await rm(folder, { recursive: true, force: true });
  });
  let seq = 0;
  let count = 0;
  return {
    folder,
    ports,
    runner,
    async land(events, arrivedAtMs) {
      nowMs = arrivedAtMs;
      const data = Buffer.from(events.map((event) => JSON.stringify(event)).join("\n"));
      if (events.length > 0) await writer.add([{ seq: ++seq, arrivedAtMs, data }]);
      await writer.flush();
    },
    async begin({ asOf, startedAtMs, horizonDays = 60, whole }, portsOfRun = ports) {
      nowMs = startedAtMs;
      const runId = `${asOf}-${++count}`;
      const plan: RunPlan = {
        runId,
        asOf,
        horizonDays,
        startedBy: "command",
        startedAtMs,
        ...(whole === undefined ? {} : { whole }),
      };
      const { whole: _, ...rest } = plan;
      await runs.put({ ...rest, state: "running", steps: [] } satisfies Run);
      const steps = new RunSteps(plan, new EmbeddedWorkflowContext({ runId, store: runs }), portsOfRun);
      return {
        plan,
        steps,
        figures: async (step) => (await runs.get(runId))?.steps.find(({ name }) => name === step)?.figures ?? {},
      };
    },
    async rows(sql) {
      const engine = await DuckDbQueryEngine.open({ folder: lake, memoryMb: 256 });
      try {
        const { rows } = await engine.query(`SELECT CAST(to_json(t) AS VARCHAR) FROM (${sql}) AS t`);
        return rows.map(([row]) => row as string).sort();
      } finally {
        engine.close();
      }
    },
  };
};
