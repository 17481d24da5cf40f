import assert from "node:assert/strict";
import { test } from "node:test";
import { type Report, SupervisedWorker } from "./supervisor.ts";

const moduleOf = (source: string): URL => new URL(`data:text/javascript,${encodeURIComponent(source)}`);

const prelude = `import { parentPort, workerData } from "node:worker_threads";
  parentPort.on("message", (order) => { if (order.type === "stop") parentPort.close(); });`;

test("a worker that crashes is started again, with data of its own, and takes orders again", async () => {
  let starts = 0;
  const reports: Report[] = [];
  const worker = new SupervisedWorker({
    name: "crashing",
    module: moduleOf(`${prelude}
      if (workerData.start === 1) throw new Error("first life");
      parentPort.postMessage({ type: "ready" });`),
    data: () => ({ workerData: { start: ++starts }, transfer: [] }),
    heap: { youngMb: 8, oldMb: 64 },
    onReport: (report) => reports.push(report),
  });
  worker.start();
  await worker.ready;
  assert.deepEqual(worker.status, { state: "running", crashes: 1 });
  assert.equal(starts, 2);
  await worker.stop(5_000);
  assert.equal(worker.status.state, "stopped");
  assert.deepEqual(reports, [{ type: "ready" }]);
});

test("a worker that uses up its memory is started again and does not take the home with it", async () => {
  let starts = 0;
  const worker = new SupervisedWorker({
    name: "greedy",
    module: moduleOf(`${prelude}
      if (workerData.start === 1) { const all = []; for (;;) all.push(new Array(100_000).fill(0)); }
      parentPort.postMessage({ type: "ready" });`),
    data: () => ({ workerData: { start: ++starts }, transfer: [] }),
    heap: { youngMb: 8, oldMb: 64 },
    onReport: () => undefined,
  });
  worker.start();
  await worker.ready;
  assert.equal(worker.status.crashes, 1);
  await worker.stop(5_000);
});

test("a worker that does not stop when it is told to is ended", async () => {
  const worker = new SupervisedWorker({
    name: "deaf",
    module: moduleOf(`import { parentPort } from "node:worker_threads";
      parentPort.postMessage({ type: "ready" });
      setTimeout(() => { for (;;); }, 0);`),
    data: () => ({ workerData: {}, transfer: [] }),
    heap: { youngMb: 8, oldMb: 64 },
    onReport: () => undefined,
  });
  worker.start();
  await worker.ready;
  await worker.stop(200);
  assert.equal(worker.status.state, "stopped");
});

test("a worker takes no thread until it is started, and takes orders from then on", async () => {
  const told = Promise.withResolvers<Report>();
  const worker = new SupervisedWorker({
    name: "late",
    module: moduleOf(`${prelude}
      parentPort.on("message", (order) => {
        if (order.type === "upload") parentPort.postMessage({ type: "uploads", taken: 1, active: 0 });
      });
      parentPort.postMessage({ type: "ready" });`),
    data: () => ({ workerData: {}, transfer: [] }),
    heap: { youngMb: 8, oldMb: 64 },
    onReport: (report) => {
      if (report.type === "uploads") told.resolve(report);
    },
  });
  assert.equal(worker.send({ type: "upload", uploadId: "upl_1" }), false);
  assert.equal(worker.status.state, "waiting");
  worker.start();
  assert.ok(worker.send({ type: "upload", uploadId: "upl_1" }));
  assert.deepEqual(await told.promise, { type: "uploads", taken: 1, active: 0 });
  await worker.stop(5_000);
  assert.equal(worker.status.state, "stopped");
});
