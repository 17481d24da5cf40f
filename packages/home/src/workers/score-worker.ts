/** The score stage's thread: the only writer of customers.db. */
import path from "node:path";
import { type MessagePort, workerData } from "node:worker_threads";
import type { KinesisStreamEvent } from "aws-lambda";
import { functions, scoreConsumer } from "@ebb/functions/declarations";
import { make } from "@ebb/functions/score/fold-orders";
import { openScore } from "@ebb/ports/embedded";
import { EmbeddedObjectStore } from "@ebb/ports/embedded/object-store";
import { release } from "@ebb/ports/release";
import { EmbeddedSuppressions } from "@ebb/ports/embedded/suppressions";
import { type CommonData, commonPorts } from "../home-ports.ts";
import { Progress } from "../progress.ts";
import { StreamConsumer } from "../stream-consumer.ts";
import { leave, pause, report, takeOrders, workerMetrics } from "./worker.ts";

/** How long the thread sleeps at most before it looks at its orders again. */
const LONGEST_WAIT_MS = 1_000;

const data = workerData as CommonData & { readonly log: MessagePort };
const { signal, stopped } = takeOrders((order) => {
  if (order.type === "redeliver") void redeliver(order.id, order.event);
});
const progress = new Progress(data.progress);
const stores = openScore(data.folder, data.log);
const suppressions = new EmbeddedSuppressions(data.folder, data.secrets.suppressionSecret);

const handle = make({ ...commonPorts(data, workerMetrics), ...stores, suppressions });

/** In a transaction of its own, which takes turns with those of the consumer; no offset moves. */
const redeliver = async (id: number, event: unknown): Promise<void> => {
  try {
    const { batchItemFailures } = await stores.customers.transaction(() => handle(event as KinesisStreamEvent));
    if (batchItemFailures.length > 0) throw new Error(`${batchItemFailures.length} records failed again`);
    report({ type: "redelivered", id });
  } catch (error) {
    report({ type: "redelivered", id, failure: error instanceof Error ? error.message : String(error) });
  }
};

const consumer = await StreamConsumer.open({
  settings: scoreConsumer,
  handle,
  source: {
    read: (afterSeq, records, bytes) => stores.reader.read(afterSeq, records, bytes, progress.get("head")),
    done: (records) => records.forEach(({ data: bytes }) => release(bytes)),
  },
  effects: stores.customers,
  deadLetters: new EmbeddedObjectStore(path.join(data.folder, "objects")),
  metrics: workerMetrics,
  now: Date.now,
  timeoutMs: functions.find(({ handler }) => handler === scoreConsumer.handler)!.timeoutSeconds * 1000,
  sleep: pause,
});
progress.set("score", consumer.offset);
report({ type: "ready" });

while (!signal.aborted) {
  if (await consumer.step(signal)) progress.set("score", consumer.offset);
  else await Promise.race([progress.reached("head", consumer.offset + 1, LONGEST_WAIT_MS), stopped]);
}
suppressions.close();
stores.close();
leave();
