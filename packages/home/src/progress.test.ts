import assert from "node:assert/strict";
import { test } from "node:test";
import { Worker } from "node:worker_threads";
import { Progress } from "./progress.ts";

test("a mark that another thread sets wakes whoever waits for it, and a mark that is short of it does not", async () => {
  const progress = new Progress();
  const worker = new Worker(
    `const { workerData, parentPort } = require("node:worker_threads");
     import(workerData.module).then(({ Progress }) => {
       const progress = new Progress(workerData.shared);
       parentPort.on("message", (sequence) => progress.set("score", sequence));
       parentPort.postMessage("ready");
     });`,
    { eval: true, workerData: { module: import.meta.resolve("./progress.ts"), shared: progress.shared } },
  );
  await new Promise((resolve) => worker.once("message", resolve));
  const reached = progress.reached("score", 5, 60_000);
  worker.postMessage(4);
  worker.postMessage(5);
  assert.equal(await reached, true);
  assert.equal(progress.get("score"), 5);
  assert.equal(await progress.reached("score", 6, 20), false);
  assert.equal(await progress.reached("head", 1, 0), false, "marks are apart");
  await worker.terminate();
});
