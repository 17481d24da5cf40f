/**
 * An erasure, in a process of its own: it rewrites files, which takes memory and time, and yields the processor to whoever
 * else wants it.
 */
import { setPriority } from "node:os";
import path from "node:path";
import { make } from "@ebb/functions/serve/erase-customers";
import { embeddedArrivals } from "@ebb/ports/embedded/arrivals";
import { lakeVisitors } from "@ebb/ports/embedded/erase-lake";
import { embeddedErasers } from "@ebb/ports/embedded/erasers";
import { EmbeddedErasures } from "@ebb/ports/embedded/erasures";
import { EmbeddedRunStore } from "@ebb/ports/embedded/run-store";
import { EmbeddedSuppressions } from "@ebb/ports/embedded/suppressions";
import { EmbeddedWorkflowContext, WorkflowStopped } from "@ebb/ports/embedded/workflow-context";
import { ReceiptSigner } from "@ebb/ports/receipt-signer";
import type { EraseStart, FromEraseProcess, ToEraseProcess } from "../erase-messages.ts";

/** Lower than a process that answers requests. */
const NICENESS = 10;

const tell = (message: FromEraseProcess): void => {
  process.send!(message, undefined, undefined, () => undefined); // a home that has gone is told by `disconnect`
};

const waiting = new Map<number, PromiseWithResolvers<void>>();
const stopping = new AbortController();
let asked = 0;
// The home is gone: what is done is remembered, and the next home goes on.
process.on("disconnect", () => process.exit(1));
process.on("message", (message: ToEraseProcess) => {
  switch (message.type) {
    case "erase":
      void erase(message);
      break;
    case "done": {
      const answered = waiting.get(message.id);
      waiting.delete(message.id);
      if (message.failure === undefined) answered?.resolve();
      else answered?.reject(new Error(message.failure));
      break;
    }
    case "stop":
      stopping.abort();
      break;
  }
});

const ask = (type: "flush" | "hold" | "release"): Promise<void> => {
  const id = ++asked;
  const answer = Promise.withResolvers<void>();
  waiting.set(id, answer);
  tell({ type, id });
  return answer.promise;
};

const exclusively = async (work: () => void): Promise<void> => {
  await ask("hold");
  try {
    work();
  } finally {
    await ask("release");
  }
};

const erase = async ({ folder, erasureId, suppressionSecret }: EraseStart): Promise<void> => {
  setPriority(NICENESS);
  // SQLite rewrites a file by way of a temporary one, which is as large: not on a file system in memory.
  process.env["SQLITE_TMPDIR"] = path.join(folder, "lake");
  const land = (): Promise<void> => ask("flush");
  const parts = { folder, land, now: Date.now };
  const runs = new EmbeddedRunStore(folder);
  const erasures = new EmbeddedErasures(folder);
  const suppressions = new EmbeddedSuppressions(folder, suppressionSecret);
  try {
    const handle = make({
      now: Date.now,
      runs,
      erasures,
      suppressions,
      arrivals: embeddedArrivals(folder, land),
      visitors: lakeVisitors(parts),
      erasers: embeddedErasers({ ...parts, exclusively }),
      receipts: new ReceiptSigner(suppressionSecret),
      erasing: { start: () => Promise.reject(new Error("an erasure starts no other")) },
    });
    const context = new EmbeddedWorkflowContext({ runId: erasureId, store: erasures, signal: stopping.signal });
    await handle({ erasureId }, context);
    tell({ type: "ended" });
  } catch (error) {
    if (error instanceof WorkflowStopped) tell({ type: "ended" });
    else tell({ type: "ended", failure: error instanceof Error ? (error.stack ?? error.message) : String(error) });
  } finally {
    for (const store of [suppressions, erasures, runs]) store.close();
    process.disconnect();
  }
};
