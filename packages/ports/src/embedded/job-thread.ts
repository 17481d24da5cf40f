/** The thread that batch jobs run in: whoever waits for one computes meanwhile, and hinders no statement of it. */
import { parentPort, workerData } from "node:worker_threads";
import { BatchManifest } from "./batch-manifest.ts";
import { type EngineOptions, JobExecution } from "./job-execution.ts";

export type ToJobThread =
  { readonly type: "run"; readonly jobId: string; readonly nowMs: number } | { readonly type: "stop" };
/** A job is not running any more. */
export interface FromJobThread {
  readonly ended: string;
}

const options = workerData as EngineOptions;
const manifest = new BatchManifest(options.folder, { readOnly: false });
const jobs = new JobExecution(options, manifest);
const home = parentPort!;

home.on("message", (message: ToJobThread) => {
  if (message.type === "run")
    void jobs
      .run(message.jobId, message.nowMs)
      .then(() => home.postMessage({ ended: message.jobId } satisfies FromJobThread));
  else
    void jobs.stop().then(() => {
      manifest.close();
      home.close();
    });
});
